"""What every kind of job has in common in a worker: a step begins if it is wanted, and what comes next is queued."""

from __future__ import annotations

import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import ClassVar, TypeVar

from rq import Retry

from mien.errors import BrokerUnavailable, JobError
from mien.files import sweep
from mien.jobs.folder import Inputs
from mien.jobs.jobs import Jobs
from mien.jobs.steps import Call, call
from mien.jobs.view import JobState, Tally
from mien.logs import get_logger
from mien.private import modes_for
from worker.analyzer import Analyzer

# Handing a step back on a stop is no failure, so it must never use up its tries.
_HANDED_BACK = 1_000_000
_BROKER_RETRY_S = 0.5

log = get_logger(__name__)
T = TypeVar("T")
Step = Callable[..., Retry | None]
"""A step of a job: called with job, attempt and the arguments of its `Call`."""


@dataclass(frozen=True, slots=True)
class StepFunction:
    """What the worker calls for the name of a step."""

    steps: JobSteps
    name: str
    step: Step

    def __call__(self, job_id: str, attempt: int, *args: int) -> Retry | None:
        """Do the step; see `JobSteps`."""
        return self.steps.run(self.name, self.step, job_id, attempt, *args)

    def end_input(self, job_id: str, attempt: int, reason: str, *args: int) -> bool:
        """End the input that the step is about when no try is left; False when that is for the whole job to do."""
        return self.steps.end_input(job_id, attempt, call(self.name, *map(whole, args)), reason)


class JobSteps(ABC):
    """The steps of one kind of job, with what they need: one object in a worker process.

    A kind says in `_steps` what each function name does. A step returns None when it is finished (its file is there) or
    not wanted any more, and `handed_back()` when the worker stops first: what it was asked comes again. It may raise:
    MienError and OSError are tried again by RQ, with growing intervals, and then become the reason why the job failed.
    The functions in `functions` check their arguments, skip what is not wanted, and queue what comes next.

    `deaths`: how many workers have died in a row in the same place of the step in hand; a step says with `at` where it
    is, and with `got_further` when it has stored something on the way.
    """

    kind: ClassVar[str]

    def __init__(self, jobs: Jobs, analyzer: Analyzer, stopping: threading.Event) -> None:
        self._jobs = jobs
        self._analyzer = analyzer
        self._stopping = stopping
        self._read: tuple[str, Inputs] | None = None
        self._step: tuple[str, int, Call] | None = None
        self.deaths = 0

    @abstractmethod
    def _steps(self) -> Mapping[str, Step]:
        """Return what each function name does."""

    @property
    def functions(self) -> Mapping[str, Callable[..., object]]:
        """The functions by the names that the queue carries."""
        return {name: StepFunction(self, name, step) for name, step in self._steps().items()}

    @property
    def step(self) -> str | None:
        """The name of the step in hand, within its attempt."""
        return self._step[2].step if self._step else None

    def give_up(self, job_id: str, attempt: int, reason: str) -> None:
        """Say that a job could not go on."""
        give_up(self._jobs, job_id, attempt, reason)

    def end_input(self, job_id: str, attempt: int, failed: Call, reason: str) -> bool:
        """End the input that a step is about, which has failed for good; False when it is about the whole job."""
        return False

    def inputs(self, job_id: str) -> Inputs:
        """Return what a job is to do; raises JobError when its folder is gone or the job is of another kind."""
        # A job has many steps: what it is to do is read once, until another job comes.
        if self._read is None or self._read[0] != job_id:
            self._read = (job_id, self._jobs.folder(job_id).read_inputs())
        inputs = self._read[1]
        if inputs.kind != self.kind:
            raise JobError(f"job {job_id} is of kind {inputs.kind}, not {self.kind}")
        return inputs

    def handed_back(self) -> Retry:
        """Return what a step returns that the worker's stop cut short; it comes first when a worker is there again."""
        return Retry(max=_HANDED_BACK, enqueue_at_front=True)

    def at(self, place: str) -> None:
        """Say where the step in hand is, before what may kill the worker: the same words for the same work."""
        if self._step is not None:
            with suppress(BrokerUnavailable):  # then a death counts for the place before
                self._jobs.deaths.at(*self._step, place)

    def got_further(self, *_: object) -> None:
        """Say that the step in hand has stored more than it had before, so that earlier deaths do not count."""
        self.deaths = 0
        if self._step is not None:
            step = self._step
            self.patiently(lambda: self._jobs.deaths.forget(*step))

    def hand_to(self, other: JobSteps) -> JobSteps:
        """Let another object do the step in hand, with what is known about it; return that object."""
        other._step, other.deaths = self._step, self.deaths
        return other

    def why_stop(self, job_id: str, attempt: int) -> str:
        """Say why a step should stop now: "stopping" (hand it back), "cancelled" (return None), or nothing."""
        if self._stopping.is_set():
            return "stopping"
        try:
            return "" if self._jobs.is_wanted(job_id, attempt) else "cancelled"
        except BrokerUnavailable:  # work can go on without it
            return ""

    def report_if_possible(self, job_id: str, tallies: Mapping[str, Tally]) -> None:
        """Say how far parts of a job are, unless the broker is away; see `Jobs.report`."""
        try:
            self._jobs.report(job_id, tallies)
        except BrokerUnavailable as error:
            self._jobs.outage.failed(error)

    def report(self, job_id: str, tallies: Mapping[str, Tally]) -> None:
        """Say what parts of a job have become; waits for the broker."""
        self.patiently(lambda: self._jobs.report(job_id, tallies))

    def forget(self, job_id: str, parts: Iterable[str]) -> None:
        """Say that parts of a job are not there any more; waits for the broker."""
        gone: dict[str, Tally | None] = dict.fromkeys(parts)
        self.patiently(lambda: self._jobs.report(job_id, gone))

    def end(self, job_id: str, attempt: int, state: JobState, reason: str = "") -> bool:
        """End a job; waits for the broker."""
        return self.patiently(lambda: self._jobs.end(job_id, attempt, state, reason))

    def patiently(self, ask: Callable[[], T]) -> T:
        """Ask the broker until it answers; raises BrokerUnavailable only when the worker stops meanwhile."""
        while True:
            try:
                answer = ask()
            except BrokerUnavailable as error:
                if self._stopping.is_set():
                    raise
                self._jobs.outage.failed(error)
                time.sleep(_BROKER_RETRY_S)
            else:
                self._jobs.outage.passed()
                return answer

    def run(self, function: str, step: Step, job_id: str, attempt: int, *args: int) -> Retry | None:
        """Do a step if it is wanted, and queue what comes next; see the class."""
        self._jobs.folder(job_id)  # refuses what cannot be an id
        numbers = [whole(number) for number in (attempt, *args)]
        if not self._begin(job_id, attempt):
            return None
        inputs = self.inputs(job_id)  # refuses a job of another kind
        this = call(function, *numbers[1:])
        self._step = (job_id, attempt, this)
        self.deaths = self.patiently(lambda: self._jobs.deaths.count(job_id, attempt, this))
        self.at("")
        if self.deaths:
            log.warning("workers died over this step", job=job_id, step=this.step, deaths=self.deaths)
            _ = self._analyzer.threshold  # loads the models now: a death meanwhile is no input's fault
        with modes_for(inputs.out, self._jobs.settings.data_dir):
            if this.step == "report":
                self._sweep(job_id)
            result = step(job_id, *numbers)
        self.got_further()
        if result is None:
            self.patiently(lambda: self._jobs.enqueue_next(job_id, attempt, this))
        return result

    def _sweep(self, job_id: str) -> None:
        """Remove what killed workers left unfinished: all steps but the last are finished."""
        folder = self._jobs.folder(job_id)
        swept = sweep(folder.path, folder.path / "videos", *folder.path.glob("videos/*"), self.inputs(job_id).out)
        if swept:
            log.info("files of killed workers removed", job=job_id, files=swept)

    def _begin(self, job_id: str, attempt: int) -> bool:
        started = {"state": "running", "started": repr(time.time())}
        self.patiently(lambda: self._jobs.advance(job_id, ("queued",), attempt, **started))
        if self.patiently(lambda: self._jobs.is_wanted(job_id, attempt)):
            return True
        log.info("job not wanted any more", job=job_id, attempt=attempt)
        return False


def give_up(jobs: Jobs, job_id: str, attempt: int, reason: str) -> None:
    """Say that a job could not go on; what fails after the job has ended changes nothing."""
    if jobs.end(job_id, attempt, "failed", reason):
        log.error("job failed", job=job_id, reason=reason)
    else:
        log.warning("a step of an ended job failed", job=job_id, reason=reason)


def whole(number: object) -> int:
    """Return a number of a chunk, an input, a segment or an attempt; raises JobError for anything else."""
    if not isinstance(number, int) or isinstance(number, bool) or number < 0:
        raise JobError(f"{str(number)[:40]!r} is not the number of a chunk, an input or an attempt")
    return number
