"""A step as RQ stores it, which runs only what stands in a table of ours, whoever wrote it to the broker."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

import redis
from rq import Queue
from rq.exceptions import AbandonedJobError
from rq.job import Job
from rq.timeouts import JobTimeoutException
from rq.utils import now

from mien.errors import JobError, MienError, line_of
from mien.logs import get_logger
from worker.jobs.step import StepFunction

GiveUp = Callable[[str, int, str], None]
"""Called with job, attempt and reason when no try is left."""

Died = Callable[[str, str], bool]
"""Called with job and RQ job when a worker died over it; returns whether no other one should try."""

log = get_logger(__name__)


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
        elif job_id and not _end_input(job, job_id, attempt, reason_of(error)):
            give_up(job_id, attempt, reason_of(error))

    def _end_input(job: ListedJob, job_id: str, attempt: int, reason: str) -> bool:
        """Let what fails be one input of the job, where the step is about one."""
        function = functions[str(job.func_name)]
        return isinstance(function, StepFunction) and function.end_input(job_id, attempt, reason, *job.args[2:])

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
