"""Figures of a classifier from its logits or probabilities: accuracy, macro-F1, calibration. Numpy only."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mien.types import EMOTIONS
from models.nets.heads import logits_in

CALIBRATION_BINS = 15


def _nobody() -> NDArray[np.int64]:
    return np.zeros(len(EMOTIONS), np.int64)


@dataclass(frozen=True, slots=True)
class Scores:
    """What a set of faces says about a classifier.

    `confusion` int64 [8, 8] counts truth by row and prediction by column; `missed` int64 [8] the pictures of each truth
    in which no face was found: they count as wrong. `uar` is the mean recall of the classes that have faces; `ece` the
    expected calibration error over 15 equal bins of confidence; `nll` the mean negative log-likelihood of the true
    class in nats, both over the faces that were found. `coverage` is the part of all pictures whose face is at or above
    the reject threshold, `accuracy_at_coverage` the
    accuracy among them.
    """

    n: int
    accuracy: float
    uar: float
    macro_f1: float
    ece: float
    nll: float
    coverage: float
    accuracy_at_coverage: float
    confusion: NDArray[np.int64]
    missed: NDArray[np.int64] = field(default_factory=_nobody)

    def to_dict(self) -> dict[str, Any]:
        """Return the figures as JSON types, with precision, recall and F1 of each class that has faces."""
        return {
            "n": self.n,
            "accuracy": rounded(self.accuracy),
            "uar": rounded(self.uar),
            "macro_f1": rounded(self.macro_f1),
            "ece": rounded(self.ece),
            "nll": rounded(self.nll),
            "coverage": rounded(self.coverage),
            "accuracy_at_coverage": rounded(self.accuracy_at_coverage),
            "per_class": per_class(self.confusion, self.missed),
            "confusion": self.confusion.tolist(),
            "no_face": int(self.missed.sum()),
        }


def rounded(value: float) -> float | None:
    """Return a figure as JSON takes it: four digits, None for what cannot be computed."""
    return round(value, 4) if np.isfinite(value) else None


def softmax(logits: NDArray[np.float32], temperature: float = 1.0) -> NDArray[np.float64]:
    """Return probabilities [N, 8] of logits [N, 8] divided by the temperature.

    Only the logits of the emotions count: of a net's outputs [N, 10] those are the first eight.
    """
    scaled = logits_in(logits).astype(np.float64) / temperature
    powers = np.exp(scaled - scaled.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))


def score(
    logits: NDArray[np.float32], labels: NDArray[np.int64], temperature: float = 1.0, threshold: float = 0.0
) -> Scores:
    """Score logits [N, 8] against true classes [N]; raises ValueError when N is 0."""
    return score_probabilities(softmax(logits, temperature), labels, threshold)


def score_probabilities(
    probabilities: NDArray[np.float64], labels: NDArray[np.int64], threshold: float = 0.0
) -> Scores:
    """Score calibrated probabilities [N, 8] against true classes [N]; raises ValueError when N is 0.

    A row of NaN is a picture in which no face was found: wrong, without a name, and in no figure of calibration.
    """
    if len(labels) == 0:
        raise ValueError("no faces to score")
    found = ~np.isnan(probabilities[:, 0])
    shares, truths = probabilities[found], labels[found]
    predicted, confidence = shares.argmax(axis=1), shares.max(axis=1, initial=0.0)
    correct, accepted = predicted == truths, confidence >= threshold
    confusion = np.zeros((len(EMOTIONS), len(EMOTIONS)), np.int64)
    np.add.at(confusion, (truths, predicted), 1)
    missed = np.bincount(labels[~found], minlength=len(EMOTIONS))
    truth = shares[np.arange(len(truths)), truths]
    return Scores(
        n=len(labels),
        accuracy=float(correct.sum() / len(labels)),
        uar=uar(confusion, missed),
        macro_f1=macro_f1(confusion, missed),
        ece=calibration_error(confidence, correct) if found.any() else np.nan,
        nll=float(-np.log(np.maximum(truth, 1e-12)).mean()) if found.any() else np.nan,
        coverage=float(accepted.sum() / len(labels)),
        accuracy_at_coverage=float(correct[accepted].mean()) if accepted.any() else 0.0,
        confusion=confusion,
        missed=missed,
    )


def uar(confusion: NDArray[np.int64], missed: NDArray[np.int64] | None = None) -> float:
    """Return the unweighted average recall: the mean over the classes that have faces, however many those are.

    `missed` [8] are faces of each class that were not found. The usual figure where some emotions are rare (Schuller et
    al., "The INTERSPEECH 2009 Emotion Challenge").
    """
    truths = confusion.sum(axis=1) + (_nobody() if missed is None else missed)
    present = truths > 0
    return float((np.diag(confusion)[present] / truths[present]).mean())


def macro_f1(confusion: NDArray[np.int64], missed: NDArray[np.int64] | None = None) -> float:
    """Return the mean F1 over the classes that have faces; `missed` [8] are faces of each that were not found."""
    missed = _nobody() if missed is None else missed
    present = confusion.sum(axis=1) + missed > 0
    return float(_f1(confusion, missed)[present].mean())


def per_class(confusion: NDArray[np.int64], missed: NDArray[np.int64] | None = None) -> dict[str, dict[str, float]]:
    """Return n, precision, recall and F1 of each emotion that has faces."""
    missed = _nobody() if missed is None else missed
    hits, truths, guesses = np.diag(confusion), confusion.sum(axis=1) + missed, confusion.sum(axis=0)
    f1 = _f1(confusion, missed)
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
    gaps = np.bincount(bins_of(confidence, bins), weights=confidence - correct, minlength=bins)
    return float(np.abs(gaps).sum() / len(confidence))


def bins_of(confidence: NDArray[np.float64], bins: int = CALIBRATION_BINS) -> NDArray[np.int64]:
    """Return in which of equal bins over (0, 1] each confidence lies, from 0."""
    return np.clip(np.ceil(confidence * bins).astype(np.int64) - 1, 0, bins - 1)


def _f1(confusion: NDArray[np.int64], missed: NDArray[np.int64]) -> NDArray[np.float64]:
    hits = np.diag(confusion)
    return np.asarray(2 * hits / np.maximum(confusion.sum(axis=0) + confusion.sum(axis=1) + missed, 1), np.float64)
