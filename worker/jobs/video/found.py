"""What the steps of a video hand to each other: faces in segments, compact, and there whole or not at all.

analysed/<segment>.npz   `Found`: which frames could be decoded, and every face of those that were analysed
followed/<segment>.npz   `Followed`: for each of these faces its track, and its label over time
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, Self, get_args
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from mien.errors import JobError
from mien.files import atomic_file
from mien.types import EMOTIONS, UNCERTAIN, BaselineState, Face

LABELS = (*EMOTIONS, UNCERTAIN)
_STATES: tuple[BaselineState, ...] = get_args(BaselineState)

Whole = NDArray[np.int64]
Real = NDArray[np.float64]
Flags = NDArray[np.bool_]


class _Stored:
    """A dataclass of arrays in a file."""

    def write(self, path: Path) -> None:
        """Store it; the same numbers give the same bytes. Raises OSError when it cannot be written."""
        arrays = {each.name: getattr(self, each.name) for each in fields(self)}  # type: ignore[arg-type]
        with atomic_file(path) as file:
            np.savez(file, **arrays)

    @classmethod
    def read(cls, path: Path) -> Self:
        """Return what `write` stored; raises JobError when it is gone or not ours."""
        arrays = read_arrays(path)
        try:
            return cls(**{each.name: arrays[each.name] for each in fields(cls)})  # type: ignore[arg-type]
        except KeyError as error:
            raise JobError(f"{path} is of another version of mien: queue the job again") from error


def read_arrays(path: Path) -> Mapping[str, NDArray[Any]]:
    """Return the arrays of a file; raises JobError when it is gone, or damaged: then it is removed and made again."""
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            return dict(arrays)
    except (OSError, ValueError, EOFError, BadZipFile) as error:
        path.unlink(missing_ok=True)
        raise JobError(f"{path} cannot be read ({error}): retry the job") from error


@dataclass(frozen=True, slots=True)
class Found(_Stored):
    """A segment after its analysis.

    `numbers` and `ticks` [frames] are those of the frames that could be decoded, `analysed` [m] the numbers of those
    that were looked at. The others are [faces]: the number of the frame (`frame`), `boxes` [faces, 4] and `landmarks`
    [faces, points, 2] in pixels, `probabilities` [faces, 8], `emotions` as numbers into `LABELS`, `measured` whether
    valence and arousal were. `threshold` is that of the weights. `resized` [3]: number, width and height of the
    first frame of another size, where the segment was left; [0] when all have one size.
    """

    numbers: Whole
    ticks: Whole
    analysed: Whole
    frame: Whole
    boxes: Real
    scores: Real
    landmarks: Real
    probabilities: Real
    emotions: Whole
    confidences: Real
    valence: Real
    arousal: Real
    measured: Flags
    threshold: Real
    resized: Whole

    @classmethod
    def of(
        cls,
        frames: Sequence[tuple[int, int]],
        faces: Sequence[tuple[int, tuple[Face, ...]]],
        threshold: float,
        resized: tuple[int, int, int] | None = None,
    ) -> Found:
        """Return the arrays for (number, ticks) of decoded frames, and (number, faces) of analysed ones."""
        flat = [(number, face) for number, found in faces for face in found]
        points = max((len(face.landmarks) for _, face in flat), default=0)
        landmarks = np.full((len(flat), points, 2), np.nan)
        for row, (_, face) in enumerate(flat):
            landmarks[row, : len(face.landmarks)] = np.reshape(face.landmarks, (-1, 2))
        return cls(
            numbers=np.array([number for number, _ in frames], np.int64),
            ticks=np.array([ticks for _, ticks in frames], np.int64),
            analysed=np.array([number for number, _ in faces], np.int64),
            frame=np.array([number for number, _ in flat], np.int64),
            boxes=np.array([face.box for _, face in flat], np.float64).reshape(-1, 4),
            scores=np.array([face.score for _, face in flat], np.float64),
            landmarks=landmarks,
            probabilities=np.array([face.probabilities for _, face in flat], np.float64).reshape(-1, len(EMOTIONS)),
            emotions=np.array([LABELS.index(face.emotion) for _, face in flat], np.int64),
            confidences=np.array([face.confidence for _, face in flat], np.float64),
            valence=np.array([face.valence for _, face in flat], np.float64),
            arousal=np.array([face.arousal for _, face in flat], np.float64),
            measured=np.array([face.va_source == "measured" for _, face in flat], bool),
            threshold=np.array(threshold, np.float64),
            resized=np.array(resized or (), np.int64),
        )

    def faces(self) -> Iterator[tuple[int, int, tuple[Face, ...]]]:
        """Yield number, ticks and faces of every analysed frame, in order."""
        ticks = dict(zip(self.numbers.tolist(), self.ticks.tolist(), strict=True))
        ends = np.searchsorted(self.frame, self.analysed, side="right").tolist()
        start = 0
        for number, end in zip(self.analysed.tolist(), ends, strict=True):
            yield number, ticks[number], tuple(self._face(row) for row in range(start, end))
            start = end

    def _face(self, row: int) -> Face:
        points = self.landmarks[row]
        return Face(
            box=tuple(self.boxes[row].tolist()),
            emotion=LABELS[self.emotions[row]],
            confidence=float(self.confidences[row]),
            probabilities=tuple(self.probabilities[row].tolist()),
            valence=float(self.valence[row]),
            arousal=float(self.arousal[row]),
            score=float(self.scores[row]),
            landmarks=tuple((float(x), float(y)) for x, y in points if x == x),
            va_source="measured" if self.measured[row] else "projected",
        )


@dataclass(frozen=True, slots=True)
class Followed(_Stored):
    """The faces of a `Found`, in its order, over time: `tracks` [faces] count from 1 in order of appearance.

    `baselines` [faces] are numbers of `BaselineState`.
    """

    tracks: Whole
    smoothed: Real
    labels: Whole
    confidences: Real
    baselines: Whole

    @classmethod
    def of(cls, faces: Sequence[Face]) -> Followed:
        """Return the arrays for faces whose tracks are numbers."""
        return cls(
            tracks=np.array([int(face.track) for face in faces], np.int64),
            smoothed=np.array([face.smoothed for face in faces], np.float64).reshape(-1, len(EMOTIONS)),
            labels=np.array([LABELS.index(face.label) for face in faces], np.int64),
            confidences=np.array([face.label_confidence for face in faces], np.float64),
            baselines=np.array([_STATES.index(face.baseline) for face in faces], np.int64),
        )


def followed_faces(found: Found, followed: Followed) -> Iterator[tuple[int, int, tuple[Face, ...]]]:
    """Yield number, ticks and faces, with their tracks and labels over time, of every analysed frame."""
    row = 0
    for number, ticks, faces in found.faces():
        yield number, ticks, tuple(_over_time(face, followed, row + place) for place, face in enumerate(faces))
        row += len(faces)


def _over_time(face: Face, followed: Followed, row: int) -> Face:
    over_time: dict[str, Any] = {
        "track": str(followed.tracks[row]),
        "smoothed": tuple(followed.smoothed[row].tolist()),
        "label": LABELS[followed.labels[row]],
        "label_confidence": float(followed.confidences[row]),
        "baseline": _STATES[followed.baselines[row]],
    }
    return replace(face, **over_time)
