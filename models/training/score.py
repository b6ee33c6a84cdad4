"""Figures of a classifier from its logits: accuracy, macro-F1, calibration. Numpy only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mien.types import EMOTIONS

CALIBRATION_BINS = 15


@dataclass(frozen=True, slots=True)
class Scores:
    """What a set of faces says about a classifier.

    `confusion` int64 [8, 8] counts truth by row and prediction by column. `ece` is the expected calibration error
    over 15 equal bins of confidence; `nll` the mean negative log-likelihood of the true class in nats. `coverage` is
    the part of faces at or above the reject threshold, `accuracy_at_coverage` the accuracy among them.
    """

    n: int
    accuracy: float
    macro_f1: float
    ece: float
    nll: float
    coverage: float
    accuracy_at_coverage: float
    confusion: NDArray[np.int64]

    def to_dict(self) -> dict[str, Any]:
        """Return the figures as JSON types, with precision, recall and F1 of each class that has faces."""
        return {
            "n": self.n,
            "accuracy": round(self.accuracy, 4),
            "macro_f1": round(self.macro_f1, 4),
            "ece": round(self.ece, 4),
            "nll": round(self.nll, 4),
            "coverage": round(self.coverage, 4),
            "accuracy_at_coverage": round(self.accuracy_at_coverage, 4),
            "per_class": per_class(self.confusion),
            "confusion": self.confusion.tolist(),
        }


def softmax(logits: NDArray[np.float32], temperature: float = 1.0) -> NDArray[np.float64]:
    """Return probabilities [N, 8] of logits [N, 8] divided by the temperature."""
    scaled = logits.astype(np.float64) / temperature
    powers = np.exp(scaled - scaled.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))


def score(
    logits: NDArray[np.float32], labels: NDArray[np.int64], temperature: float = 1.0, threshold: float = 0.0
) -> Scores:
    """Score logits [N, 8] against true classes [N]; raises ValueError when N is 0."""
    if len(labels) == 0:
        raise ValueError("no faces to score")
    probabilities = softmax(logits, temperature)
    predicted, confidence = probabilities.argmax(axis=1), probabilities.max(axis=1)
    correct = predicted == labels
    confusion = np.zeros((len(EMOTIONS), len(EMOTIONS)), np.int64)
    np.add.at(confusion, (labels, predicted), 1)
    accepted = confidence >= threshold
    truth = probabilities[np.arange(len(labels)), labels]
    return Scores(
        n=len(labels),
        accuracy=float(correct.mean()),
        macro_f1=macro_f1(confusion),
        ece=calibration_error(confidence, correct),
        nll=float(-np.log(np.maximum(truth, 1e-12)).mean()),
        coverage=float(accepted.mean()),
        accuracy_at_coverage=float(correct[accepted].mean()) if accepted.any() else 0.0,
        confusion=confusion,
    )


def macro_f1(confusion: NDArray[np.int64]) -> float:
    """Return the mean F1 over the classes that have faces."""
    present = confusion.sum(axis=1) > 0
    return float(_f1(confusion)[present].mean())


def per_class(confusion: NDArray[np.int64]) -> dict[str, dict[str, float]]:
    """Return n, precision, recall and F1 of each emotion that has faces."""
    hits, truths, guesses = np.diag(confusion), confusion.sum(axis=1), confusion.sum(axis=0)
    f1 = _f1(confusion)
    return {
        name: {
            "n": int(truths[index]),
            "precision": round(float(hits[index] / max(guesses[index], 1)), 4),
            "recall": round(float(hits[index] / truths[index]), 4),
            "f1": round(float(f1[index]), 4),
        }
        for index, name in enumerate(EMOTIONS)
        if truths[index]
    }


def calibration_error(
    confidence: NDArray[np.float64], correct: NDArray[np.bool_], bins: int = CALIBRATION_BINS
) -> float:
    """Return the expected calibration error: the mean gap of confidence and accuracy over equal bins, by size.

    Source: Guo et al., "On Calibration of Modern Neural Networks" (2017).
    """
    places = np.clip(np.ceil(confidence * bins).astype(int) - 1, 0, bins - 1)
    gaps = np.bincount(places, weights=confidence - correct, minlength=bins)
    return float(np.abs(gaps).sum() / len(confidence))


def _f1(confusion: NDArray[np.int64]) -> NDArray[np.float64]:
    hits = np.diag(confusion)
    return np.asarray(2 * hits / np.maximum(confusion.sum(axis=0) + confusion.sum(axis=1), 1), np.float64)
