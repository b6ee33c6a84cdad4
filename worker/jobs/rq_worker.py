"""The RQ worker of mien: the model stays loaded, only our own functions run, and a dead worker is soon missed.

It is RQ's SimpleWorker, which runs jobs in its own process, without a fork. What it does in place of RQ, and why:

- `run`, not `work`: a stop takes no longer than the picture in hand, and a broker that is away is waited for.
- `_take`: queues are asked one after the other. RQ waits on several at once with BLPOP, which forgets a job if the
  worker then dies; only the other way moves it to the intermediate queue first (`prepare_job_execution`).
- beats: a thread renews worker, job and execution every 5 s with a lifetime of 15 s, where RQ's lifetimes follow the
  time-out of a job. What a killed worker held is running again within 30 s.
- `worker.jobs.maintenance`: every 5 s and without pickle; what a worker of the same machine held comes back at once.
- `worker.jobs.listed_job`: a job's function is looked up in a table and never imported by name, and callbacks and
  webhooks that a job carries are ignored: whoever can write to the broker cannot run code.
- `_set_connection`, `handle_exception`: our time-outs of the connection, and our log.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import redis
from rq import Queue, SimpleWorker
from rq.exceptions import NoSuchJobError
from rq.job import Job
from rq.serializers import JSONSerializer
from rq.timeouts import JobTimeoutException
from rq.utils import now
from rq.worker.base import WorkerStatus
from rq.worker_registration import register

from mien.address import Address
from mien.bus.broker import broker_errors
from mien.bus.outage import Outage
from mien.errors import BrokerUnavailable, MienError, line_of
from mien.jobs.jobs import QUEUES
from mien.logs import get_logger
from worker.jobs.listed_job import Died, GiveUp, listed_job, reason_of
from worker.jobs.maintenance import PID_SPACE, Maintenance
from worker.jobs.processes import pid_space

BEAT_S = 5.0
BEAT_TTL_S = 15
MAINTENANCE_S = 5
_IDLE_S = 0.2
_BROKER_RETRY_S = 0.5

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
        *,
        address: Address | None = None,
        outage: Outage | None = None,
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
        self._address = address
        self._outage = Outage() if outage is None else outage
        self._maintenance = Maintenance(connection, self.name, MAINTENANCE_S)

    def run(self, *, until_empty: bool = False) -> None:
        """Work until `stopping` is set, or until the queue is empty; waits while the broker is away.

        Raises BrokerRefused when the broker refuses what it is asked.
        """
        self._patiently(self.register_birth)
        self._patiently(lambda: self.set_state(WorkerStatus.IDLE))
        log.info("worker started", worker=self.name, queues=list(QUEUES.values()))
        with self._beating():
            while not self._stopping.is_set():
                try:
                    with broker_errors(self._address):
                        found = self._work_once(wait=not until_empty)
                    self._outage.passed()
                    if until_empty and not found:
                        break
                except BrokerUnavailable as error:
                    self._wait_for_broker(error)
                except NoSuchJobError as error:  # the broker lost it, and all that was known of it
                    log.warning("the job in hand is not known any more", reason=line_of(error))
        try:
            with broker_errors(self._address):
                self.register_death()
        except BrokerUnavailable as error:
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
        self.connection.hset(self.key, PID_SPACE, pid_space())

    def heartbeat(self, timeout: int | None = None, pipeline: Any = None) -> None:
        """Say that this worker lives; it is taken for dead 15 s after the last time."""
        super().heartbeat(timeout or BEAT_TTL_S, pipeline)

    def get_heartbeat_ttl(self, job: Job, working_time: float = 0.0) -> int:
        """How long a job is taken to be worked on after a beat."""
        return BEAT_TTL_S

    def beat(self) -> None:
        """Renew the lifetime of this worker and of what it works on."""
        with self.connection.pipeline(transaction=False) as pipe:
            register(self, pipe)  # again: the broker may have lost it
            self.heartbeat(BEAT_TTL_S, pipe)
            pipe.hset(self.key, mapping={**self.serialize(), PID_SPACE: pid_space()})
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
                with broker_errors(self._address):
                    self.beat()
            except BrokerUnavailable as error:
                self._outage.failed(error)
            except (MienError, redis.RedisError) as error:  # the loop finds out as well, and ends
                log.warning("beat missed", reason=line_of(error))

    def run_maintenance_tasks(self) -> None:
        """Queue again what dead workers held, and forget what is old."""
        self._maintenance.run(self.queues)
        self.last_cleaned_at = now()

    # What RQ would do otherwise

    def prepare_job_execution(self, job: Job, remove_from_intermediate_queue: bool = False) -> None:
        """Take a job out of the intermediate queue, which RQ does for a worker of one queue only."""
        super().prepare_job_execution(job, remove_from_intermediate_queue=True)

    def _set_ip_address(self, connection: redis.Redis) -> None:
        self.ip_address = "unknown"  # nobody asks for it, and a broker that is away would end the worker here

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
                with broker_errors(self._address):
                    ask()
            except BrokerUnavailable as error:
                self._wait_for_broker(error)
            else:
                self._outage.passed()
                return

    def _wait_for_broker(self, error: BrokerUnavailable) -> None:
        self._outage.failed(error)
        self._stopping.wait(_BROKER_RETRY_S)
