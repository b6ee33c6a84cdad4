"""Photo jobs: a chunk of pictures is read and stored; when all chunks are, the results are written."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TypeVar

from rq import Retry

from mien.errors import BrokerUnavailable, JobError, PictureError
from mien.jobfiles import Entry, Input, Inputs, JobFolder
from mien.jobs import PHOTO_CHUNK, PHOTO_REPORT, Jobs
from mien.jobview import Failure, Tally
from mien.logs import get_logger
from worker.analyse import Analyzer
from worker.pictures import Opened, PictureReader, is_full, open_picture
from worker.report import write_results

_REPORT_S = 0.5
_BROKER_RETRY_S = 0.5
# Handing a chunk back on a stop is no failure, so it must never use up its tries.
_HANDED_BACK = 1_000_000

log = get_logger(__name__)
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Chunk:
    """The part of a job that one RQ job is about."""

    job: str
    attempt: int
    number: int
    folder: JobFolder
    inputs: Inputs
    wanted: Mapping[int, Input]


class PhotoJobs:
    """The job functions for photos, with what they need: one object in a worker process.

    `stopping` is looked at between two pictures: the chunk in hand is then handed back to the queue.
    """

    def __init__(self, jobs: Jobs, analyzer: Analyzer, stopping: threading.Event) -> None:
        self._jobs = jobs
        self._reader = PictureReader(analyzer, jobs.settings.jpeg_quality)
        self._stopping = stopping
        self._inputs: tuple[str, Inputs] | None = None

    @property
    def functions(self) -> Mapping[str, Callable[..., object]]:
        """The functions by the names that the queue carries."""
        return {PHOTO_CHUNK: self.run_chunk, PHOTO_REPORT: self.write_report}

    def run_chunk(self, job_id: str, attempt: int, chunk: int) -> Retry | None:
        """Finish one chunk of a job, or hand it back when the worker stops.

        Bad pictures become failures of the job. Raises JobError when the job's folder is gone, OSError
        when results cannot be written.
        """
        if not self._begin(job_id, attempt):
            return None
        folder = self._jobs.folder(job_id)
        inputs = self._inputs_of(job_id, folder)
        work = Chunk(job_id, attempt, chunk, folder, inputs, inputs.chunk(_whole(chunk)))
        entries = _known_entries(work)
        if len(entries) < len(work.wanted):
            reason = self._read_missing(work, entries)
            if reason:
                folder.write_part(folder.partial(chunk), entries)
                log.info("chunk left", job=job_id, chunk=chunk, reason=reason, read=len(entries), of=len(work.wanted))
                return Retry(max=_HANDED_BACK, enqueue_at_front=True) if reason == "stopping" else None
            folder.write_part(folder.part(chunk), entries)
            folder.partial(chunk).unlink(missing_ok=True)
        self._patiently(lambda: self._jobs.report(job_id, {chunk: tally_of(entries)}))
        if len(folder.finished_chunks()) == inputs.chunks:
            self._patiently(lambda: self._jobs.enqueue_report(job_id, attempt))
        return None

    def write_report(self, job_id: str, attempt: int) -> None:
        """Write the results of a job whose chunks are all finished, and say that it is done.

        Raises JobError when a chunk is not finished after all, OSError when results cannot be written.
        """
        if not self._begin(job_id, attempt):
            return
        folder = self._jobs.folder(job_id)
        inputs = self._inputs_of(job_id, folder)
        self._inputs = None
        tallies = _check_parts(job_id, folder, inputs)
        total = Tally.total(tallies.values())

        def entries() -> Iterator[Entry]:
            for chunk in range(inputs.chunks):
                yield from folder.read_part(folder.part(chunk)).values()

        write_results(job_id, inputs.out, total, entries)
        self._patiently(lambda: self._jobs.report(job_id, tallies))
        self._patiently(lambda: self._jobs.end(job_id, attempt, "done"))
        log.info("job done", job=job_id, done=total.done, failed=total.failed, faces=total.faces, out=str(inputs.out))

    def give_up(self, job_id: str, attempt: int, reason: str) -> None:
        """Say that a job could not go on."""
        log.error("job failed", job=job_id, reason=reason)
        self._jobs.end(job_id, attempt, "failed", reason)

    def _begin(self, job_id: str, attempt: int) -> bool:
        self._jobs.folder(job_id)  # refuses what cannot be an id
        self._patiently(lambda: self._jobs.advance(job_id, ("queued",), _whole(attempt), state="running"))
        if self._patiently(lambda: self._jobs.is_wanted(job_id, attempt)):
            return True
        log.info("job not wanted any more", job=job_id, attempt=attempt)
        return False

    def _inputs_of(self, job_id: str, folder: JobFolder) -> Inputs:
        # The list of a large job takes a while to read: it is kept until another job comes.
        if self._inputs is None or self._inputs[0] != job_id:
            self._inputs = (job_id, folder.read_inputs())
        return self._inputs[1]

    def _read_missing(self, work: Chunk, entries: dict[int, Entry]) -> str:
        """Read what is not in `entries` yet into it; returns why it stopped early, or nothing."""
        max_pixels = self._jobs.settings.photo_max_pixels
        group: list[Opened] = []
        reported_s = 0.0
        for index, item in work.wanted.items():
            if index in entries:
                continue
            reason = self._why_stop(work)
            if reason:
                return reason
            try:
                group.append(Opened(index, item, open_picture(item.path, max_pixels)))
            except PictureError as error:
                entries[index] = {"path": item.label, "reason": str(error)}
            if is_full(group):
                entries.update(self._reader.read(group, work.inputs))
                group = []
            if time.monotonic() - reported_s >= _REPORT_S:
                reported_s = time.monotonic()
                self._report_if_possible(work, tally_of(entries))
        entries.update(self._reader.read(group, work.inputs))
        return ""

    def _why_stop(self, work: Chunk) -> str:
        if self._stopping.is_set():
            return "stopping"
        try:
            return "" if self._jobs.is_wanted(work.job, work.attempt) else "cancelled"
        except BrokerUnavailable:  # pictures can be read without it
            return ""

    def _report_if_possible(self, work: Chunk, tally: Tally) -> None:
        try:
            self._jobs.report(work.job, {work.number: tally})
        except BrokerUnavailable as error:
            log.warning("progress not reported", job=work.job, reason=str(error))

    def _patiently(self, ask: Callable[[], T]) -> T:
        """Ask the broker until it answers; raises BrokerUnavailable only when the worker stops meanwhile."""
        while True:
            try:
                return ask()
            except BrokerUnavailable as error:
                if self._stopping.is_set():
                    raise
                log.warning("waiting for the broker", reason=str(error))
                time.sleep(_BROKER_RETRY_S)


def tally_of(entries: Mapping[int, Entry]) -> Tally:
    """Count what is in the entries of a chunk."""
    ordered = [entries[index] for index in sorted(entries)]
    failures = tuple(Failure(entry["path"], entry["reason"]) for entry in ordered if "reason" in entry)
    faces = sum(len(entry.get("faces", ())) for entry in ordered)
    return Tally(len(entries) - len(failures), len(failures), faces, failures)


def _known_entries(work: Chunk) -> dict[int, Entry]:
    """Return what an earlier try of a chunk has finished."""
    folder = work.folder
    known = folder.read_part(folder.part(work.number))
    if known.keys() != work.wanted.keys():
        known = folder.read_part(folder.partial(work.number))
    return {index: entry for index, entry in known.items() if index in work.wanted}


def _check_parts(job_id: str, folder: JobFolder, inputs: Inputs) -> dict[int, Tally]:
    """Return the tallies of all chunks; raises JobError, and unfinishes the chunk, when one is not whole."""
    tallies = {}
    for chunk in range(inputs.chunks):
        entries = folder.read_part(folder.part(chunk))
        if entries.keys() != inputs.chunk(chunk).keys():
            folder.part(chunk).unlink(missing_ok=True)
            raise JobError(f"chunk {chunk} of job {job_id} is not finished: `mien jobs retry {job_id}`")
        tallies[chunk] = tally_of(entries)
    return tallies


def _whole(number: object) -> int:
    if not isinstance(number, int) or isinstance(number, bool):
        raise JobError(f"{number!r} is not the number of a chunk or an attempt")
    return number
