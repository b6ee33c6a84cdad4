"""The RQ worker of mien: the model stays loaded, only our own functions run, and a dead worker is soon missed.

RQ's SimpleWorker runs jobs in its own process, without a fork. Three things are different here. A job's function is
looked up in a table and never imported by name, and callbacks and webhooks that a job carries are ignored: whoever can
write to the broker cannot run code. A thread beats for worker, job and execution every 5 s with a lifetime of 15 s, and
abandoned jobs are looked for every 5 s, so that what a killed worker held is running again within 30 s; what one of the
same machine held, at once. And every wait is short, so that a stop takes no longer than the picture in hand.
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
from rq.exceptions import AbandonedJobError
from rq.job import Job, JobStatus
from rq.serializers import JSONSerializer
from rq.timeouts import JobTimeoutException
from rq.utils import now
from rq.worker.base import WorkerStatus
from rq.worker_registration import clean_worker_registry

from mien.bus.broker import refuses_writes
from mien.errors import BrokerUnavailable, JobError, MienError, line_of
from mien.jobs.jobs import QUEUES
from mien.logs import get_logger
from worker.jobs.processes import is_alive, pid_space

BEAT_S = 5.0
BEAT_TTL_S = 15
MAINTENANCE_S = 5
# A worker that died between taking a job and saying so leaves it in the intermediate queue; saying so takes
# milliseconds.
_STUCK_AFTER = timedelta(seconds=10)
_IDLE_S = 0.2
_BROKER_RETRY_S = 0.5
_PID_SPACE = "mien_pid_space"
_AWAY = (redis.ConnectionError, redis.TimeoutError, redis.ResponseError, BrokerUnavailable)

GiveUp = Callable[[str, int, str], None]
"""Called with job, attempt and reason when no try is left."""

Died = Callable[[str, str], bool]
"""Called with job and RQ job when a worker died over it; returns whether no other one should try."""

log = get_logger(__name__)


class JobsWorker(SimpleWorker):  # type: ignore[misc]
    """Works on the jobs of mien until `stopping` is set.

    `functions` are the only ones that run, by name; `give_up` is told when one of them has failed for good, `died` when
    a worker has died over one.
    """

    def __init__(
        self,
        connection: redis.Redis,
        functions: Mapping[str, Callable[..., object]],
        give_up: GiveUp,
        stopping: threading.Event,
        died: Died = lambda _job, _step: False,
    ) -> None:
        super().__init__(
            list(QUEUES.values()),
            connection=connection,
            job_class=listed_job(functions, give_up, died),
            serializer=JSONSerializer,
            maintenance_interval=MAINTENANCE_S,
            worker_ttl=BEAT_TTL_S,
        )
        self._stopping = stopping

    def run(self, *, until_empty: bool = False) -> None:
        """Work until `stopping` is set, or until the queue is empty; waits while the broker is away."""
        self._patiently(self.register_birth)
        self._patiently(lambda: self.set_state(WorkerStatus.IDLE))
        log.info("worker started", worker=self.name, queues=list(QUEUES.values()))
        with self._beating():
            while not self._stopping.is_set():
                try:
                    if not self._work_once(wait=not until_empty) and until_empty:
                        break
                except _AWAY as error:
                    _wait_for_broker(error)
        try:
            self.register_death()
        except _AWAY as error:
            log.warning("stopped without the broker", reason=line_of(error))
        log.info("worker stopped", worker=self.name)

    def _work_once(self, *, wait: bool) -> bool:
        if self.should_run_maintenance_tasks:
            self.run_maintenance_tasks()
        found = self._take()
        if found is None:
            if wait:
                self._stopping.wait(_IDLE_S)
            return False
        job, queue = found
        job.redis_server_version = self.get_redis_server_version()
        try:
            self.execute_job(job, queue)
        finally:
            self.executions.clear()  # what the broker was not told stops beating, and comes back to the queue
        return True

    def _take(self) -> tuple[Job, Queue] | None:
        # RQ waits on several queues with BLPOP, which forgets a job at once if the worker then dies: one queue
        # after the other is asked, since only that moves the job to the intermediate queue.
        for queue in self.queues:
            found: tuple[Job, Queue] | None = self.queue_class.dequeue_any(
                [queue],
                None,
                connection=self.connection,
                job_class=self.job_class,
                serializer=self.serializer,
                death_penalty_class=self.death_penalty_class,
            )
            if found is not None:
                return found
        return None

    # Beats

    def register_birth(self) -> None:
        """Say that this worker is there, and which process it is."""
        super().register_birth()
        self.connection.hset(self.key, _PID_SPACE, pid_space())

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
                log.warning("beat missed", reason=line_of(error))

    # Maintenance

    def run_maintenance_tasks(self) -> None:
        """Queue again what dead workers held, and forget what is old.

        RQ's own lock outlives a killed worker by 15 minutes and its group registries read jobs with pickle, so both are
        left out.
        """
        for queue in self.queues:
            lock = f"{queue.registry_cleaning_key}:mien"
            if self.connection.set(lock, self.name, nx=True, ex=MAINTENANCE_S):
                self._expire_dead_neighbours(queue)
                queue.started_job_registry.cleanup()
                queue.finished_job_registry.cleanup()
                queue.failed_job_registry.cleanup()
                clean_worker_registry(queue)
                self._free_stuck_jobs(queue)
                self._queue_due_jobs(queue)
                self.connection.delete(lock)
        self.last_cleaned_at = now()

    def _expire_dead_neighbours(self, queue: Queue) -> None:
        """Take for abandoned at once what a worker held that has ended on this machine, without waiting for beats."""
        space = pid_space()
        for entry in self.connection.zrange(queue.started_job_registry.key, 0, -1) if space else ():
            job_key = Job.key_for(entry.decode().partition(":")[0])
            name = (self.connection.hget(job_key, "worker_name") or b"").decode()
            pid, its_space = self.connection.hmget(f"{self.redis_worker_namespace_prefix}{name}", "pid", _PID_SPACE)
            if pid and its_space == space.encode() and not is_alive(int(pid)):
                log.info("a worker of this machine has ended", worker=name)
                self.connection.zadd(queue.started_job_registry.key, {entry: 1}, xx=True)

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

    def _queue_due_jobs(self, queue: Queue) -> None:
        """Queue what waited for its next try."""
        waiting = queue.scheduled_job_registry
        for job_id in waiting.get_jobs_to_schedule():
            with self.connection.pipeline(transaction=True) as pipe:
                pipe.zrem(waiting.key, job_id)
                if self.connection.exists(Job.key_for(job_id)):
                    pipe.hset(Job.key_for(job_id), "status", JobStatus.QUEUED.value)
                    queue.push_job_id(job_id, pipeline=pipe)
                pipe.execute()

    # What RQ would do otherwise

    def prepare_job_execution(self, job: Job, remove_from_intermediate_queue: bool = False) -> None:
        """Take a job out of the intermediate queue, which RQ does for a worker of one queue only."""
        super().prepare_job_execution(job, remove_from_intermediate_queue=True)

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
                _wait_for_broker(error)
            else:
                return


def _wait_for_broker(error: Exception) -> None:
    """Wait a little if an error says that the broker is away or takes nothing; else raise it."""
    if isinstance(error, redis.ResponseError) and not refuses_writes(error):
        raise error
    log.warning("waiting for the broker", reason=line_of(error))
    time.sleep(_BROKER_RETRY_S)


def listed_job(functions: Mapping[str, Callable[..., object]], give_up: GiveUp, died: Died) -> type[Job]:
    """Return a class of RQ jobs that run `functions` and nothing else."""

    class ListedJob(Job):  # type: ignore[misc]
        """A job whose function is looked up, not imported, and whose callbacks are ours."""

        success_callback = None
        stopped_callback = None
        abandoned = False
        retries_left: int | None

        @property
        def func(self) -> Callable[..., object]:
            """The function to call; raises JobError when its name is not in the list."""
            name = self.func_name
            if not isinstance(name, str) or name not in functions or self.instance is not None:
                raise JobError(f"refused to run {str(name)[:80]!r}: it is not a job function of mien")
            return functions[name]

        @property
        def failure_callback(self) -> Callable[..., None]:
            """What happens after a try that failed: the job of mien is told when it was the last one."""
            return _after_failure

        def send_webhooks(self, *_: Any, **__: Any) -> None:
            """Call nobody, whatever the job says."""

        def retry(self, queue: Queue, pipeline: Any) -> None:
            """Queue the job again: after an interval, or at once and for free if only its worker died.

            RQ sets the status outside of the transaction, and a worker killed right then would lose the job.
            """
            if self.abandoned:
                queue._enqueue_job(self, pipeline=pipeline, at_front=True)
                return
            interval_s = self.get_retry_interval()
            self.retries_left = (self.retries_left or 1) - 1
            if interval_s:
                queue.schedule_job(self, now() + timedelta(seconds=interval_s), pipeline=pipeline)
            else:
                queue._enqueue_job(self, pipeline=pipeline, at_front=self.enqueue_at_front_on_retry)

    def _after_failure(job: ListedJob, _redis: redis.Redis, _kind: Any, error: BaseException, _trace: Any) -> None:
        job_id, attempt = _job_and_attempt(job)
        if isinstance(error, AbandonedJobError) and job_id:
            job.abandoned = True
            log.warning("a worker died over a job", job=job.id)
            if died(job_id, job.id):
                job.retries_left = 0
        if job.should_retry:
            log.warning("job will be tried again", job=job.id, reason=reason_of(error), left=job.retries_left)
        elif job_id:
            give_up(job_id, attempt, reason_of(error))

    def _job_and_attempt(job: ListedJob) -> tuple[str, int]:
        """Return what a job says that it is about, when it is one of ours."""
        try:
            job_id, attempt, *_ = job.args
        except (TypeError, ValueError):
            return "", 0
        ours = job.func_name in functions and isinstance(job_id, str) and type(attempt) is int
        return (job_id, attempt) if ours else ("", 0)

    return ListedJob


def reason_of(error: BaseException) -> str:
    """Return why a job failed, in one line for people."""
    if isinstance(error, AbandonedJobError):
        return "the workers that worked on it died each time: look at their logs"
    if isinstance(error, MienError | JobTimeoutException):
        return line_of(error)
    return f"{type(error).__name__}: {line_of(error)}"
