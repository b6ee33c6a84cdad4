"""A small group shows how little is known of it."""

from __future__ import annotations

import numpy as np
import pytest

from mien.types import EMOTIONS
from models.evaluation.groups import group_figures, wilson


# From the tables of Newcombe (1998), "Two-sided confidence intervals for the single proportion", method 3.
@pytest.mark.parametrize(
    ("hits", "n", "low", "high"),
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_the_interval_is_that_of_wilson(hits: int, n: int, low: float, high: float) -> None:
    assert wilson(hits, n) == pytest.approx((low, high), abs=5e-5)


def test_intervals_stay_from_0_to_1() -> None:
    low, high = wilson(3, 3)
    assert low == pytest.approx(0.4385, abs=1e-4)
    assert high == 1.0
    assert wilson(0, 0) == (0.0, 1.0)


def test_a_group_of_three_is_shown_with_its_wide_interval() -> None:
    labels = np.array([4] * 56 + [6] * 3)
    predicted = np.array([4] * 48 + [5] * 8 + [6] * 3)
    groups = np.array(["many"] * 56 + ["few"] * 3)
    figures = group_figures(np.eye(len(EMOTIONS))[predicted], labels, groups)
    few, many = figures["rows"]
    assert (few["group"], few["n"], few["accuracy"], few["low"], few["high"]) == ("few", 3, 1.0, 0.4385, 1.0)
    assert many["high"] - many["low"] < 0.2 < few["high"] - few["low"]
    gap = figures["largest_gap"]
    assert (gap["best"], gap["worst"], gap["accuracy"]) == ("few", "many", pytest.approx(0.1429))
    assert gap["low"] < 0 < gap["high"]


# From the tables of Newcombe (1998), "Interval estimation for the difference between independent proportions".
def test_the_gap_has_the_interval_of_newcombe() -> None:
    hits = np.r_[np.ones(56), np.zeros(14), np.ones(48), np.zeros(32)].astype(bool)
    labels = np.full(150, 4)
    groups = np.array(["a"] * 70 + ["b"] * 80)
    gap = group_figures(np.eye(len(EMOTIONS))[np.where(hits, 4, 5)], labels, groups)["largest_gap"]
    assert (gap["accuracy"], gap["low"], gap["high"]) == pytest.approx((0.2, 0.0524, 0.3339), abs=2e-4)


def test_a_face_that_was_not_found_is_wrong_in_its_group() -> None:
    shares = np.eye(len(EMOTIONS))[[4, 4, 4]]
    shares[2] = np.nan
    figures = group_figures(shares, np.array([4, 4, 4]), np.array(["a", "b", "b"]))
    assert [row["accuracy"] for row in figures["rows"]] == [1.0, 0.5]
    assert group_figures(shares[:1], np.array([4]), np.array(["a"]))["largest_gap"] is None
