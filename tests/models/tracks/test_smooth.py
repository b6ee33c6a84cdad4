"""Labels follow a face, but do not flicker."""

from __future__ import annotations

import pytest

from mien.types import EMOTIONS, UNCERTAIN
from models.tracks.smooth import Smoothed, next_label, smooth

MS = 1_000_000
THRESHOLD = 0.4


def probabilities(**given: float) -> tuple[float, ...]:
    rest = (1 - sum(given.values())) / (len(EMOTIONS) - len(given))
    return tuple(given.get(name, rest) for name in EMOTIONS)


def test_the_first_frame_is_taken_as_it_is() -> None:
    happy = probabilities(happy=0.9)
    smoothed = smooth(None, happy, "happy", 0, 400, THRESHOLD)
    assert smoothed == Smoothed(happy, "happy", 0)
    assert smoothed.confidence == pytest.approx(0.9)


def test_after_the_smoothing_time_a_third_of_the_old_is_left_whatever_the_frame_rate() -> None:
    sad, happy = probabilities(sad=1.0), probabilities(happy=1.0)
    for steps in (1, 10):
        smoothed = smooth(None, sad, "sad", 0, 400, THRESHOLD)
        for step in range(1, steps + 1):
            smoothed = smooth(smoothed, happy, "happy", step * 400 * MS // steps, 400, THRESHOLD)
        assert smoothed.probabilities[EMOTIONS.index("sad")] == pytest.approx(0.3679, abs=1e-4)
        assert sum(smoothed.probabilities) == pytest.approx(1)


def test_without_a_smoothing_time_each_frame_stands_alone() -> None:
    before = smooth(None, probabilities(sad=1.0), "sad", 0, 0, THRESHOLD)
    assert smooth(before, probabilities(happy=0.9), "happy", 40 * MS, 0, THRESHOLD).label == "happy"


def test_a_label_does_not_flicker_between_two_close_emotions() -> None:
    smoothed = smooth(None, probabilities(sad=0.48, neutral=0.46), "sad", 0, 1, THRESHOLD)
    labels = []
    for frame in range(1, 50):
        close = probabilities(sad=0.46, neutral=0.48) if frame % 2 else probabilities(sad=0.48, neutral=0.46)
        smoothed = smooth(smoothed, close, "neutral", frame * 40 * MS, 1, THRESHOLD)
        labels.append(smoothed.label)
    assert set(labels) == {"sad"}


def test_a_clear_change_changes_the_label_once() -> None:
    smoothed = smooth(None, probabilities(sad=0.8), "sad", 0, 400, THRESHOLD)
    labels = ["sad"]
    for frame in range(1, 50):
        smoothed = smooth(smoothed, probabilities(happy=0.9), "happy", frame * 40 * MS, 400, THRESHOLD)
        if smoothed.label != labels[-1]:
            labels.append(smoothed.label)
    assert labels in (["sad", "happy"], ["sad", UNCERTAIN, "happy"])


def test_uncertain_comes_below_the_threshold_and_goes_above_it() -> None:
    assert next_label("sad", probabilities(sad=0.36), THRESHOLD) == "sad"
    assert next_label("sad", probabilities(sad=0.34), THRESHOLD) == UNCERTAIN
    assert next_label(UNCERTAIN, probabilities(sad=0.44), THRESHOLD) == UNCERTAIN
    assert next_label(UNCERTAIN, probabilities(sad=0.46), THRESHOLD) == "sad"


def test_the_confidence_of_uncertain_is_that_of_the_likeliest_emotion() -> None:
    assert smooth(None, probabilities(sad=0.3), UNCERTAIN, 0, 400, THRESHOLD).confidence == pytest.approx(0.3)
