"""What workers do for all queues every few seconds: steps that dead workers held are queued again."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import redis
from rq import Queue, SimpleWorker
from rq.job import Job, JobStatus
from rq.worker_registration import clean_worker_registry

from mien.logs import get_logger
from worker.jobs.processes import is_alive, pid_space

PID_SPACE = "mien_pid_space"
"""The field of a worker's entry in which it says what process ids it can see."""

# A worker that died between taking a job and saying so leaves it in the intermediate queue; saying so takes
# milliseconds.
_STUCK_AFTER = timedelta(seconds=10)

log = get_logger(__name__)


class Maintenance:
    """Looks after the queues in place of RQ's own maintenance, for one worker.

    RQ's own lock outlives a killed worker by 15 minutes, and its group registries read jobs with pickle: here the lock
    lasts `every_s`, and groups are left out.
    """

    def __init__(self, connection: redis.Redis, worker: str, every_s: int) -> None:
        self._connection: Any = connection  # redis-py types answers as whatever any client may give
        self._worker = worker
        self._every_s = every_s

    def run(self, queues: Iterable[Queue]) -> None:
        """Queue again what dead workers held and what waited for its next try, and forget what is old."""
        for queue in queues:
            lock = f"{queue.registry_cleaning_key}:mien"
            if self._connection.set(lock, self._worker, nx=True, ex=self._every_s):
                self._expire_dead_neighbours(queue)
                queue.started_job_registry.cleanup()
                queue.finished_job_registry.cleanup()
                queue.failed_job_registry.cleanup()
                clean_worker_registry(queue)
                self._free_stuck_jobs(queue)
                self._queue_due_jobs(queue)
                self._connection.delete(lock)

    def _expire_dead_neighbours(self, queue: Queue) -> None:
        """Take for abandoned at once what a worker held that has ended on this machine, without waiting for beats."""
        space = pid_space()
        for entry in self._connection.zrange(queue.started_job_registry.key, 0, -1) if space else ():
            job_key = Job.key_for(entry.decode().partition(":")[0])
            name = (self._connection.hget(job_key, "worker_name") or b"").decode()
            pid, its_space = self._connection.hmget(
                f"{SimpleWorker.redis_worker_namespace_prefix}{name}", "pid", PID_SPACE
            )
            if pid and its_space == space.encode() and not is_alive(int(pid)):
                log.info("a worker of this machine has ended", worker=name)
                self._connection.zadd(queue.started_job_registry.key, {entry: 1}, xx=True)

    def _free_stuck_jobs(self, queue: Queue) -> None:
        taken = queue.intermediate_queue
        for job_id in taken.get_job_ids():
            if job_id in queue.started_job_registry or taken.set_first_seen(job_id):
                continue
            first_seen = taken.get_first_seen(job_id)
            if first_seen is None or datetime.now(UTC) - first_seen < _STUCK_AFTER:
                continue
            log.warning("job of a dead worker queued again", job=job_id)
            with self._connection.pipeline(transaction=True) as pipe:
                pipe.lrem(taken.key, 1, job_id)
                pipe.delete(taken.get_first_seen_key(job_id))
                queue.push_job_id(job_id, pipeline=pipe, at_front=True)
                pipe.execute()

    def _queue_due_jobs(self, queue: Queue) -> None:
        """Queue what waited for its next try."""
        waiting = queue.scheduled_job_registry
        for job_id in waiting.get_jobs_to_schedule():
            with self._connection.pipeline(transaction=True) as pipe:
                pipe.zrem(waiting.key, job_id)
                if self._connection.exists(Job.key_for(job_id)):
                    pipe.hset(Job.key_for(job_id), "status", JobStatus.QUEUED.value)
                    queue.push_job_id(job_id, pipeline=pipe)
                pipe.execute()
