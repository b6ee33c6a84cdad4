"""The results of a photo job: one JSON with everything, and one table with a row for each face as CSV or Parquet."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import IO, Any, BinaryIO, cast

from mien.errors import RuntimeMissing
from mien.files import atomic_file
from mien.formats import DEFAULT_FORMATS, Format
from mien.jobs.folder import Entry
from mien.jobs.outputs import table_name
from mien.jobs.view import Tally
from mien.types import EMOTIONS

Entries = Callable[[], Iterable[Entry]]
"""Gives all entries in the order of the inputs, each time it is called: they need not be in memory at once."""

_BOX = ("x", "y", "width", "height")
COLUMNS = ("path", "face", *_BOX, "emotion", "confidence", *EMOTIONS, "valence", "arousal", "reason")
"""A row for each face, `face` counting from 1 in each picture, box in pixels of the picture.

A picture without faces has one row with `face` 0 and nothing behind it; an input that failed has one row with
`face` empty and its `reason`.
"""

# So many rows are in memory at once: about 3 MB.
_GROUP_ROWS = 10_000

Row = list[Any]


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
        _write_csv(file, entries)
    elif form == "parquet":
        _write_parquet(file, entries)
    else:
        raise ValueError(f"{form!r} is no format of results")


def _write_csv(file: IO[bytes], entries: Iterable[Entry]) -> None:
    text = io.TextIOWrapper(cast(BinaryIO, file), "utf-8", errors="backslashreplace", newline="")
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(COLUMNS)
    for entry in entries:
        rows.writerows(rows_of(entry))
    text.detach()  # flushes, and leaves the file open


def _write_parquet(file: IO[bytes], entries: Iterable[Entry]) -> None:
    """Write group by group; what is empty in a CSV is null here."""
    try:
        import pyarrow as pa
        from pyarrow import parquet
    except ImportError as error:
        raise RuntimeMissing("writing Parquet needs pyarrow: install mien[parquet]") from error
    kinds = {"path": pa.string(), "face": pa.int32(), "emotion": pa.string(), "reason": pa.string()}
    schema = pa.schema([pa.field(name, kinds.get(name, pa.float64()), nullable=name != "path") for name in COLUMNS])
    rows = (row for entry in entries for row in rows_of(entry))
    with parquet.ParquetWriter(file, schema, compression="zstd") as writer:
        while group := list(islice(rows, _GROUP_ROWS)):
            columns = [
                pa.array([_cell(row[number]) for row in group], schema.field(number).type)
                for number in range(len(COLUMNS))
            ]
            writer.write_table(pa.Table.from_arrays(columns, schema=schema), row_group_size=_GROUP_ROWS)


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


def _cell(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode() if value else None
    return value


def _columns(face: dict[str, Any]) -> Row:
    probabilities = [face["probabilities"][name] for name in EMOTIONS]
    return [*face["box"], face["emotion"], face["confidence"], *probabilities, face["valence"], face["arousal"]]


def _document(job_id: str, total: Tally, entries: Iterable[Entry]) -> Iterator[str]:
    """Yield `{job, inputs, done, failed, failures, pictures}` piece by piece."""
    head = {
        "job": job_id,
        "inputs": total.done + total.failed,
        "done": total.done,
        "failed": total.failed,
        "failures": [failure.to_dict() for failure in total.failures],
    }
    yield json.dumps(head, indent=1)[:-2] + ',\n "pictures": ['
    separator = "\n  "
    for entry in entries:
        if "reason" not in entry:
            yield separator + json.dumps(entry)
            separator = ",\n  "
    yield "\n ]\n}\n"
