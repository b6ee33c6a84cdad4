"""Stored pictures come at their own rate, and what is late is passed over and counted."""

from __future__ import annotations

import threading
import time

import pytest

from producer.feed import Captured
from producer.pacer import Pacer
from producer.sources.pattern import Pattern


def a_pacer(*, fps: float, keep_all: bool = False, stop: threading.Event | None = None) -> Pacer:
    pattern = Pattern(width=64, height=48, fps=fps)
    pacer = Pacer(pattern, stop or threading.Event(), keep_all=keep_all)
    pacer.start()
    return pacer


def take(pacer: Pacer) -> Captured:
    captured = pacer.next(1.0)
    assert captured is not None
    return captured


def test_pictures_come_at_their_rate_and_rounding_does_not_add_up() -> None:
    pacer = a_pacer(fps=50)
    taken = [take(pacer) for _ in range(51)]
    seconds = (taken[-1].grab.captured_ns - taken[0].grab.captured_ns) / 1e9
    due_s = taken[-1].grab.position_s
    assert seconds == pytest.approx(due_s, abs=0.1)


class ClockAhead:
    """The monotonic clock, which can be put forward."""

    ahead_s = 0.0

    def monotonic(self) -> float:
        return time.monotonic() + self.ahead_s

    def monotonic_ns(self) -> int:
        return time.monotonic_ns() + round(self.ahead_s * 1e9)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> ClockAhead:
    """The clock that pacers look at."""
    clock = ClockAhead()
    monkeypatch.setattr("producer.pacer.time", clock)
    return clock


def test_what_is_late_is_passed_over_and_counted(clock: ClockAhead) -> None:
    pacer = a_pacer(fps=100)
    take(pacer)
    clock.ahead_s = 0.5
    late = take(pacer)
    assert late.skipped >= 40
    assert round(late.grab.position_s * 100) == late.skipped + 1


def test_with_keep_all_nothing_is_passed_over(clock: ClockAhead) -> None:
    pacer = a_pacer(fps=100, keep_all=True)
    take(pacer)
    clock.ahead_s = 0.3
    assert [round(take(pacer).grab.position_s * 100) for _ in range(20)] == list(range(1, 21))


def test_a_stop_ends_the_wait_for_a_picture() -> None:
    stop = threading.Event()
    pacer = a_pacer(fps=0.1, stop=stop)
    take(pacer)
    threading.Timer(0.1, stop.set).start()
    began_s = time.monotonic()
    assert pacer.next(1.0) is None
    assert time.monotonic() - began_s < 2
