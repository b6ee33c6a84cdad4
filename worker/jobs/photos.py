"""Photo jobs: a chunk of pictures is read and stored; when all chunks are, the results are written."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial

from rq import Retry

from mien.errors import JobError
from mien.formats import formats_of
from mien.inputs.fetch import Fetcher
from mien.inputs.input import Input
from mien.jobs.folder import Entry, Inputs, JobFolder
from mien.jobs.jobs import PHOTO_CHUNK, PHOTO_REPORT, Jobs
from mien.jobs.view import Failure, Tally
from mien.logs import get_logger
from worker.analyzer import Analyzer
from worker.heap import give_back
from worker.jobs.careful import CAREFUL_AFTER, REASON, CarefulReading
from worker.jobs.pictures import Limits
from worker.jobs.pipeline import PhotoPipeline
from worker.jobs.step import JobSteps, Step
from worker.reports.photos import write_results

_REPORT_S = 0.5
# A worker that is killed loses at most this much work.
_SAVE_S = 2.0

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Chunk:
    """The part of a job that one RQ job is about."""

    job: str
    attempt: int
    number: int
    folder: JobFolder
    inputs: Inputs
    wanted: Mapping[int, Input]


class PhotoJobs(JobSteps):
    """The steps of photo jobs; a stop is looked for before each group of a few pictures."""

    kind = "photos"

    def __init__(self, jobs: Jobs, analyzer: Analyzer, stopping: threading.Event) -> None:
        super().__init__(jobs, analyzer, stopping)
        limits = Limits(jobs.settings.photo_max_pixels, jobs.settings.smallest_face_px)
        fetcher = Fetcher(jobs.settings.fetch_timeout_s)
        self._pipeline = PhotoPipeline(analyzer, limits, jobs.settings.jpeg_quality, fetcher)

    def _steps(self) -> Mapping[str, Step]:
        return {PHOTO_CHUNK: self.run_chunk, PHOTO_REPORT: self.write_report}

    def run_chunk(self, job_id: str, attempt: int, chunk: int) -> Retry | None:
        """Finish one chunk of a job, or hand it back when the worker stops.

        Bad pictures become failures of the job. Raises JobError when the job's folder is gone, OSError
        when results cannot be written.
        """
        folder = self._jobs.folder(job_id)
        inputs = self.inputs(job_id)
        work = Chunk(job_id, attempt, chunk, folder, inputs, inputs.chunk(chunk))
        entries = _known_entries(work)
        known, started_s = len(entries), time.monotonic()
        if len(entries) < len(work.wanted):
            reason = self._read_missing(work, entries)
            if reason:
                folder.write_part(folder.partial(chunk), entries)
                log.info("chunk left", job=job_id, chunk=chunk, reason=reason, read=len(entries), of=len(work.wanted))
                return self.handed_back() if reason == "stopping" else None
            folder.write_part(folder.part(chunk), entries)
            speed = (len(entries) - known) / (time.monotonic() - started_s)
            self.patiently(lambda: self._jobs.measured(speed))
        for leftover in (folder.partial(chunk), folder.reading(chunk)):
            leftover.unlink(missing_ok=True)
        self.report(job_id, {str(chunk): tally_of(entries)})
        return None

    def write_report(self, job_id: str, attempt: int) -> None:
        """Write the results of a job whose chunks are all finished, and say that it is done.

        Raises JobError when a chunk is not finished after all, OSError when results cannot be written.
        """
        folder = self._jobs.folder(job_id)
        inputs = self.inputs(job_id)
        tallies = _check_parts(job_id, folder, inputs)
        total = Tally.total(tallies.values())

        def entries() -> Iterator[Entry]:
            for chunk in range(inputs.chunks):
                yield from folder.read_part(folder.part(chunk)).values()

        write_results(job_id, inputs.out, total, entries, formats_of(inputs.kind, inputs.options))
        self.report(job_id, {str(chunk): tally for chunk, tally in tallies.items()})
        give_back()  # whoever waits for the job may look at what the worker takes now
        self.end(job_id, attempt, "done")
        log.info("job done", job=job_id, done=total.done, failed=total.failed, faces=total.faces, out=str(inputs.out))

    def _read_missing(self, work: Chunk, entries: dict[int, Entry]) -> str:
        """Read what is not in `entries` yet into it; returns why it stopped early, or nothing."""
        missing = {index: item for index, item in work.wanted.items() if index not in entries}
        self.at(f"{len(entries)} read")
        why_stop = partial(self.why_stop, work.job, work.attempt)
        careful = self._careful(work)
        if careful is None:
            return self._pipeline.run(missing, work.inputs, entries, why_stop, self._progress_of(work, entries))
        for index, item in missing.items():
            reason = why_stop()
            if reason:
                return reason
            if careful.is_deadly(index):
                entries[index] = {"path": item.label, "reason": REASON}
            else:
                self._pipeline.run({index: item}, work.inputs, entries, lambda: "", lambda: None)
            self._save(work, entries)
            self.report_if_possible(work.job, {str(work.number): tally_of(entries)})
        return ""

    def _progress_of(self, work: Chunk, entries: Mapping[int, Entry]) -> Callable[[], None]:
        """Return what to call after each group of pictures: now and then it stores and reports what there is."""
        saved_s = reported_s = time.monotonic()

        def progress() -> None:
            nonlocal saved_s, reported_s
            now_s = time.monotonic()
            if now_s - saved_s >= _SAVE_S:
                saved_s = now_s
                self._save(work, entries)
            if now_s - reported_s >= _REPORT_S:
                reported_s = now_s
                self.report_if_possible(work.job, {str(work.number): tally_of(entries)})

        return progress

    def _careful(self, work: Chunk) -> CarefulReading | None:
        if self.deaths < CAREFUL_AFTER:
            return None
        log.warning("reading one picture at a time", job=work.job, chunk=work.number, deaths=self.deaths)
        return CarefulReading(work.folder.reading(work.number))

    def _save(self, work: Chunk, entries: Mapping[int, Entry]) -> None:
        """Store what is read so far, for whoever goes on after a SIGKILL."""
        work.folder.write_part(work.folder.partial(work.number), entries, synced=False)
        if self.deaths:
            self.got_further()


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
