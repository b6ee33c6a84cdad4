"""The RQ side of jobs: three queues by priority, and how a step of a job becomes an RQ job in one of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import redis
from rq import Queue, Retry
from rq.job import Job
from rq.serializers import JSONSerializer

from mien.formats import PRIORITIES, Priority
from mien.jobs.steps import WEBHOOK, Call
from mien.settings import Settings

if TYPE_CHECKING:
    from redis.client import Pipeline
    from rq.queue import EnqueueData

QUEUE = "mien"
QUEUES: dict[Priority, str] = {name: QUEUE if name == "normal" else f"{QUEUE}:{name}" for name in PRIORITIES}
"""The queues by priority; workers look at them in this order."""

# Waits before each further try, for a full disk or a server that is away. Deaths of workers are counted
# elsewhere (`mien.jobs.deaths`), without a wait.
RETRY_INTERVALS_S = (1, 5, 10, 20, 20)
WEBHOOK_INTERVALS_S = (5, 20)
# Longer than the webhook's own time-outs; it ends a call whose server answers one letter at a time.
_WEBHOOK_TIMEOUT_S = 20
# RQ keeps nothing of a finished step: the step's file says that it is finished.
_RESULT_TTL_S = 600


class JobQueue:
    """The queues of one broker."""

    def __init__(self, connection: redis.Redis, settings: Settings) -> None:
        self._redis = connection
        self._settings = settings
        self.by_priority: dict[Priority, Queue] = {
            priority: Queue(name, connection=connection, serializer=JSONSerializer) for priority, name in QUEUES.items()
        }

    def add(self, pipe: Pipeline, priority: Priority, job_id: str, attempt: int, calls: Iterable[Call]) -> None:
        """Queue steps in a transaction that is being written."""
        data = [self._data(job_id, attempt, call) for call in calls]
        if data:
            self.by_priority[priority].enqueue_many(data, pipeline=pipe)

    def unknown(self, job_id: str, attempt: int, calls: Sequence[Call]) -> list[Call]:
        """Return those of `calls` that have not been queued in this attempt."""
        with self._redis.pipeline(transaction=False) as pipe:
            for call in calls:
                pipe.exists(Job.key_for(rq_id(job_id, attempt, call.step)))
            there = pipe.execute()
        return [call for call, known in zip(calls, there, strict=True) if not known]

    def _data(self, job_id: str, attempt: int, call: Call) -> EnqueueData:
        is_webhook = call.function == WEBHOOK
        intervals_s = WEBHOOK_INTERVALS_S if is_webhook else RETRY_INTERVALS_S
        options: dict[str, Any] = {
            "job_id": rq_id(job_id, attempt, call.step),
            "timeout": _WEBHOOK_TIMEOUT_S if is_webhook else self._settings.job_timeout_s,
            "result_ttl": _RESULT_TTL_S,
            "failure_ttl": self._settings.job_ttl_s,
            "description": f"job {job_id}, attempt {attempt}, {call.step}",
            "retry": Retry(max=len(intervals_s), interval=list(intervals_s)),
        }
        return Queue.prepare_data(call.function, args=[job_id, attempt, *call.args], **options)


def rq_id(job_id: str, attempt: int, step: str) -> str:
    """Return the id of the RQ job of a step.

    RQ allows letters, digits, underscores and dashes. A retry gets ids of its own, so that what RQ still holds of an
    earlier attempt cannot block it.
    """
    return f"{job_id}-{attempt}-{step}"
