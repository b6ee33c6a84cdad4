"""The RQ worker of mien: the model stays loaded, only our own functions run, and a dead worker is soon missed.

RQ's SimpleWorker runs jobs in its own process, without a fork. Three things are different here. A job's function is
looked up in a table and never imported by name, and callbacks and webhooks that a job carries are ignored: whoever can
write to the broker cannot run code. A thread beats for worker, job and execution every 5 s with a lifetime of 15 s, and
abandoned jobs are looked for every 5 s, so that what a killed worker held is running again within 30 s. And every
wait is short, so that a stop takes no longer than the picture in hand.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import redis
from rq import Queue, SimpleWorker
from rq.exceptions import AbandonedJobError, DequeueTimeout
from rq.job import Job
from rq.serializers import JSONSerializer
from rq.timeouts import JobTimeoutException
from rq.utils import now
from rq.worker.base import WorkerStatus
from rq.worker_registration import clean_worker_registry

from mien.errors import BrokerUnavailable, JobError, MienError
from mien.jobs import QUEUE
from mien.logs import get_logger, without_password

BEAT_S = 5.0
BEAT_TTL_S = 15
MAINTENANCE_S = 5
# A worker that died between taking a job and saying so leaves it in the intermediate queue; saying so takes
# milliseconds.
_STUCK_AFTER = timedelta(seconds=10)
_DEQUEUE_S = 1
_BROKER_RETRY_S = 0.5
_AWAY = (redis.ConnectionError, redis.TimeoutError, BrokerUnavailable)

GiveUp = Callable[[str, int, str], None]
"""Called with job, attempt and reason when no try is left."""

log = get_logger(__name__)


class JobsWorker(SimpleWorker):  # type: ignore[misc]
    """Works on the jobs of mien until `stopping` is set.

    `functions` are the only ones that run, by name; `give_up` is told when one of them has failed for good.
    """

    def __init__(
        self,
        connection: redis.Redis,
        functions: Mapping[str, Callable[..., object]],
        give_up: GiveUp,
        stopping: threading.Event,
    ) -> None:
        super().__init__(
            [QUEUE],
            connection=connection,
            job_class=listed_job(functions, give_up),
            serializer=JSONSerializer,
            maintenance_interval=MAINTENANCE_S,
            worker_ttl=BEAT_TTL_S,
        )
        self._stopping = stopping

    def run(self, *, until_empty: bool = False) -> None:
        """Work until `stopping` is set, or until the queue is empty; waits while the broker is away."""
        self._patiently(self.register_birth)
        self._patiently(lambda: self.set_state(WorkerStatus.IDLE))
        log.info("worker started", worker=self.name, queue=QUEUE)
        with self._beating():
            while not self._stopping.is_set():
                try:
                    if not self._work_once(wait=not until_empty) and until_empty:
                        break
                except _AWAY as error:
                    self.executions.clear()  # what was in hand comes back to the queue by itself
                    log.warning("waiting for the broker", reason=_line(error))
                    time.sleep(_BROKER_RETRY_S)
        try:
            self.register_death()
        except _AWAY as error:
            log.warning("stopped without the broker", reason=_line(error))
        log.info("worker stopped", worker=self.name)

    def _work_once(self, *, wait: bool) -> bool:
        if self.should_run_maintenance_tasks:
            self.run_maintenance_tasks()
        try:
            found = self.queue_class.dequeue_any(
                self.queues,
                _DEQUEUE_S if wait else None,
                connection=self.connection,
                job_class=self.job_class,
                serializer=self.serializer,
                death_penalty_class=self.death_penalty_class,
            )
        except DequeueTimeout:
            return False
        if found is None:
            return False
        job, queue = found
        job.redis_server_version = self.get_redis_server_version()
        self.execute_job(job, queue)
        return True

    # Beats

    def heartbeat(self, timeout: int | None = None, pipeline: Any = None) -> None:
        """Say that this worker lives; it is taken for dead 15 s after the last time."""
        super().heartbeat(timeout or BEAT_TTL_S, pipeline)

    def get_heartbeat_ttl(self, job: Job, working_time: float = 0.0) -> int:
        """How long a job is taken to be worked on after a beat."""
        return BEAT_TTL_S

    def beat(self) -> None:
        """Renew the lifetime of this worker and of what it works on."""
        with self.connection.pipeline(transaction=False) as pipe:
            self.heartbeat(BEAT_TTL_S, pipe)
            pipe.hset(self.key, mapping=self.serialize())
            for execution in tuple(self.executions.values()):
                execution.heartbeat(execution.job.started_job_registry, BEAT_TTL_S, pipe)
                execution.job.heartbeat(now(), BEAT_TTL_S, pipe, xx=True)
            pipe.execute()

    @contextmanager
    def _beating(self) -> Iterator[None]:
        ended = threading.Event()
        thread = threading.Thread(target=self._beat_until, args=(ended,), name="beats", daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join(BEAT_TTL_S)

    def _beat_until(self, ended: threading.Event) -> None:
        while not ended.wait(BEAT_S):
            try:
                self.beat()
            except redis.RedisError as error:
                log.warning("beat missed", reason=_line(error))

    # Maintenance

    def run_maintenance_tasks(self) -> None:
        """Queue again what dead workers held, and forget what is old.

        RQ's own lock outlives a killed worker by 15 minutes and its group registries read jobs with pickle, so both are
        left out.
        """
        for queue in self.queues:
            lock = f"{queue.registry_cleaning_key}:mien"
            if self.connection.set(lock, self.name, nx=True, ex=MAINTENANCE_S):
                queue.started_job_registry.cleanup()
                queue.finished_job_registry.cleanup()
                queue.failed_job_registry.cleanup()
                clean_worker_registry(queue)
                self._free_stuck_jobs(queue)
                self.connection.delete(lock)
        self.last_cleaned_at = now()

    def _free_stuck_jobs(self, queue: Queue) -> None:
        taken = queue.intermediate_queue
        for job_id in taken.get_job_ids():
            if job_id in queue.started_job_registry or taken.set_first_seen(job_id):
                continue
            first_seen = taken.get_first_seen(job_id)
            if first_seen is None or datetime.now(UTC) - first_seen < _STUCK_AFTER:
                continue
            log.warning("job of a dead worker queued again", job=job_id)
            with self.connection.pipeline(transaction=True) as pipe:
                pipe.lrem(taken.key, 1, job_id)
                pipe.delete(taken.get_first_seen_key(job_id))
                queue.push_job_id(job_id, pipeline=pipe, at_front=True)
                pipe.execute()

    # What RQ would do otherwise

    def _set_connection(self, connection: redis.Redis) -> redis.Redis:
        return connection  # its time-outs fit: no command here blocks for more than a second

    def handle_exception(self, job: Job, *exc_info: Any) -> None:
        """Log why a job could not run, in one line."""
        error = exc_info[1]
        expected = isinstance(error, MienError | JobTimeoutException | OSError)
        log.error("job could not run", job=job.id, reason=reason_of(error), exc_info=None if expected else error)

    def _patiently(self, ask: Callable[[], object]) -> None:
        while not self._stopping.is_set():
            try:
                ask()
            except _AWAY as error:
                log.warning("waiting for the broker", reason=_line(error))
                time.sleep(_BROKER_RETRY_S)
            else:
                return


def listed_job(functions: Mapping[str, Callable[..., object]], give_up: GiveUp) -> type[Job]:
    """Return a class of RQ jobs that run `functions` and nothing else."""

    class ListedJob(Job):  # type: ignore[misc]
        """A job whose function is looked up, not imported, and whose callbacks are ours."""

        success_callback = None
        stopped_callback = None

        @property
        def func(self) -> Callable[..., object]:
            """The function to call; raises JobError when its name is not in the list."""
            name = self.func_name
            if not isinstance(name, str) or name not in functions or self.instance is not None:
                raise JobError(f"refused to run {name!r}: it is not a job function of mien")
            return functions[name]

        @property
        def failure_callback(self) -> Callable[..., None]:
            """What happens after a try that failed: the job of mien is told when it was the last one."""
            return _after_failure

        def send_webhooks(self, *_: Any, **__: Any) -> None:
            """Call nobody, whatever the job says."""

    def _after_failure(job: Job, _connection: redis.Redis, _kind: Any, error: BaseException, _trace: Any) -> None:
        if job.should_retry:
            log.warning("job will be tried again", job=job.id, reason=reason_of(error), left=job.retries_left)
        elif job.func_name in functions:
            job_id, attempt, *_ = job.args
            give_up(str(job_id), int(attempt), reason_of(error))

    return ListedJob


def reason_of(error: BaseException) -> str:
    """Return why a job failed, in one line for people."""
    if isinstance(error, AbandonedJobError):
        return "the workers that worked on it died each time: look at their logs"
    if isinstance(error, MienError | JobTimeoutException):
        return _line(error)
    return f"{type(error).__name__}: {_line(error)}"


def _line(error: BaseException) -> str:
    return without_password(" ".join(str(error).split())) or type(error).__name__
