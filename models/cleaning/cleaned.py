"""Labelled data with some rows left out or renamed, in the layout that it came in: `mien train` reads it again."""

from __future__ import annotations

import csv
import io
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from mien.errors import InputError
from mien.types import EMOTIONS, UNCERTAIN
from models.labelled import csv as labelled_csv
from models.labelled.data import LabelledData
from models.labelled.ferplus import SPLITS, VOTE_COLUMNS
from models.labelled.names import UNCLEAR

CSV_NAME, NPZ_NAME = "cleaned.csv", "cleaned.npz"


class Source(Protocol):
    """What labelled data was read from, as it was when it was read."""

    @property
    def cleaned_name(self) -> str:
        """What its cleaned form is called."""
        ...

    def cleaned(self, left_out: Collection[int], renamed: Mapping[int, int]) -> bytes:
        """Return it without some rows; `renamed` gives others the emotion of an index. All else stays as it is."""
        ...


def source_of(path: Path, data: LabelledData) -> Source:
    """Return what `read_labelled` has just read `data` from, the rows being those of `data`.

    Raises InputError when it is not that any more.
    """
    source: Source
    if path.suffix.lower() == ".npz":
        source = NpzSource.read(path)
        known = len(source.rows)
    elif path.is_dir():
        source, known = FolderSource(data), len(data)
    else:
        source = CsvSource(labelled_csv.read_cells(path), _absolute(data))
        known = len(source.cells.rows)
    if known != len(data):
        raise InputError(f"{path} was changed while it was read: start again")
    return source


@dataclass(frozen=True, slots=True)
class FolderSource:
    """A folder of class folders, which becomes a CSV: pictures stay where they are."""

    data: LabelledData = field(repr=False)
    cleaned_name: str = CSV_NAME

    def cleaned(self, left_out: Collection[int], renamed: Mapping[int, int]) -> bytes:
        """Return path, label and, where the folder has splits, split of each picture."""
        split = self.data.split
        header = ("path", "label") if split is None else ("path", "label", "split")
        rows = []
        for row, path in enumerate(_absolute(self.data)):
            if row not in left_out:
                label = int(renamed.get(row, self.data.labels[row]))
                name = UNCERTAIN if label == UNCLEAR else EMOTIONS[label]
                rows.append((path, name) if split is None else (path, name, SPLITS[split[row]]))
        return _csv(header, rows)


@dataclass(frozen=True, slots=True)
class CsvSource:
    """A CSV, which keeps all its columns; `paths` are absolute, as the cleaned one lies elsewhere."""

    cells: labelled_csv.Cells = field(repr=False)
    paths: Sequence[str] = field(repr=False)
    cleaned_name: str = CSV_NAME

    def cleaned(self, left_out: Collection[int], renamed: Mapping[int, int]) -> bytes:
        """Return the lines; a renamed picture has another label, or all its votes for one emotion.

        Its valence and arousal, which were given for the emotion it no longer has, are left empty: unknown.
        """
        rows = []
        for row, (cells, path) in enumerate(zip(self.cells.rows, self.paths, strict=True)):
            if row not in left_out:
                told = self._renamed(cells, EMOTIONS[renamed[row]]) if row in renamed else cells
                rows.append([{**told, self.cells.columns.path: path}[name] for name in self.cells.header])
        return _csv(self.cells.header, rows)

    def _renamed(self, cells: Mapping[str, str], emotion: str) -> dict[str, str]:
        columns = self.cells.columns
        cells = {**cells, **{column: "" for column in (columns.valence, columns.arousal) if column is not None}}
        if columns.label is not None:
            return {**cells, columns.label: emotion}
        votes = sum(float(cells[column] or 0) for column in columns.votes)
        column = next(column for column, counted in columns.votes.items() if counted == emotion)
        return {**cells, **dict.fromkeys(columns.votes, "0"), column: f"{votes:.15g}"}


@dataclass(frozen=True, slots=True)
class NpzSource:
    """An npz like that of FER+: its arrays, and where in them each of the N pictures with a name is, int64 [N]."""

    arrays: Mapping[str, NDArray[Any]] = field(repr=False)
    rows: NDArray[np.int64] = field(repr=False)
    cleaned_name: str = NPZ_NAME

    @classmethod
    def read(cls, path: Path) -> NpzSource:
        """Read the arrays of an npz that `read_npz` reads; those that hold objects of Python are left out."""
        arrays = {}
        with path.open("rb") as file, np.load(file, allow_pickle=False) as found:
            for name in found.files:
                try:
                    arrays[name] = np.asarray(found[name])
                except ValueError:  # reading objects could run what somebody else wrote
                    continue
        named = arrays["name"] != "" if "name" in arrays else np.ones(len(arrays["votes"]), bool)
        return cls(arrays, np.flatnonzero(named))

    def cleaned(self, left_out: Collection[int], renamed: Mapping[int, int]) -> bytes:
        """Return the npz; a renamed picture has all its votes for one emotion. Arrays without N rows stay whole."""
        raw = self.arrays["votes"]
        votes = raw.astype(np.int64)
        for row, emotion in renamed.items():
            counts = votes[self.rows[row]]
            everything = counts.sum()
            counts[:] = 0
            counts[VOTE_COLUMNS.index(EMOTIONS[emotion])] = everything
        kept = np.ones(len(votes), bool)
        kept[self.rows[sorted(left_out)]] = False
        # Ten small counts in one may need a wider type.
        votes = votes.astype(np.result_type(raw, np.min_scalar_type(int(votes.max(initial=0)))))
        arrays = {
            name: array[kept] if array.ndim and len(array) == len(kept) else array
            for name, array in {**self.arrays, "votes": votes}.items()
        }
        file = io.BytesIO()
        # savez takes keyword arguments only.
        np.savez(file, **arrays)  # type: ignore[arg-type]
        return file.getvalue()


def _absolute(data: LabelledData) -> list[str]:
    return [str(Path(data.pictures.name(row)).absolute()) for row in range(len(data))]


def _csv(header: Sequence[str], rows: Iterable[Sequence[str]]) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerows([header, *rows])
    return text.getvalue().encode(errors="backslashreplace")
