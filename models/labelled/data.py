"""Pictures with what people saw in them, from an npz, a folder of class folders, or a CSV; read one at a time.

>>> data = read_labelled(Path("faces"))
>>> test = part_of(data, "test")
>>> test.pictures.read(0).shape
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from mien.address import Address
from mien.errors import InputError, PictureError
from mien.inputs.fetch import open_input
from mien.limits import BYTES_A_PIXEL, PHOTO_PIXELS, SMALLEST_FACE_PX
from mien.pixels import Grey, Rgb
from mien.types import EMOTIONS
from models.labelled import csv as labelled_csv
from models.labelled import folder as labelled_folder
from models.labelled.ferplus import (
    SPLITS,
    FerPlus,
    Split,
    VaTruth,
    copies_of,
    emotion_votes,
    has_majority,
    projected,
    read_npz,
)
from models.labelled.names import UNCLEAR
from models.pictures.photo import read_photo

T = TypeVar("T", bound=np.generic)


class Pictures(Protocol):
    """Pictures that are read when they are asked for."""

    def __len__(self) -> int: ...

    def read(self, row: int) -> Rgb | Grey:
        """Return a picture; raises PictureError when it cannot be read."""
        ...

    def name(self, row: int) -> str:
        """Return what people call the picture: its path, or its name in an npz."""
        ...

    def take(self, rows: NDArray[np.int64]) -> Pictures:
        """Return some of the pictures, in the given order."""
        ...


@dataclass(frozen=True, slots=True)
class ArrayPictures:
    """Pictures in memory: uint8 [N, H, W] grey or [N, H, W, 3] RGB."""

    array: NDArray[np.uint8] = field(repr=False)
    names: tuple[str, ...] = field(repr=False)

    def __len__(self) -> int:
        return len(self.array)

    def read(self, row: int) -> Rgb | Grey:
        """Return a picture."""
        return np.asarray(self.array[row], np.uint8)

    def name(self, row: int) -> str:
        """Return the name that the data gives the picture."""
        return self.names[row]

    def take(self, rows: NDArray[np.int64]) -> ArrayPictures:
        """Return some of the pictures, in the given order."""
        return ArrayPictures(self.array[rows], tuple(self.names[row] for row in rows))


@dataclass(frozen=True, slots=True)
class FilePictures:
    """Pictures in files, decoded anew each time they are read, huge ones scaled down as jobs do it.

    A file that declares more than `max_pixels` is refused.
    """

    paths: tuple[Path, ...] = field(repr=False)
    max_pixels: int = PHOTO_PIXELS
    smallest_face_px: int = SMALLEST_FACE_PX

    def __len__(self) -> int:
        return len(self.paths)

    def read(self, row: int) -> Rgb:
        """Return a picture; raises PictureError, with the reason, whatever is wrong with its file."""
        data = open_input(Address.of_path(self.paths[row].absolute()), self.max_pixels * BYTES_A_PIXEL)
        try:
            return read_photo(data, self.max_pixels, self.smallest_face_px).pixels
        except MemoryError as error:
            raise PictureError("the picture does not fit into memory: scale it down first") from error

    def name(self, row: int) -> str:
        """Return the path of a picture."""
        return str(self.paths[row])

    def take(self, rows: NDArray[np.int64]) -> FilePictures:
        """Return some of the pictures, in the given order."""
        return replace(self, paths=tuple(self.paths[row] for row in rows))


@dataclass(frozen=True, slots=True)
class LabelledData:
    """N pictures with their labels.

    `labels` int64 [N]: the index in EMOTIONS, UNCLEAR where people did not agree; `targets` float32 [N, 8]: what share
    of people saw which emotion, rows sum to 1, or to 0 where nothing is known. `split` int64 [N] as in SPLITS, None
    when the data has none. `valence` and `arousal` float32 [N], -1 to 1, NaN where unknown, None when the data has
    none; `va_truth` says where they come from. `copies` bool [N]: pictures that repeat one of another split, as far as
    that was looked for. `crops`: the pictures are faces that were cut out already. `person` and `group` text [N]: whose
    face it is, and to which group of people it counts; None when the data does not say.
    """

    source: str
    pictures: Pictures
    labels: NDArray[np.int64]
    targets: NDArray[np.float32]
    split: NDArray[np.int64] | None = None
    valence: NDArray[np.float32] | None = None
    arousal: NDArray[np.float32] | None = None
    va_truth: VaTruth = "given"
    copies: NDArray[np.bool_] | None = None
    crops: bool = False
    person: NDArray[np.str_] | None = None
    group: NDArray[np.str_] | None = None

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def clear(self) -> NDArray[np.bool_]:
        """Which pictures have an emotion, bool [N]."""
        return np.asarray(self.labels != UNCLEAR)

    def take(self, rows: NDArray[np.int64]) -> LabelledData:
        """Return some of the pictures with all that is known of them, in the given order."""

        def some(values: NDArray[T] | None) -> NDArray[T] | None:
            return None if values is None else values[rows]

        return replace(
            self,
            pictures=self.pictures.take(rows),
            labels=self.labels[rows],
            targets=self.targets[rows],
            split=some(self.split),
            valence=some(self.valence),
            arousal=some(self.arousal),
            copies=some(self.copies),
            person=some(self.person),
            group=some(self.group),
        )


def read_labelled(
    path: Path | str, max_pixels: int = PHOTO_PIXELS, smallest_face_px: int = SMALLEST_FACE_PX
) -> LabelledData:
    """Read what pictures there are and their labels, not the pictures of a folder or CSV themselves.

    Raises InputError, naming file and line, when the data is missing, has fewer than two emotions, a label that is no
    emotion, a missing column, or not a single picture that exists.
    """
    source = Path(path)
    if source.is_dir():
        data = _from_table(source, labelled_folder.read_folder(source))
    elif not source.exists():
        raise InputError(f"no data at {source}: give an npz, a folder of class folders, or a CSV")
    elif source.suffix.lower() in labelled_csv.SUFFIXES:
        data = _from_table(source, labelled_csv.read_csv(source))
    elif source.suffix.lower() == ".npz":
        data = _from_npz(source, read_npz(source))
    else:
        raise InputError(f"{source} is no labelled data: give an .npz, a folder of class folders, or a .csv")
    if isinstance(data.pictures, FilePictures):
        pictures = replace(data.pictures, max_pixels=max_pixels, smallest_face_px=smallest_face_px)
        data = replace(data, pictures=pictures)
    present = np.unique(data.labels[data.clear])
    if len(present) < 2:
        what = f"one emotion only ({EMOTIONS[present[0]]})" if len(present) else "no emotion"
        raise InputError(f"{source} holds pictures of {what}: at least two are needed")
    return data


def default_split(data: LabelledData) -> Split | None:
    """Return which part of the data is evaluated unless somebody says otherwise: test, or everything without splits."""
    return None if data.split is None else "test"


def part_of(data: LabelledData, split: Split | None) -> LabelledData:
    """Return the pictures of a split; None returns all of them.

    Where the pictures are in memory, `copies` says which of them repeat a training picture (for the training split:
    which repeat a picture of the others). Raises InputError when the data has no splits or this one is empty.
    """
    if split is None:
        return data
    if data.split is None:
        raise InputError(f"{data.source} has no splits: leave --split out, or add a column `split`")
    chosen = data.split == SPLITS.index(split)
    part = data.take(np.flatnonzero(chosen))
    if not part.clear.any():
        there = [name for number, name in enumerate(SPLITS) if (data.clear & (data.split == number)).any()]
        raise InputError(f"the {split} split of {data.source} is empty: it has {', '.join(there)}")
    if isinstance(data.pictures, ArrayPictures) and isinstance(part.pictures, ArrayPictures):
        training = data.split == SPLITS.index("train")
        others = data.pictures.array[~training if split == "train" else training]
        return replace(part, copies=copies_of(part.pictures.array, others))
    return part


def _is_there(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:  # a name that no file can have
        return False


def _from_table(source: Path, table: labelled_csv.Table) -> LabelledData:
    """Return the rows that a folder or CSV gave as arrays."""
    if not any(_is_there(path) for path in table.paths):
        raise InputError(
            f"{table.where(0)}: {table.paths[0]} does not exist, nor does any other picture that {source} names"
        )
    return LabelledData(
        source=str(source),
        pictures=FilePictures(tuple(table.paths)),
        labels=np.array(table.labels, np.int64),
        targets=np.array(table.targets, np.float32).reshape(-1, len(EMOTIONS)),
        split=_column(table.split, np.int64),
        valence=_column(table.valence, np.float32),
        arousal=_column(table.arousal, np.float32),
        person=_column(table.person, np.str_),
        group=_column(table.group, np.str_),
    )


def _column(values: Sequence[float] | Sequence[str] | None, kind: type[T]) -> NDArray[T] | None:
    return None if values is None else np.array(values, kind)


def _from_npz(source: Path, raw: FerPlus) -> LabelledData:
    """Return FER+ by the rule of its authors; pictures without a majority, or not of an emotion, are unclear."""
    targets = emotion_votes(raw.votes)
    labels = np.where(has_majority(raw.votes), targets.argmax(axis=1), UNCLEAR).astype(np.int64)
    names = raw.names or tuple(f"picture {row}" for row in range(len(labels)))
    points = projected(targets)
    return LabelledData(
        source=str(source),
        pictures=ArrayPictures(raw.pictures, names),
        labels=labels,
        targets=targets,
        split=raw.split,
        valence=points[:, 0],
        arousal=points[:, 1],
        va_truth="projected from votes",
        crops=True,
    )
