"""Valence and arousal: from probabilities to a point, and back to the nearest ray."""

from __future__ import annotations

import pytest

from mien.types import EMOTIONS
from models.circumplex import POINTS, emotion_at, project


@pytest.mark.parametrize("name", EMOTIONS)
def test_a_certain_emotion_lies_on_its_point_and_comes_back(name: str) -> None:
    certain = [float(each == name) for each in EMOTIONS]
    assert project(certain) == POINTS[name]
    assert emotion_at(*POINTS[name]) == name


def test_a_mixture_lies_between() -> None:
    half = [0.5 if name in ("happy", "sad") else 0.0 for name in EMOTIONS]
    assert project(half) == pytest.approx((0.04, -0.125))


def test_the_point_that_the_nearest_line_called_happy_is_sad() -> None:
    assert emotion_at(-0.90, -0.17) == "sad"


@pytest.mark.parametrize("name", [name for name in EMOTIONS if name != "neutral"])
def test_the_opposite_of_an_emotion_is_another_one(name: str) -> None:
    valence, arousal = POINTS[name]
    assert emotion_at(-valence, -arousal) != name


@pytest.mark.parametrize(
    ("valence", "arousal", "name"), [(0.0, 0.0, "neutral"), (0.19, 0.0, "neutral"), (0.21, 0.0, "happy")]
)
def test_only_the_middle_is_neutral(valence: float, arousal: float, name: str) -> None:
    assert emotion_at(valence, arousal) == name


def test_the_nearest_ray_is_found_across_the_turn_of_the_angle() -> None:
    assert emotion_at(-0.9, 0.05) == "sad"
    assert emotion_at(-0.9, 0.5) == "disgust"
