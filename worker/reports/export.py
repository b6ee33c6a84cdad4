"""The results of a job as one file, in the format that somebody asks for, after the fact."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import IO, Any

from mien.errors import InputError, JobConflict
from mien.files import atomic_file
from mien.formats import JOB_FORMATS, Format, check_formats, check_installed, named
from mien.jobs.folder import Entry, JobFolder
from mien.jobs.jobs import Jobs
from mien.jobs.outputs import SUMMARY, timeline_name
from mien.jobs.view import Failure, JobView, Tally
from worker.reports.photos import write_format
from worker.reports.rows import Row, columns_of, write_csv, write_parquet
from worker.reports.timeline.table import COLUMNS, read_table, values_of

VIDEO_COLUMNS = ("path", *COLUMNS, "reason")
"""A row for each face of each analysed frame, with its video, and one with a `reason` for each video that failed."""

_TABLE = columns_of(VIDEO_COLUMNS, path="text", track="text", emotion="text", baseline="text", reason="text")


def export_job(jobs: Jobs, job_id: str, form: str, to: Path | None) -> int:
    """Write what a job has finished so far to a file, or to standard output; return how many inputs that is.

    Photos and evaluations: the table or document that `worker.reports.photos` writes. Videos: `VIDEO_COLUMNS`, or as
    JSON what is known of each video with its summary. Raises JobConflict when nothing is finished yet, InputError for a
    format that is none or a file that cannot be written, RuntimeMissing for Parquet without pyarrow.
    """
    formats = check_formats(named(form))
    if len(formats) > 1:
        raise InputError(f"one format at a time: {', '.join(formats)} were given")
    check_installed(formats)
    if to is None and "parquet" in formats and sys.stdout.isatty():
        raise InputError("Parquet is not for a terminal: name a file with --to")
    view, folder = jobs.get(job_id), jobs.folder(job_id)
    total = Tally.total(_tally(entry) for entry in folder.entries())
    count = total.done + total.failed
    if not count:
        raise JobConflict(f"job {job_id} has finished nothing yet: there is nothing to export")
    try:
        with _opened(to) as file:
            if view.kind == "video":
                _write_videos(formats[0], file, view, folder, total)
            else:
                write_format(formats[0], file, job_id, total, folder.entries())
    except OSError as error:
        raise InputError(f"{to or 'standard output'} cannot be written: {error.strerror or error}") from error
    return count


def _opened(to: Path | None) -> AbstractContextManager[IO[bytes]]:
    return nullcontext(sys.stdout.buffer) if to is None else atomic_file(to.absolute())


def _tally(entry: Entry) -> Tally:
    faces = entry.get("faces", 0)
    count = faces if isinstance(faces, int) else len(faces)
    if "reason" in entry:
        return Tally(0, 1, count, (Failure(str(entry["path"]), str(entry["reason"])),))
    return Tally(1, 0, count)


def _write_videos(form: Format, file: IO[bytes], view: JobView, folder: JobFolder, total: Tally) -> None:
    if form == "json":
        document = {
            **total.to_report(view.id),
            "videos": [_with_summary(view.out, entry) for entry in folder.entries() if "reason" not in entry],
        }
        file.write(json.dumps(document, indent=1).encode() + b"\n")
    elif form == "csv":
        write_csv(file, VIDEO_COLUMNS, _video_rows(view.out, folder.entries()))
    else:
        write_parquet(file, _TABLE, _video_rows(view.out, folder.entries()))


def _with_summary(out: Path, entry: Entry) -> Mapping[str, Any]:
    try:
        return {**entry, "summary": json.loads((out / str(entry["folder"]) / SUMMARY).read_text())}
    except (OSError, ValueError, KeyError):  # taken away since
        return entry


def _video_rows(out: Path, entries: Iterable[Entry]) -> Iterator[Row]:
    for entry in entries:
        path = str(entry["path"])
        tables = (out / str(entry.get("folder", "")) / timeline_name(form) for form in JOB_FORMATS["video"])
        table = next((table for table in tables if table.is_file()), None)
        if table is not None:
            yield from ((path, *values_of(sighting), "") for sighting in read_table(table))
        if table is None or "reason" in entry:
            yield (path, *("" for _ in COLUMNS), entry.get("reason", "its timeline is gone"))
