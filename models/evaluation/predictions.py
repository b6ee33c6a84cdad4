"""From labelled pictures to probabilities: find the face, cut it, change it if asked, classify it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from mien.errors import PictureError, line_of
from mien.pixels import Crop, Grey, Rgb
from mien.types import EMOTIONS, Box, Detection, Face
from models.align import Square, cut, square_of
from models.classifier import Classifier
from models.detect.detector import Detector
from models.evaluation.changes import UNCHANGED, Change
from models.labelled.data import Pictures
from models.nets.weights import CropGeometry

GROUP = 32
"""Pictures whose faces are classified together: large enough to fill batches, small enough for progress to move."""

Listener = Callable[[int], None]
"""Told how many pictures have been classified."""


@dataclass(frozen=True, slots=True)
class Predictions:
    """What the classifier says of N pictures under V changes.

    `probabilities` float64 [V, N, 8]: calibrated; a row of NaN where there is no face or no picture. `boxes` float32
    [N, 4]: the face in pixels of its picture, NaN where there is none. `failures`: why a picture could not be read.
    `points` float64 [N, 2]: valence and arousal of the unchanged pictures as the net measures them, NaN without a face;
    None when it does not measure them.
    """

    probabilities: NDArray[np.float64] = field(repr=False)
    boxes: NDArray[np.float32] = field(repr=False)
    failures: Mapping[int, str]
    points: NDArray[np.float64] | None = field(default=None, repr=False)

    @property
    def readable(self) -> NDArray[np.bool_]:
        """Which pictures could be read, bool [N]."""
        readable = np.ones(len(self.boxes), bool)
        readable[list(self.failures)] = False
        return readable


def main_face(boxes: Sequence[Box]) -> int:
    """Return which face of a picture its label is about: the largest; of two equals the first."""
    return max(range(len(boxes)), key=lambda index: (boxes[index][2] * boxes[index][3], -index))


class FaceCutter:
    """Cuts the face that a picture's label is about; without a detector, pictures are faces cut out already.

    `side` of a crop is that of the geometry and a `margin`, a share of it, all around.
    """

    def __init__(
        self, geometry: CropGeometry, channels: int, detector: Detector | None = None, margin: float = 0.0
    ) -> None:
        self.side = round(geometry.size * (1 + 2 * margin))
        self._geometry = geometry
        self._channels = channels
        self._detector = detector
        self._wider = self.side / geometry.size

    def face(self, picture: Rgb | Grey) -> tuple[Square, Box] | None:
        """Return which square of a picture shows its face, and the face's box; None where there is no face."""
        if self._detector is None:
            return whole(picture)
        rgb = picture if picture.ndim == 3 else np.repeat(picture[:, :, np.newaxis], 3, axis=2)
        faces = self._detector.detect(np.ascontiguousarray(rgb))
        if not faces:
            return None
        face = faces[main_face([each.box for each in faces])]
        return square_of(face, self._geometry), face.box

    def crop(self, picture: Rgb | Grey) -> Crop | None:
        """Return the crop of a picture's face; None where there is no face."""
        found = self.face(picture)
        return None if found is None else self.cut(picture, found[0])

    def cut(self, picture: Rgb | Grey, square: Square, alter: Callable[[Crop], Crop] = lambda crop: crop) -> Crop:
        """Return a square of a picture as a crop, its pixels altered.

        A picture smaller than the crop is altered as it is and scaled up afterwards, as a camera's would be.
        """
        side = self.side if self._detector is not None else min(self.side, round(max(picture.shape[:2]) * self._wider))
        wider = square if self._wider == 1 else replace(square, side=square.side * self._wider)
        crop = alter(in_channels(cut(picture, wider, side), self._channels))
        if side == self.side:
            return crop
        larger = cv2.resize(crop, (self.side, self.side), interpolation=cv2.INTER_LINEAR)
        return np.asarray(larger, np.uint8).reshape(self.side, self.side, self._channels)


class Predictor:
    """Classifies the face that each picture's label is about; without a detector, pictures are cut-out faces."""

    def __init__(self, classifier: Classifier, detector: Detector | None) -> None:
        self._classifier = classifier
        weights = classifier.weights
        self._cutter = FaceCutter(weights.crop, weights.channels, detector)

    def predict(
        self,
        pictures: Pictures,
        changes: Sequence[Change] = (UNCHANGED,),
        views: Sequence[Change] = (UNCHANGED,),
        listen: Listener = lambda _: None,
    ) -> Predictions:
        """Return the predictions for each picture under each change; those of several `views` of a face are averaged.

        `points` are those under the first change.
        A picture is decoded and searched for its face once, whatever the number of changes.
        """
        count = len(pictures)
        probabilities = np.full((len(changes), count, len(EMOTIONS)), np.nan)
        boxes = np.full((count, 4), np.nan, np.float32)
        points = np.full((count, 2), np.nan) if "va" in self._classifier.weights.heads else None
        failures: dict[int, str] = {}
        for start in range(0, count, GROUP):
            rows: list[int] = []
            crops: list[Crop] = []
            for row in range(start, min(start + GROUP, count)):
                try:
                    picture = pictures.read(row)
                    found = self._cutter.face(picture)
                    if found is None:
                        continue
                    square, box = found
                    crops += [self._crop(picture, square, change, view, row) for change in changes for view in views]
                    rows.append(row)
                    boxes[row] = box
                except PictureError as error:
                    failures[row] = line_of(error)
                except (cv2.error, ValueError, RuntimeError, ArithmeticError, MemoryError) as error:
                    failures[row] = f"cannot be analysed: {line_of(error)}"
            if rows:
                answers = self._classifier.classify(crops)
                shares = answers.probabilities.reshape(len(rows), len(changes), len(views), -1)
                probabilities[:, rows] = shares.mean(axis=2).swapaxes(0, 1)
                if points is not None and answers.points is not None:
                    points[rows] = answers.points.reshape(len(rows), len(changes), len(views), 2)[:, 0].mean(axis=1)
            listen(min(start + GROUP, count))
        return Predictions(probabilities, boxes, failures, points)

    def _crop(self, picture: Rgb | Grey, square: Square, change: Change, view: Change, row: int) -> Crop:
        """Return the crop that the net sees."""
        square = view.move(change.move(square, np.random.default_rng([0, row])), np.random.default_rng([1, row]))
        return self._cutter.cut(picture, square, lambda crop: view.alter(change.alter(crop)))


class CropAnalyzer:
    """Takes each picture as one face; in all else what a worker needs of an analyzer."""

    def __init__(self, classifier: Classifier) -> None:
        self._classifier = classifier
        self._cutter = FaceCutter(classifier.weights.crop, classifier.weights.channels)

    @property
    def threshold(self) -> float:
        """Below this top probability a face is `uncertain`."""
        return self._classifier.weights.threshold

    def analyze_many(self, rgbs: Sequence[Rgb]) -> tuple[list[tuple[Face, ...]], Mapping[str, float]]:
        """Return the one face of each picture; no stages are timed."""
        found = [whole(rgb) for rgb in rgbs]
        crops = [self._cutter.cut(rgb, square) for rgb, (square, _) in zip(rgbs, found, strict=True)]
        return [(face,) for face in self._classifier.faces([Detection(box, 1.0) for _, box in found], crops)], {}


def whole(picture: Rgb | Grey) -> tuple[Square, Box]:
    """Return the square around a whole picture, and its box; what lies beyond the picture repeats its border."""
    height, width = picture.shape[:2]
    return Square(width / 2, height / 2, float(max(width, height))), (0.0, 0.0, float(width), float(height))


def in_channels(picture: Rgb | Grey, channels: int) -> Crop:
    """Return a picture with so many channels: colours become grey, grey becomes three equal colours."""
    if picture.ndim == 2:
        return np.repeat(picture[:, :, np.newaxis], channels, axis=2)
    if channels == 1:
        return np.asarray(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), np.uint8)[:, :, np.newaxis]
    return picture
