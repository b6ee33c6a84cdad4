"""A CSV as labelled data: a picture's path in each line, with its label or with votes; relative to the CSV."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TextIO

import numpy as np

from mien.errors import InputError
from mien.types import EMOTIONS
from models.labelled.names import UNCLEAR, emotion_named, label_of, split_named

SUFFIXES = frozenset({".csv", ".tsv"})
PATH_NAMES = ("path", "file", "filename", "image", "image name", "picture")
LABEL_NAMES = ("label", "emotion", "expression", "class")
SPLIT_COLUMNS = ("split", "usage")
NOT_A_FACE = frozenset({"nf", "not a face", "notaface", "not_a_face"})

LONGEST_NAME = 100
"""Characters of the name of a person or group."""

ENOUGH_VOTES = 8
"""From this many votes on, an emotion with a single one counts as noise, as FER+ takes its ten."""


@dataclass(slots=True)
class Table:
    """Rows as they were found: `lines` says in which line of `source`, where that has lines."""

    source: Path
    paths: list[Path] = field(default_factory=list)
    labels: list[int] = field(default_factory=list)
    targets: list[list[float]] = field(default_factory=list)
    lines: list[int] = field(default_factory=list)
    split: list[int] | None = None
    valence: list[float] | None = None
    arousal: list[float] | None = None
    person: list[str] | None = None
    group: list[str] | None = None

    def where(self, row: int) -> str:
        """Return file and line of a row, for errors."""
        return f"{self.source}, line {self.lines[row]}" if self.lines else str(self.source)


@dataclass(frozen=True, slots=True)
class Columns:
    """Which columns of a CSV mean what; `votes` by name of the column, with what it counts."""

    path: str
    label: str | None
    votes: Mapping[str, str]
    valence: str | None
    arousal: str | None
    split: str | None
    person: str | None = None
    group: str | None = None


@dataclass(frozen=True, slots=True)
class Cells:
    """A CSV as it is written: its header, what the columns mean, and the cells of each picture by column."""

    header: tuple[str, ...]
    columns: Columns
    rows: tuple[Mapping[str, str], ...] = field(repr=False)


def read_csv(path: Path) -> Table:
    """Return the rows of a CSV with a header.

    Columns, whatever their case: `path` (or file, image, …); `label` (or emotion, …) or a column of votes for each
    emotion, with `unknown` and `not a face` if there are such votes; and, where there are any, `valence` and `arousal`
    from -1 to 1 (both or none), `split`, `person` (whose face it is) and `group` (of people). Raises InputError that
    names file and line.
    """
    with _opened(path) as file:
        return _read(path, file)


def read_cells(path: Path) -> Cells:
    """Return the cells of a CSV that `read_csv` reads, in the order of its rows. Raises InputError as that does."""
    with _opened(path) as file:
        reader = _reader(file)
        header = tuple(reader.fieldnames or ())
        return Cells(header, _columns(path, header), tuple(reader))


def one_hot(label: int) -> list[float]:
    """Return a label as shares of eight emotions; nothing at all for an unclear one."""
    return [1.0 if index == label else 0.0 for index in range(len(EMOTIONS))]


def from_votes(votes: Mapping[str, float]) -> tuple[int, list[float]]:
    """Return label and shares of the eight emotions, from votes by name (others than the eight may be among them).

    The label is the emotion with over half of the votes that count, UNCLEAR without one. Where there are at least
    `ENOUGH_VOTES`, emotions with at most one vote do not count (Barsoum et al., 2016).
    """
    least = 1.0 if sum(votes.values()) >= ENOUGH_VOTES else 0.0
    counted = {name: count if count > least else 0.0 for name, count in votes.items()}
    everything = sum(counted.values())
    shares = np.array([counted.get(name, 0.0) for name in EMOTIONS])
    top = int(shares.argmax())
    label = top if shares[top] > everything / 2 else UNCLEAR
    return label, (shares / max(shares.sum(), 1e-9)).tolist()


@contextmanager
def _opened(path: Path) -> Iterator[TextIO]:
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            yield file
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path} cannot be read as CSV: {error}") from error


def _reader(file: TextIO) -> csv.DictReader[str]:
    head = file.readline()
    file.seek(0)
    reader = csv.DictReader(file, delimiter=_delimiter(head))
    reader.fieldnames = [name.strip() for name in reader.fieldnames or ()]
    return reader


def _read(path: Path, file: TextIO) -> Table:
    reader = _reader(file)
    header = reader.fieldnames or ()
    columns = _columns(path, header)
    table = Table(path, split=[] if columns.split else None)
    if columns.valence:
        table.valence, table.arousal = [], []
    table.person = [] if columns.person else None
    table.group = [] if columns.group else None
    for cells in reader:
        where = f"{path}, line {reader.line_num}"
        if None in cells.values() or None in cells:
            raise InputError(f"{where}: has {_count(cells)} cells, the header has {len(header)}")
        _append(table, columns, cells, where)
        table.lines.append(reader.line_num)
    if not table.paths:
        raise InputError(f"{path}, line 2: there is no picture below the header")
    return table


def _append(table: Table, columns: Columns, cells: Mapping[str, str], where: str) -> None:
    picture = cells[columns.path].strip()
    if not picture:
        raise InputError(f"{where}: the column {columns.path!r} is empty: it must name a picture")
    if columns.label is not None:
        label = label_of(cells[columns.label], where)
        shares = one_hot(label)
    else:
        votes: dict[str, float] = {}
        for column, emotion in columns.votes.items():
            votes[emotion] = votes.get(emotion, 0.0) + _votes(cells[column], column, where)
        label, shares = from_votes(votes)
    table.paths.append(table.source.parent / picture)
    table.labels.append(label)
    table.targets.append(shares)
    if table.split is not None and columns.split is not None:
        table.split.append(split_named(cells[columns.split], where))
    if table.valence is not None and table.arousal is not None and columns.valence and columns.arousal:
        table.valence.append(_coordinate(cells[columns.valence], columns.valence, where))
        table.arousal.append(_coordinate(cells[columns.arousal], columns.arousal, where))
    for names, named in ((table.person, columns.person), (table.group, columns.group)):
        if names is not None and named is not None:
            names.append(_name(cells[named], named, where))


def _columns(path: Path, names: Sequence[str]) -> Columns:
    """Return what the columns mean; raises InputError that says which one is missing."""
    where = f"{path}, line 1"
    if not any(names):
        raise InputError(f"{where}: there is no header: name the columns, `path` and `label` at least")
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise InputError(f"{where}: the column {twice!r} is there twice")
    found = f"found were {', '.join(names)[:200]}"
    picture = _one_of(names, PATH_NAMES)
    if picture is None:
        raise InputError(f"{where}: the column `path` is missing ({found})")
    label = _one_of(names, LABEL_NAMES)
    votes = {} if label else _vote_columns(names)
    if label is None and len(set(votes.values()) & set(EMOTIONS)) < 2:
        raise InputError(f"{where}: the column `label`, or a column of votes for each emotion, is missing ({found})")
    valence, arousal = _one_of(names, ("valence",)), _one_of(names, ("arousal",))
    if (valence is None) != (arousal is None):
        missing = "arousal" if arousal is None else "valence"
        raise InputError(f"{where}: the column `{missing}` is missing: give both, valence and arousal, or none")
    split, person, group = (_one_of(names, wanted) for wanted in (SPLIT_COLUMNS, ("person",), ("group",)))
    return Columns(picture, label, votes, valence, arousal, split, person, group)


def _vote_columns(names: Sequence[str]) -> dict[str, str]:
    """Return the columns that count votes, with what each counts: an emotion, `uncertain`, or "not a face"."""
    votes = {}
    for name in names:
        counted = "not a face" if name.casefold() in NOT_A_FACE else emotion_named(name)
        if counted is not None:
            votes[name] = counted
    return votes


def _one_of(names: Sequence[str], wanted: Sequence[str]) -> str | None:
    by_name = {name.casefold(): name for name in names}
    return next((by_name[name] for name in wanted if name in by_name), None)


def _votes(text: str, column: str, where: str) -> float:
    """Return a count of votes; an empty cell is none."""
    count = _number(text or "0")
    if not count >= 0 or math.isinf(count):
        raise InputError(f"{where}: {text[:40]!r} in the column {column!r} is no number of votes")
    return count


def _coordinate(text: str, column: str, where: str) -> float:
    """Return valence or arousal; an empty cell is NaN."""
    if not text.strip():
        return math.nan
    value = _number(text)
    if not -1 <= value <= 1:
        raise InputError(f"{where}: {text[:40]!r} in the column {column!r} is no number from -1 to 1")
    return value


def _name(text: str, column: str, where: str) -> str:
    """Return the name of a person or group."""
    name = text.strip()
    if not name:
        raise InputError(f"{where}: the column {column!r} is empty: name the {column.casefold()} in each line, or none")
    if len(name) > LONGEST_NAME:
        raise InputError(f"{where}: {name[:40]!r}… in the column {column!r} is longer than {LONGEST_NAME} characters")
    return name


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan


def _delimiter(head: str) -> str:
    return max(",;\t", key=head.count)


def _count(cells: Mapping[str | None, object]) -> int:
    """Return how many cells a row had: those without a name are kept under None."""
    extra = cells.get(None)
    return sum(value is not None for name, value in cells.items() if name is not None) + (
        len(extra) if isinstance(extra, list) else 0
    )
