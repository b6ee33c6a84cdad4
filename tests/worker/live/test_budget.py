"""The last minute of a camera's frames, and what it comes to."""

from __future__ import annotations

import numpy as np
import pytest

from worker.live.budget import ROWS_A_WINDOW, WINDOW_S, RecentFrames


def test_quantiles_are_those_of_numpy() -> None:
    window = RecentFrames()
    totals = np.random.default_rng(0).gamma(3, 8, 500).astype(np.float32)
    for number, total in enumerate(totals):
        window.note(100 + number * 0.04, bool(total <= 40), float(total), {"decode": float(total) / 10})
    summary = window.summary(100 + 500 * 0.04)
    assert summary.frames == 500
    assert summary.on_time == int((totals <= 40).sum())
    assert summary.window_s == pytest.approx(20, abs=0.01)
    expected = [float(totals.mean()), *np.percentile(totals, [50, 95, 99])]
    got = summary.total
    assert [got.mean, got.p50, got.p95, got.p99] == pytest.approx(expected, rel=1e-4)
    assert summary.stages["decode"].p95 == pytest.approx(expected[2] / 10, rel=1e-4)


def test_a_stage_that_only_some_frames_had_is_measured_on_those() -> None:
    window = RecentFrames()
    for number in range(100):
        window.note(number * 0.04, True, 10.0, {"decode": 1.0, "draw": 2.0} if number % 2 else {"decode": 1.0})
    summary = window.summary(4.0)
    assert set(summary.stages) == {"decode", "draw"}
    assert summary.stages["draw"].mean == pytest.approx(2.0)


def test_what_is_older_than_a_minute_is_forgotten() -> None:
    window = RecentFrames()
    window.note(0.0, False, 100.0, {})
    for number in range(10):
        window.note(50.0 + number, True, 10.0, {})
    assert window.summary(59.0).frames == 11
    summary = window.summary(WINDOW_S + 1)
    assert (summary.frames, summary.on_time) == (10, 10)
    assert summary.total.p99 == pytest.approx(10.0)
    assert summary.window_s == WINDOW_S
    quiet = window.summary(1000.0)
    assert (quiet.frames, quiet.stages) == (0, {})


def test_the_window_of_a_fast_camera_is_shorter_and_says_so() -> None:
    window = RecentFrames()
    for number in range(ROWS_A_WINDOW + 500):
        window.note(number * 0.01, True, 5.0, {"detect": 3.0})
    summary = window.summary((ROWS_A_WINDOW + 500) * 0.01)
    assert summary.frames == ROWS_A_WINDOW
    assert summary.window_s == pytest.approx(ROWS_A_WINDOW * 0.01, abs=0.05)


def test_an_empty_window_has_nothing_to_say() -> None:
    assert not RecentFrames().has_frames
    summary = RecentFrames().summary(5.0)
    assert (summary.frames, summary.on_time, summary.window_s, summary.stages) == (0, 0, 0.0, {})
