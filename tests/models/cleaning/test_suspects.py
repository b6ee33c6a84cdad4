"""Labels that the judges contradict are suspected, and only those; no copy is judged by who saw the other one."""

from __future__ import annotations

import numpy as np

from mien.types import EMOTIONS
from models.cleaning.suspects import folds_of, suspects_of, usual_confidence

HAPPY, SAD, FEAR = (EMOTIONS.index(name) for name in ("happy", "sad", "fear"))


def judged(label: int, sure: float) -> list[float]:
    row = [(1 - sure) / 7] * 8
    row[label] = sure
    return row


def test_a_label_is_suspected_when_another_is_as_likely_as_it_usually_is() -> None:
    labels = np.array([HAPPY] * 10 + [SAD] * 10)
    shares = np.array([judged(HAPPY, 0.9)] * 10 + [judged(SAD, 0.6)] * 10)
    shares[3] = judged(SAD, 0.8)  # clearly sad
    shares[15] = judged(HAPPY, 0.5)  # likelier happy than sad, but happy faces are surer than that
    found = suspects_of(shares, labels)
    assert found.rows.tolist() == [3]
    assert found.suggested.tolist() == [SAD]
    np.testing.assert_allclose(found.margin, 0.8 - 0.2 / 7)
    assert len(suspects_of(shares, labels, least_margin=0.9)) == 0


def test_the_most_suspicious_comes_first() -> None:
    labels = np.array([HAPPY] * 20 + [SAD] * 20)
    shares = np.array([judged(HAPPY, 0.8)] * 20 + [judged(SAD, 0.6)] * 20)
    shares[[1, 2, 3]] = [judged(SAD, 0.7), judged(SAD, 0.95), judged(SAD, 0.8)]
    assert suspects_of(shares, labels).rows.tolist() == [2, 3, 1]


def test_an_emotion_without_pictures_is_never_suggested() -> None:
    labels = np.array([HAPPY, SAD] * 5)
    shares = np.array([judged(FEAR, 0.99)] * 10)
    assert usual_confidence(shares, labels)[FEAR] > 1
    assert FEAR not in suspects_of(shares, labels).suggested


def test_folds_are_even_for_every_label_and_keep_copies_together() -> None:
    labels = np.array([HAPPY] * 50 + [SAD] * 25)
    groups = np.arange(75)
    groups[[7, 60]] = 3
    folds = folds_of(labels, groups, 5, seed=1)
    assert folds[3] == folds[7] == folds[60]
    for label, most in ((HAPPY, 12), (SAD, 7)):
        counts = np.bincount(folds[labels == label], minlength=5)
        assert counts.min() >= most - 4
        assert counts.max() <= most
    np.testing.assert_array_equal(folds, folds_of(labels, groups, 5, seed=1))
