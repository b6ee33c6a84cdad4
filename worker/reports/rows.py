"""Rows of results as CSV or Parquet, written as they come, so that memory does not grow with them."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import IO, TYPE_CHECKING, Any, BinaryIO, Literal, cast

from mien.errors import RuntimeMissing

if TYPE_CHECKING:
    import pyarrow as pa

Kind = Literal["text", "word", "real", "whole", "small"]
"""What a column holds: any text, one of a few words, a real number, a whole one of 64 bits or of 32."""

GROUP_ROWS = 10_000
"""So many rows are in memory at once: about 3 MB of faces."""

Cell = str | int | float
Row = Sequence[Cell]


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table; `required`: it has a value in each row."""

    name: str
    kind: Kind = "real"
    required: bool = False


def columns_of(names: Iterable[str], **kinds: Kind) -> tuple[Column, ...]:
    """Return columns by name; those that `kinds` does not name hold real numbers."""
    return tuple(Column(name, kinds.get(name, "real")) for name in names)


def write_csv(file: IO[bytes], columns: Iterable[str], rows: Iterable[Row]) -> None:
    """Write a heading and rows; what a file name holds beyond UTF-8 is escaped."""
    text = io.TextIOWrapper(cast(BinaryIO, file), "utf-8", errors="backslashreplace", newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(rows)
    text.detach()  # flushes, and leaves the file open


def write_parquet(
    file: IO[bytes], columns: Sequence[Column], rows: Iterable[Row], group_rows: int = GROUP_ROWS
) -> None:
    """Write rows group by group; an empty text is null. Raises RuntimeMissing without pyarrow."""
    try:
        import pyarrow as pa
        from pyarrow import parquet
    except ImportError as error:
        raise RuntimeMissing("writing Parquet needs pyarrow: install mien[parquet]") from error
    schema = _schema(columns)
    left: Iterator[Row] = iter(rows)
    with parquet.ParquetWriter(file, schema, compression="zstd") as writer:
        while group := list(islice(left, group_rows)):
            arrays = [
                pa.array([_value(cell) for cell in cells], field.type)
                for cells, field in zip(zip(*group, strict=True), schema, strict=True)
            ]
            writer.write_table(pa.Table.from_arrays(arrays, schema=schema), row_group_size=group_rows)


def _schema(columns: Sequence[Column]) -> pa.Schema:
    import pyarrow as pa

    kinds = {
        "text": pa.string(),
        "word": pa.dictionary(pa.int32(), pa.string()),
        "real": pa.float64(),
        "whole": pa.int64(),
        "small": pa.int32(),
    }
    return pa.schema([pa.field(each.name, kinds[each.kind], nullable=not each.required) for each in columns])


def _value(cell: Cell) -> Any:
    if isinstance(cell, str):
        return cell.encode("utf-8", "backslashreplace").decode() if cell else None
    return cell
