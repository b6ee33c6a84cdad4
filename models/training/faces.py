"""Faces to train on from any labelled data: cut once, kept small, split so that no copy lies on both sides."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mien.errors import InputError, PictureError, line_of
from models.detect.detector import Detector
from models.evaluation.predictions import FaceCutter
from models.labelled.data import LabelledData, read_labelled
from models.labelled.ferplus import SPLITS, FaceSet, copies_of, face_set, read_npz, training_set
from models.labelled.holdout import groups_of, held_out, prints_of
from models.nets.weights import CropGeometry

Listener = Callable[[int, int], None]
"""Told how many of how many pictures have been read."""


@dataclass(frozen=True, slots=True)
class TrainingData:
    """What to train on and what to choose by. `failures`: pictures that could not be read, or show no face, and why."""

    train: FaceSet
    validation: FaceSet
    failures: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Cutting:
    """How faces are cut for training.

    `geometry` is that of the weights to be, `channels` 1 for grey. With a `detector` faces are looked for, without one
    pictures are taken as faces cut out already. `margin` is kept on each side, as a share of the side, so that shifts
    and turns find real pixels; the crops' side grows by it.
    """

    geometry: CropGeometry
    channels: int = 1
    detector: Detector | None = None
    margin: float = 0.0


def read_training_data(
    path: Path,
    cutting: Cutting,
    *,
    share: float = 0.1,
    listen: Listener = lambda *_: None,
    with_points: bool = False,
) -> TrainingData:
    """Return faces to train on and to validate with.

    An npz is taken by the rules of FER+. Data with a column or folders of splits keeps them; other data is split:
    `share` of each emotion for validation, copies of one picture on one side. That choice is always the same one, so
    that no later run or export judges itself by pictures that it learned from. Training pictures that repeat a
    validation or test picture are left out. Raises InputError when the data cannot be used (see `read_labelled`), when
    a split has no faces, or, before a face is cut, when `with_points` it has no valence and arousal.
    """
    if path.suffix.lower() == ".npz":
        raw = read_npz(path)
        try:
            return TrainingData(_several_emotions(training_set(raw)), face_set(raw, "validation"))
        except InputError as error:
            raise InputError(f"{path}: {error}") from error
    data = read_labelled(path)
    data = data.take(np.flatnonzero(data.clear))
    _need_splits(data, path)
    points = _points(data)
    if with_points and (points is None or np.isnan(points).any(axis=1).all()):
        raise _no_points(str(path))
    pictures, found, failures = cut_all(data, cutting, listen)
    data = data.take(found)
    split = data.split if data.split is not None else _split(data, pictures, share)
    faces = FaceSet(pictures, data.targets, data.labels, np.zeros(len(data), bool), _points(data), data.va_truth)
    validation = faces.where(split == SPLITS.index("validation"))
    train = faces.where(split == SPLITS.index("train"))
    for name, part in (("train", train), ("validation", validation)):
        if len(part) == 0:
            raise InputError(f"the {name} split of {path} holds no face: {len(faces)} were found in all of it")
    copies = copies_of(_grey(train.pictures), _grey(pictures[split != SPLITS.index("train")]))
    return TrainingData(_several_emotions(train.where(~copies), f" of {path}"), validation, failures)


def cut_all(
    data: LabelledData, cutting: Cutting, listen: Listener = lambda *_: None
) -> tuple[NDArray[np.uint8], NDArray[np.int64], dict[str, str]]:
    """Return the crops of all pictures, the rows in which there was a face, and why there was none in the others.

    One picture is decoded at a time: crops are uint8 [M, side, side], or [M, side, side, 3] in colours.
    """
    cutter = FaceCutter(cutting.geometry, cutting.channels, cutting.detector, cutting.margin)
    crops: NDArray[np.uint8] = np.empty((len(data), cutter.side, cutter.side, cutting.channels), np.uint8)
    rows: list[int] = []
    failures: dict[str, str] = {}
    for row in range(len(data)):
        try:
            crop = cutter.crop(data.pictures.read(row))
            if crop is None:
                failures[data.pictures.name(row)] = "no face was found"
            else:
                crops[len(rows)] = crop
                rows.append(row)
        except PictureError as error:
            failures[data.pictures.name(row)] = line_of(error)
        listen(row + 1, len(data))
    if not rows:
        name, why = next(iter(failures.items()))
        raise InputError(f"there is not one face in {data.source}: {name}: {why}")
    kept = crops[: len(rows)]
    return (kept[..., 0] if cutting.channels == 1 else kept), np.array(rows, np.int64), failures


def need_points(train: FaceSet, validation: FaceSet) -> None:
    """Raise InputError when valence and arousal are known of fewer than two faces of a split."""
    for name, faces in (("train", train), ("validation", validation)):
        if faces.points is None or (~np.isnan(faces.points).any(axis=1)).sum() < 2:
            raise _no_points(f"the {name} split")


def _no_points(where: str) -> InputError:
    return InputError(
        f"{where} has no valence and arousal to learn from: give a CSV with both columns, or leave out --heads"
    )


def _several_emotions(train: FaceSet, where: str = "") -> FaceSet:
    if len(np.unique(train.labels)) < 2:
        raise InputError(f"the training split{where} has faces of one emotion only: at least two are needed")
    return train


def _need_splits(data: LabelledData, path: Path) -> None:
    """Raise InputError, before a picture is read, when the data names splits and one of them is empty."""
    if data.split is None:
        return
    for name in ("train", "validation"):
        if not (data.split == SPLITS.index(name)).any():
            raise InputError(f"the {name} split of {path} holds no face: none of its pictures has a clear label")


def _split(data: LabelledData, pictures: NDArray[np.uint8], share: float) -> NDArray[np.int64]:
    names = [data.pictures.name(row) for row in range(len(data))]
    chosen = held_out(data.labels, groups_of(prints_of(pictures)), names, share)
    return np.where(chosen, SPLITS.index("validation"), SPLITS.index("train"))


def _points(data: LabelledData) -> NDArray[np.float32] | None:
    if data.valence is None or data.arousal is None:
        return None
    return np.stack([data.valence, data.arousal], axis=1)


def _grey(pictures: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return pictures if pictures.ndim == 3 else pictures.mean(axis=3).astype(np.uint8)
