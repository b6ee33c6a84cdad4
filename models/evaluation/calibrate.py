"""Temperature and reject threshold, found on validation: what makes a confidence mean what it says."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from models.evaluation.score import score, softmax
from models.nets.weights import Calibration

COVERAGE = 0.88
"""The part of validation faces that get a name; the rest are `uncertain`. Between 0.85 and 0.90 by design."""


def calibrate(logits: NDArray[np.float32], labels: NDArray[np.int64], coverage: float = COVERAGE) -> Calibration:
    """Return temperature and threshold for logits [N, 8] of validation faces with true classes [N]."""
    temperature = best_temperature(logits, labels)
    return Calibration(temperature, reject_threshold(logits, temperature, coverage))


def best_temperature(logits: NDArray[np.float32], labels: NDArray[np.int64]) -> float:
    """Return the temperature of the least expected calibration error, among those whose NLL is within 2 % of the best.

    NLL alone is smooth but can leave confidence too low or too high where most faces are; the error alone is jumpy.
    """
    grid = np.geomspace(0.3, 4.0, 260)
    scores = [score(logits, labels, float(temperature)) for temperature in grid]
    enough = 1.02 * min(found.nll for found in scores)
    _, best = min((found.ece, float(at)) for found, at in zip(scores, grid, strict=True) if found.nll <= enough)
    return best


def reject_threshold(logits: NDArray[np.float32], temperature: float, coverage: float = COVERAGE) -> float:
    """Return the confidence that `coverage` of the faces reach."""
    return float(np.quantile(softmax(logits, temperature).max(axis=1), 1 - coverage))
