from __future__ import annotations

import numpy as np
import pytest

from mien.types import EMOTIONS
from models.evaluation.calibrate import best_temperature, calibrate
from models.evaluation.score import calibration_error, score, softmax

HAPPY, NEUTRAL, SAD = (EMOTIONS.index(name) for name in ("happy", "neutral", "sad"))


def logits_for(predictions: list[int], margin: float = 4.0) -> np.ndarray:
    return (np.eye(8)[predictions] * margin).astype(np.float32)


def test_accuracy_and_f1_of_a_case_worked_by_hand() -> None:
    labels = np.array([HAPPY, HAPPY, HAPPY, NEUTRAL, SAD])
    scores = score(logits_for([HAPPY, HAPPY, NEUTRAL, NEUTRAL, HAPPY]), labels)
    assert scores.accuracy == pytest.approx(3 / 5)
    # happy: precision 2/3, recall 2/3; neutral: 1/2, 1; sad: 0. Classes without faces do not count.
    assert scores.macro_f1 == pytest.approx((2 / 3 + 2 / 3 + 0) / 3)
    assert scores.confusion[SAD, HAPPY] == 1
    assert scores.confusion.sum() == 5
    table = scores.to_dict()["per_class"]
    assert set(table) == {"happy", "neutral", "sad"}
    assert table["happy"] == {"n": 3, "precision": 0.6667, "recall": 0.6667, "f1": 0.6667}


def test_nll_is_that_of_the_true_class() -> None:
    scores = score(np.zeros((4, 8), np.float32), np.array([0, 1, 2, 3]))
    assert scores.nll == pytest.approx(np.log(8))


def test_a_perfectly_sure_and_right_model_has_no_calibration_error() -> None:
    labels = np.array([HAPPY, SAD])
    assert score(logits_for([HAPPY, SAD], margin=60.0), labels).ece == pytest.approx(0.0, abs=1e-9)


def test_calibration_error_is_the_gap_of_confidence_and_accuracy() -> None:
    confidence = np.full(10, 0.9)
    correct = np.array([True] * 6 + [False] * 4)
    assert calibration_error(confidence, correct) == pytest.approx(0.3)


def test_a_confidence_of_zero_or_one_has_a_bin() -> None:
    assert calibration_error(np.array([0.0, 1.0]), np.array([False, True])) == pytest.approx(0.0)


def test_the_reject_option_keeps_the_confident_faces() -> None:
    logits = np.concatenate([logits_for([HAPPY] * 8, margin=6.0), logits_for([SAD] * 2, margin=0.5)])
    labels = np.array([HAPPY] * 10)
    scores = score(logits, labels, threshold=0.5)
    assert scores.coverage == pytest.approx(0.8)
    assert scores.accuracy_at_coverage == pytest.approx(1.0)
    assert scores.accuracy == pytest.approx(0.8)


def test_softmax_of_huge_logits_is_finite() -> None:
    probabilities = softmax(np.array([[1e4, 0, 0, 0, 0, 0, 0, -1e4]], np.float32))
    assert np.isfinite(probabilities).all()
    assert probabilities.sum() == pytest.approx(1.0)


def test_nothing_to_score_is_an_error() -> None:
    with pytest.raises(ValueError, match="no faces"):
        score(np.zeros((0, 8), np.float32), np.zeros(0, np.int64))


def test_calibration_finds_the_temperature_that_was_hidden() -> None:
    rng = np.random.default_rng(0)
    true_logits = rng.normal(0, 2, (20_000, 8))
    labels = np.array([rng.choice(8, p=row) for row in softmax(true_logits.astype(np.float32))])
    too_sure = (true_logits * 1.8).astype(np.float32)
    assert best_temperature(too_sure, labels) == pytest.approx(1.8, rel=0.1)
    found = calibrate(too_sure, labels, coverage=0.85)
    scores = score(too_sure, labels, found.temperature, found.threshold)
    assert scores.ece < 0.02 < score(too_sure, labels).ece
    assert scores.coverage == pytest.approx(0.85, abs=0.001)
    assert scores.accuracy_at_coverage > scores.accuracy
