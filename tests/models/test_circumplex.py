"""Valence and arousal: from probabilities to a point, and back to the nearest ray."""

from __future__ import annotations

import math

import numpy as np
import pytest

from mien.types import EMOTIONS
from models.circumplex import POINTS, emotion_at, project, project_all


def test_the_points_are_the_published_ones() -> None:
    assert POINTS == {
        "anger": (-0.46, 0.89), "contempt": (-0.65, 0.76), "disgust": (-0.81, 0.58), "fear": (-0.14, 0.99),
        "happy": (0.98, 0.19), "neutral": (0.0, 0.0), "sad": (-0.90, -0.44), "surprise": (0.43, 0.90),
    }  # fmt: skip


@pytest.mark.parametrize("name", EMOTIONS)
def test_a_certain_emotion_lies_on_its_point_and_comes_back(name: str) -> None:
    certain = [float(each == name) for each in EMOTIONS]
    assert project(certain) == POINTS[name]
    assert emotion_at(*POINTS[name]) == name


def test_a_mixture_lies_between() -> None:
    half = [0.5 if name in ("happy", "sad") else 0.0 for name in EMOTIONS]
    assert project(half) == pytest.approx((0.04, -0.125))


def on_the_nearest_line(valence: float, arousal: float) -> str:
    """Return what the nearest line through the centre says, without regard to the side: the rule that was wrong."""

    def off(name: str) -> float:
        x, y = POINTS[name]
        return abs(valence * y - arousal * x) / math.hypot(x, y)

    return min((name for name in EMOTIONS if name != "neutral"), key=off)


def test_the_point_that_the_nearest_line_called_happy_is_sad() -> None:
    assert on_the_nearest_line(-0.90, -0.17) == "happy"
    assert emotion_at(-0.90, -0.17) == "sad"


def test_no_point_gets_an_emotion_from_the_other_side_as_the_nearest_line_gave_half_of_the_directions() -> None:
    def is_opposite(name: str, x: float, y: float) -> bool:
        return POINTS[name][0] * x + POINTS[name][1] * y < 0

    places = [(math.cos(turn), math.sin(turn)) for turn in np.linspace(0, 2 * math.pi, 720, endpoint=False)]
    assert not any(is_opposite(emotion_at(x, y), x, y) for x, y in places)
    wrong = [(x, y) for x, y in places if is_opposite(on_the_nearest_line(x, y), x, y)]
    assert len(wrong) == pytest.approx(len(places) / 2, abs=2)
    for x, y in wrong:
        assert emotion_at(x, y) != on_the_nearest_line(x, y)


@pytest.mark.parametrize("name", [name for name in EMOTIONS if name != "neutral"])
def test_a_weaker_emotion_is_the_same_emotion(name: str) -> None:
    """What is projected of an emotion and neutral lies on the emotion's ray, and comes back as it is."""
    shares = [0.4 if each == name else 0.6 if each == "neutral" else 0.0 for each in EMOTIONS]
    assert emotion_at(*project(shares)) == name


def test_all_at_once_are_projected_as_one_by_one() -> None:
    rows = np.random.default_rng(0).dirichlet(np.ones(8), 5)
    assert project_all(rows) == pytest.approx(np.array([project(tuple(row)) for row in rows]))


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
