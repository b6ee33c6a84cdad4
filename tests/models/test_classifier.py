"""Probabilities are calibrated, sum to one, and may say `uncertain`."""

from __future__ import annotations

import numpy as np
import pytest

from models.classifier import calibrated
from models.tracks.smooth import decide


def test_probabilities_sum_to_one_even_for_large_logits() -> None:
    logits = np.array([[1000, -1000, 0, 0, 0, 0, 0, 0], [0] * 8], np.float32)
    assert calibrated(logits, 0.8).sum(axis=1) == pytest.approx([1, 1], abs=1e-12)


def test_a_higher_temperature_is_less_certain_of_the_same_emotion() -> None:
    logits = np.array([[0, 0, 0, 0, 3, 1, 0, 0]], np.float32)
    cold, warm = calibrated(logits, 0.5)[0], calibrated(logits, 2.0)[0]
    assert cold.argmax() == warm.argmax() == 4
    assert warm[4] < cold[4]


def test_below_the_threshold_a_face_is_uncertain() -> None:
    shares = [0.1, 0.0, 0.1, 0.0, 0.45, 0.35, 0.0, 0.0]
    assert decide(shares, 0.45) == ("happy", 0.45)
    assert decide(shares, 0.46) == ("uncertain", 0.45)
