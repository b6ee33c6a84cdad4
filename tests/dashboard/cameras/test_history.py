from __future__ import annotations

import sys

import pytest

from dashboard.cameras.history import MINUTE_S, History, Interval, IntervalAccount
from mien.types import Counts


def counts(captured: int, on_time: int = 0, late: int = 0, **drops: int) -> Counts:
    ended = on_time + late + sum(drops.values())
    return Counts(captured, on_time, late, captured - ended, {"stale": 0, "trimmed": 0, **drops})


def test_without_an_account_nothing_is_known() -> None:
    window = History().window(MINUTE_S)
    assert (window.counts.captured, window.on_time_share, window.on_time_of_analysed) == (0, None, None)


def test_only_the_last_minute_counts() -> None:
    history = History()
    for second in range(200):
        history.note(second, counts(25 * second, on_time=24 * second, stale=second))
    minute = history.window(MINUTE_S)
    assert minute.window_s == 60
    assert minute.counts == Counts(1500, 1440, drops={"stale": 60, "trimmed": 0})
    assert history.window(10).counts.captured == 250
    assert history.window(10).analysed_fps == 24


def test_a_drop_counts_as_missed_and_a_frame_in_flight_does_not() -> None:
    history = History()
    history.note(0.0, counts(100, on_time=100))
    history.note(9.0, counts(112, on_time=106, late=2, trimmed=2))
    window = history.window(MINUTE_S)
    assert window.on_time_share == 0.6
    assert window.on_time_of_analysed == 0.75
    assert IntervalAccount.of(window).dropped == 2
    assert IntervalAccount.of(window).drops == {"stale": 0, "trimmed": 2}


def test_a_camera_that_began_anew_has_a_new_history() -> None:
    history = History()
    history.note(0.0, counts(1000, on_time=1000))
    history.note(1.0, counts(3, on_time=2))
    assert history.window(MINUTE_S) == Interval(counts=counts(0))
    history.note(3.0, counts(53, on_time=52))
    assert history.window(MINUTE_S).counts.captured == 50


def test_asking_twice_a_second_for_hours_keeps_sixty_accounts() -> None:
    history = History()
    for half in range(20_000):
        history.note(half / 2, counts(half))
    assert len(history._samples) in (60, 61)
    assert sum(sys.getsizeof(each.drops) + sys.getsizeof(each) for _, each in history._samples) < 100_000


@pytest.mark.parametrize("gap_s", [61.0, 3600.0])
def test_after_a_time_in_which_nobody_looked_the_minute_begins_anew(gap_s: float) -> None:
    history = History()
    history.note(0.0, counts(100, on_time=100))
    history.note(gap_s, counts(5000, on_time=100, stale=4900))
    assert history.window(MINUTE_S).counts.captured == 0
