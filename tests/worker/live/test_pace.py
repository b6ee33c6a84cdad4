"""A frame is given up for what it will take, but no wrong guess is believed for long."""

from __future__ import annotations

import pytest

from worker.live.pace import FORGET_S, MAX_BATCH, Pace

BUDGET_NS = 40_000_000


def test_nothing_is_known_at_first() -> None:
    pace = Pace()
    assert pace.frame_ns(0.0) == 0
    assert pace.limit(BUDGET_NS) == 1


def test_the_cost_of_a_frame_is_that_of_its_batch_over_its_frames() -> None:
    pace = Pace()
    pace.note(4, 0.040, 1.0)
    assert pace.frame_ns(1.0) == pytest.approx(10e6)
    assert pace.limit(BUDGET_NS) == 3


def test_one_slow_frame_is_not_believed_and_fast_ones_are() -> None:
    pace = Pace()
    for number in range(20):
        pace.note(1, 0.010, number * 0.04)
    pace.note(1, 0.5, 0.8)
    assert pace.frame_ns(0.8) < 60e6
    for number in range(10):
        pace.note(1, 0.010, 0.8 + number * 0.04)
    assert pace.frame_ns(1.2) < 11e6


def test_where_frames_differ_the_estimate_is_nearer_to_the_cheap_ones() -> None:
    pace = Pace()
    for number in range(100):
        pace.note(1, 0.020 if number % 2 else 0.004, number * 0.04)
    assert pace.frame_ns(4.0) < 12e6


def test_a_guess_that_nothing_confirms_is_forgotten() -> None:
    pace = Pace()
    pace.note(1, 10.0, 5.0)
    assert pace.frame_ns(5.0) > 0
    assert pace.frame_ns(5.01 + FORGET_S) == 0
    pace.note(1, 0.004, 5.01 + FORGET_S)
    assert pace.frame_ns(5.01 + FORGET_S) == pytest.approx(4e6)


def test_a_batch_is_never_larger_than_what_is_compiled() -> None:
    pace = Pace()
    pace.note(1, 0.0001, 1.0)
    assert pace.limit(BUDGET_NS) == MAX_BATCH
