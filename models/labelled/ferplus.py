"""FER+ as its authors use it, from one npz: pictures, soft targets from votes, and no training copy of a test picture.

Source of the protocol: Barsoum et al., "Training Deep Networks for Facial Expression Recognition with Crowd-Sourced
Label Distribution" (2016). Emotions with at most one vote count as noise; a picture is kept when its top emotion has
over half of the remaining votes; "unknown" and "not a face" are left out.
"""

from __future__ import annotations

import zipfile
import zlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from mien.errors import InputError
from mien.types import EMOTIONS
from models.circumplex import POINTS

Split = Literal["train", "validation", "test"]
VaTruth = Literal["given", "projected from votes"]
SPLITS: tuple[Split, ...] = ("train", "validation", "test")

VOTE_COLUMNS = ("neutral", "happy", "surprise", "sad", "anger", "disgust", "fear", "contempt", "unknown", "not a face")
"""What the ten columns of `votes` count, in FER+'s order and our words."""

COPY_CORRELATION = 0.9995
"""Two pictures that correlate more than this are copies of one another (scaled, or with other JPEG noise)."""


@dataclass(frozen=True, slots=True)
class FaceSet:
    """Faces with what people saw in them.

    `pictures` uint8 [N, H, W]; `targets` float32 [N, 8], rows sum to 1, in the order of EMOTIONS; `labels` int64 [N],
    the index of the top emotion; `copies` bool [N], whether the picture repeats one of another split. `points` float32
    [N, 2]: valence and arousal, NaN where unknown, None when nobody knows any; `va_truth` says where they come from.
    Pictures in colours are [N, H, W, 3].
    """

    pictures: NDArray[np.uint8]
    targets: NDArray[np.float32]
    labels: NDArray[np.int64]
    copies: NDArray[np.bool_]
    points: NDArray[np.float32] | None = None
    va_truth: VaTruth = "given"

    def __len__(self) -> int:
        return len(self.pictures)

    def where(self, keep: NDArray[np.bool_]) -> FaceSet:
        """Return the faces for which `keep` [N] is true."""
        points = None if self.points is None else self.points[keep]
        return replace(
            self,
            pictures=self.pictures[keep],
            targets=self.targets[keep],
            labels=self.labels[keep],
            copies=self.copies[keep],
            points=points,
        )


@dataclass(frozen=True, slots=True)
class FerPlus:
    """The raw arrays: `pictures` uint8 [N, H, W], `votes` int64 [N, 10], `split` int64 [N] (0, 1, 2 as in SPLITS).

    `names` are those of the pictures' files, where the npz has them.
    """

    pictures: NDArray[np.uint8]
    votes: NDArray[np.int64]
    split: NDArray[np.int64]
    names: tuple[str, ...] = ()


def read_npz(path: Path | str) -> FerPlus:
    """Read `images`, `votes`, `split` and `name` of an npz; rows without a name are dropped.

    Raises InputError when the file is missing, damaged, or its arrays do not fit one another.
    """
    source = Path(path)
    if not source.is_file():
        raise InputError(f"no data at {source}: give the path of the FER+ npz")
    try:
        with source.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            pictures, votes, split = (np.asarray(arrays[key]) for key in ("images", "votes", "split"))
            names = np.asarray(arrays["name"]) if "name" in arrays else None
    except KeyError as error:
        raise InputError(f"{source} holds no array {error}: images, votes and split are needed") from error
    except (OSError, EOFError, TypeError, ValueError, zipfile.BadZipFile, zlib.error) as error:
        raise InputError(f"{source} is no readable npz ({error}): fetch it again") from error
    if pictures.ndim != 3 or pictures.dtype != np.uint8 or votes.shape != (len(pictures), len(VOTE_COLUMNS)):
        raise InputError(
            f"{source}: images {pictures.dtype}{list(pictures.shape)} and votes {list(votes.shape)} do not fit: "
            "uint8 [N, H, W] and [N, 10] are needed"
        )
    if split.shape != (len(pictures),) or not np.isin(split, (0, 1, 2)).all():
        raise InputError(f"{source}: split must give 0, 1 or 2 for each of the {len(pictures)} images")
    votes, split = votes.astype(np.int64), split.astype(np.int64)
    if names is None:
        return FerPlus(pictures, votes, split)
    if names.shape != split.shape:
        raise InputError(f"{source}: name must have one entry for each of the {len(pictures)} images")
    named = names != ""
    return FerPlus(pictures[named], votes[named], split[named], tuple(str(name) for name in names[named]))


def without_single_votes(votes: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return votes [N, 10] with every count of at most one set to zero."""
    return np.where(votes <= 1, 0, votes)


def has_majority(votes: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Return for each row of votes [N, 10] whether one of the eight emotions has over half of the votes that count."""
    counted = without_single_votes(votes)
    top = counted.argmax(axis=1)
    over_half = counted.max(axis=1) > counted.sum(axis=1) / 2
    return np.asarray(over_half & (top < len(EMOTIONS)))


def emotion_votes(votes: NDArray[np.int64]) -> NDArray[np.float32]:
    """Return counted votes [N, 10] as distributions [N, 8] in the order of EMOTIONS; rows without votes stay zero."""
    columns = [VOTE_COLUMNS.index(name) for name in EMOTIONS]
    counted = without_single_votes(votes)[:, columns].astype(np.float32)
    return np.asarray(counted / np.maximum(counted.sum(axis=1, keepdims=True), 1), np.float32)


def projected(targets: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return valence and arousal [N, 2] that shares of emotions [N, 8] stand for; NaN where they are all zero."""
    points = targets @ np.array([POINTS[name] for name in EMOTIONS], np.float32)
    return np.where(targets.sum(axis=1, keepdims=True) > 0, points, np.nan).astype(np.float32)


def face_set(data: FerPlus, split: Split) -> FaceSet:
    """Return the majority-rule set of a split.

    `copies` marks, for test and validation, pictures that a picture of the training split repeats; for training,
    pictures that repeat one of test or validation (to be left out when training). Raises InputError when it is empty.
    """
    chosen = data.split == SPLITS.index(split)
    keep = chosen & has_majority(data.votes)
    if not keep.any():
        raise InputError(f"the {split} split holds no picture with a majority: check `split` and `votes`")
    training = data.split == SPLITS.index("train")
    others = ~training if split == "train" else training
    copies = copies_of(data.pictures[keep], data.pictures[others])
    targets = emotion_votes(data.votes[keep])
    labels = targets.argmax(axis=1).astype(np.int64)
    return FaceSet(data.pictures[keep], targets, labels, copies, projected(targets), "projected from votes")


def training_set(data: FerPlus) -> FaceSet:
    """Return what to train on: every training picture with a clear enough vote that repeats none of test or validation.

    Wider than the majority rule: a picture counts when its eight emotions together have over half of the votes that
    count, so that pictures between two emotions teach the model to say so. Raises InputError when none is left.
    """
    counted = without_single_votes(data.votes)
    emotions, everything = counted[:, : len(EMOTIONS)].sum(axis=1), counted.sum(axis=1)
    training = data.split == SPLITS.index("train")
    keep = training & (emotions > everything / 2)
    if not keep.any():
        raise InputError("the training split holds no usable picture: check `split` and `votes`")
    targets = emotion_votes(data.votes[keep])
    copies = copies_of(data.pictures[keep], data.pictures[~training])
    labels = targets.argmax(axis=1).astype(np.int64)
    faces = FaceSet(data.pictures[keep], targets, labels, copies, projected(targets), "projected from votes")
    return faces.where(~copies)


def prepare(pictures: NDArray[np.uint8], size: int, channels: int = 1) -> NDArray[np.float32]:
    """Return unchanged pictures in the net's form: float32 [N, size, size, channels], 0 to 255.

    Pictures are uint8 [N, H, W] grey or [N, H, W, 3] RGB; grey becomes three equal colours, colours become grey.
    """
    if pictures.ndim == 4 and channels == 1:
        pictures = np.stack([np.asarray(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), np.uint8) for picture in pictures])
    if pictures.shape[1:3] != (size, size):
        shrink = pictures.shape[1] > size
        method = cv2.INTER_AREA if shrink else cv2.INTER_LINEAR
        pictures = np.stack([cv2.resize(picture, (size, size), interpolation=method) for picture in pictures])
    prepared = pictures.astype(np.float32)
    return prepared if prepared.ndim == 4 else np.repeat(prepared[..., np.newaxis], channels, axis=3)


def copies_of(
    pictures: NDArray[np.uint8], others: NDArray[np.uint8], least: float = COPY_CORRELATION, chunk: int = 2048
) -> NDArray[np.bool_]:
    """Return for each picture [N, H, W] whether one of `others` [M, H, W] correlates more than `least` with it."""
    copied = np.zeros(len(pictures), bool)
    if len(others) == 0:
        return copied
    rows, columns = standardised(pictures), standardised(others)
    for start in range(0, len(rows), chunk):
        for other in range(0, len(columns), chunk):
            best = (rows[start : start + chunk] @ columns[other : other + chunk].T).max(axis=1)
            copied[start : start + chunk] |= best > least
    return copied


def standardised(pictures: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return pictures [N, H, W] as rows of mean 0 and length 1; a flat picture is a row of zeros."""
    rows = pictures.reshape(len(pictures), -1).astype(np.float32)
    rows -= rows.mean(axis=1, keepdims=True)
    return np.asarray(rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-6), np.float32)
