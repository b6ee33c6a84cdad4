"""The results of a photo job: one JSON with everything, and one table with a row for each face as CSV or Parquet."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import IO, Any

from mien.files import atomic_file
from mien.formats import DEFAULT_FORMATS, Format
from mien.jobs.folder import Entry
from mien.jobs.outputs import table_name
from mien.jobs.view import Tally
from mien.types import EMOTIONS
from worker.reports.rows import Cell, Column, Row, columns_of, write_csv, write_parquet

Entries = Callable[[], Iterable[Entry]]
"""Gives all entries in the order of the inputs, each time it is called: they need not be in memory at once."""

_BOX = ("x", "y", "width", "height")
COLUMNS = ("path", "face", *_BOX, "emotion", "confidence", *EMOTIONS, "valence", "arousal", "reason")
"""A row for each face, `face` counting from 1 in each picture, box in pixels of the picture.

A picture without faces has one row with `face` 0 and nothing behind it; an input that failed has one row with
`face` empty and its `reason`.
"""

_TABLE = (Column("path", "text", required=True), *columns_of(COLUMNS[1:], face="small", emotion="text", reason="text"))


def write_results(
    job_id: str, out: Path, total: Tally, entries: Entries, formats: Sequence[Format] = DEFAULT_FORMATS["photos"]
) -> None:
    """Write `results.<format>` to `out` for each of the formats.

    Each file replaces an older one only when it is whole. Raises OSError when one cannot be written, RuntimeMissing
    for Parquet without pyarrow, once all other formats are written.
    """
    for form in sorted(formats, key=lambda name: name == "parquet"):
        with atomic_file(out / table_name(form)) as file:
            write_format(form, file, job_id, total, entries())


def write_format(form: Format, file: IO[bytes], job_id: str, total: Tally, entries: Iterable[Entry]) -> None:
    """Write results in one format (see `mien.formats`) to an open file; raises as `write_results` does."""
    if form == "json":
        for piece in _document(job_id, total, entries):
            file.write(piece.encode())
    elif form == "csv":
        write_csv(file, COLUMNS, _rows(entries))
    elif form == "parquet":
        write_parquet(file, _TABLE, _rows(entries))
    else:
        raise ValueError(f"{form!r} is no format of results")


def _rows(entries: Iterable[Entry]) -> Iterator[Row]:
    return (row for entry in entries for row in rows_of(entry))


def rows_of(entry: Entry) -> Iterator[Row]:
    """Yield the rows of one input, in the order of `COLUMNS`; what is not known is an empty text."""
    empty = [""] * (len(COLUMNS) - 3)
    if "reason" in entry:
        yield [entry["path"], "", *empty, entry["reason"]]
    elif not entry["faces"]:
        yield [entry["path"], 0, *empty, ""]
    else:
        for number, face in enumerate(entry["faces"], 1):
            yield [entry["path"], number, *_columns(face), ""]


def _columns(face: dict[str, Any]) -> list[Cell]:
    probabilities = [face["probabilities"][name] for name in EMOTIONS]
    return [*face["box"], face["emotion"], face["confidence"], *probabilities, face["valence"], face["arousal"]]


def _document(job_id: str, total: Tally, entries: Iterable[Entry]) -> Iterator[str]:
    """Yield `{job, inputs, done, failed, failures, pictures}` piece by piece."""
    yield json.dumps(total.to_report(job_id), indent=1)[:-2] + ',\n "pictures": ['
    separator = "\n  "
    for entry in entries:
        if "reason" not in entry:
            yield separator + json.dumps(entry)
            separator = ",\n  "
    yield "\n ]\n}\n"
