"""From crops to emotions: calibrated probabilities, and the option to say `uncertain`."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from mien.types import EMOTIONS, UNCERTAIN, Detection, Face
from models.align import align
from models.circumplex import project
from models.picture import Picture
from models.runtime import ClassifierRuntime, Logits
from models.weights import Weights

Probabilities = NDArray[np.float64]
"""[N, 8], in the order of `EMOTIONS`; each row sums to 1."""


class Classifier:
    """One set of weights in one runtime."""

    def __init__(self, weights: Weights, runtime: ClassifierRuntime) -> None:
        self.weights = weights
        self.runtime = runtime

    def crop(self, rgb: Picture, face: Detection) -> Picture:
        """Return the aligned crop that the net sees, uint8 [size, size, channels]."""
        return align(rgb, face, self.weights.crop, self.weights.channels)

    def probabilities(self, crops: Sequence[Picture]) -> Probabilities:
        """Return calibrated probabilities of crops: softmax(logits / temperature) (Guo et al., 2017)."""
        if not crops:
            return np.zeros((0, len(EMOTIONS)))
        return calibrated(self.runtime.logits(np.stack(crops).astype(np.float32)), self.weights.temperature)

    def face(self, found: Detection, probabilities: Probabilities) -> Face:
        """Return a detection with what its eight probabilities say."""
        shares = tuple(float(share) for share in probabilities)
        emotion, confidence = decide(shares, self.weights.threshold)
        valence, arousal = project(shares)
        return Face(
            box=found.box,
            emotion=emotion,
            confidence=confidence,
            probabilities=shares,
            valence=valence,
            arousal=arousal,
            score=found.score,
            landmarks=found.landmarks,
        )


def calibrated(logits: Logits, temperature: float) -> Probabilities:
    """Return softmax(logits / temperature) of each row, in float64 so that rows sum to 1 within 1e-15."""
    scaled = logits.astype(np.float64) / temperature
    shares: Probabilities = np.exp(scaled - scaled.max(axis=1, keepdims=True))
    shares /= shares.sum(axis=1, keepdims=True)
    return shares


def decide(probabilities: Sequence[float], threshold: float) -> tuple[str, float]:
    """Return emotion and confidence: the likeliest one, or `uncertain` when even that is below the threshold."""
    confidence = max(probabilities)
    emotion = EMOTIONS[list(probabilities).index(confidence)] if confidence >= threshold else UNCERTAIN
    return emotion, confidence
