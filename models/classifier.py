"""From crops to emotions: calibrated probabilities, and the option to say `uncertain`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mien.pixels import Crop, Rgb
from mien.prior import NO_SHIFT, Shares
from mien.types import EMOTIONS, Detection, Face, Point
from models.align import align
from models.circumplex import project
from models.nets.heads import logits_in, points_in
from models.nets.weights import Weights
from models.runtimes.interface import ClassifierRuntime, Logits
from models.tracks.smooth import decide

Probabilities = NDArray[np.float64]
"""[N, 8], in the order of `EMOTIONS`; each row sums to 1."""

Points = NDArray[np.float64]
"""[N, 2]: valence and arousal, each from -1 to 1."""


class Answers(NamedTuple):
    """What a net says of N crops; `points` are None when it does not measure valence and arousal."""

    probabilities: Probabilities
    points: Points | None


class Classifier:
    """One set of weights in one runtime."""

    def __init__(self, weights: Weights, runtime: ClassifierRuntime) -> None:
        self.weights = weights
        self.runtime = runtime

    def crop(self, rgb: Rgb, face: Detection) -> Crop:
        """Return the aligned crop that the net sees."""
        return align(rgb, face, self.weights.crop, self.weights.channels)

    def classify(self, crops: Sequence[Crop]) -> Answers:
        """Return what the net says of crops."""
        if not crops:
            return Answers(np.zeros((0, len(EMOTIONS))), np.zeros((0, 2)) if "va" in self.weights.heads else None)
        outputs = self.runtime.logits(np.stack(crops).astype(np.float32))
        points = points_in(outputs)
        return Answers(
            calibrated(outputs, self.weights.temperature, self.weights.shift),
            None if points is None else points.astype(np.float64),
        )

    def faces(self, found: Sequence[Detection], crops: Sequence[Crop]) -> list[Face]:
        """Return each detection with what the net says of its crop."""
        shares, points = self.classify(crops)
        if points is None:
            return [self.face(each, row) for each, row in zip(found, shares, strict=True)]
        return [
            self.face(each, row, (float(valence), float(arousal)))
            for each, row, (valence, arousal) in zip(found, shares, points, strict=True)
        ]

    def face(self, found: Detection, probabilities: Probabilities, point: Point | None = None) -> Face:
        """Return a detection with what its eight probabilities say.

        `point`: valence and arousal as they were measured; without it they are projected from the probabilities.
        """
        shares = tuple(float(share) for share in probabilities)
        emotion, confidence = decide(shares, self.weights.threshold)
        valence, arousal = project(shares) if point is None else point
        return Face(
            box=found.box,
            emotion=emotion,
            confidence=confidence,
            probabilities=shares,
            valence=valence,
            arousal=arousal,
            score=found.score,
            landmarks=found.landmarks,
            va_source="projected" if point is None else "measured",
        )


def calibrated(logits: Logits, temperature: float, shift: Shares = NO_SHIFT) -> Probabilities:
    """Return softmax((logits + shift) / temperature) of each row (Guo et al., 2017), in float64.

    Rows sum to 1 within 1e-15. Only the logits of the emotions count, whatever lies behind them.
    """
    scaled = (logits_in(logits).astype(np.float64) + shift) / temperature
    shares: Probabilities = np.exp(scaled - scaled.max(axis=1, keepdims=True))
    shares /= shares.sum(axis=1, keepdims=True)
    return shares
