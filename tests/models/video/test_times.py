"""Times of frames, whatever their stamps say: always in order, never two alike, and about frames / rate long."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import pytest

from models.video.times import Stamps, Ticks, times_of

STEP = 40
HOURS = (3_600_000, -3_600_000, 9_802_000, 10**11)


@dataclass(slots=True)
class Tape:
    """Stamps in milliseconds of a video of 25 frames a second, in the order of the file."""

    pts: list[int | None]
    dts: list[int | None]
    keys: list[int]

    def times(self, *, duration: int = STEP, container: str = "matroska,webm") -> tuple[bool, list[int]]:
        durations = [duration] * len(self.pts)
        stamps = Stamps(self.pts, self.dts, durations, self.keys, Fraction(1, 1000), Fraction(25), container)
        believed, times = times_of(stamps)
        return believed, times.tolist()


def tape(frames: int = 100, *, reordered: bool = False, gop: int = 25, start: int = 0) -> Tape:
    """Return right stamps; `reordered`: each third frame is stored before the two that are shown before it."""
    order: list[int] = []
    for key in range(0, frames, gop):
        end = min(frames, key + gop)
        order.append(key)
        for first in range(key + 1, end, 3):
            *between, last = range(first, min(first + 3, end))
            order += [last, *between] if reordered else [*between, last]
    keys = list(range(0, frames, gop))
    return Tape([start + STEP * n for n in order], [start + STEP * (n - 2) for n in range(frames)], keys)


def assert_plausible(times: Sequence[int], frames: int) -> None:
    assert len(times) == frames
    steps = np.diff(np.array(times))
    assert steps.min() > 0
    assert steps.max() <= 4 * STEP
    assert times[-1] - times[0] == pytest.approx((frames - 1) * STEP, abs=4 * STEP)


def value(stamp: int | None) -> int:
    assert stamp is not None
    return stamp


def one_is_hours_off(t: Tape, at: int, hours: int) -> None:
    t.pts[at] = value(t.pts[at]) + hours


def one_is_hours_off_altogether(t: Tape, at: int, hours: int) -> None:
    t.pts[at] = value(t.pts[at]) + hours
    t.dts[at] = value(t.dts[at]) + hours


def some_are_hours_off(t: Tape, at: int, hours: int) -> None:
    for number in range(at, min(len(t.pts), at + 3)):
        t.pts[number] = value(t.pts[number]) + hours


def the_clock_jumps(t: Tape, at: int, hours: int) -> None:
    for number in range(at // 25 * 25, len(t.pts)):
        t.pts[number] = value(t.pts[number]) + hours
        t.dts[number] = value(t.dts[number]) + hours


def one_is_missing(t: Tape, at: int, hours: int) -> None:
    t.pts[at] = None


def one_is_repeated(t: Tape, at: int, hours: int) -> None:
    t.pts[at] = t.pts[at - 1]


def many_are_repeated(t: Tape, at: int, hours: int) -> None:
    for number in range(at, min(len(t.pts), at + 15)):
        t.pts[number] = t.pts[at]


def the_decoding_times_are_missing(t: Tape, at: int, hours: int) -> None:
    t.dts = [None] * len(t.dts)
    one_is_hours_off(t, at, hours)


def many_are_wrong_in_many_ways(t: Tape, at: int, hours: int) -> None:
    rng = random.Random(at)
    for number in rng.sample(range(len(t.pts)), 10):
        t.pts[number] = rng.choice([None, value(t.pts[number]) + hours])


@pytest.mark.parametrize("reordered", [False, True], ids=["in order", "reordered"])
@pytest.mark.parametrize(
    "fault",
    [
        one_is_hours_off,
        one_is_hours_off_altogether,
        some_are_hours_off,
        the_clock_jumps,
        one_is_missing,
        one_is_repeated,
        many_are_repeated,
        the_decoding_times_are_missing,
        many_are_wrong_in_many_ways,
    ],
)
def test_wrong_stamps_never_stretch_a_video(fault: Callable[[Tape, int, int], None], reordered: bool) -> None:
    rng = random.Random(5)
    for at in (0, 1, 2, 24, 25, 26, 49, 73, 97, 98, 99, *rng.sample(range(100), 20)):
        for hours in HOURS:
            stamps = tape(reordered=reordered)
            fault(stamps, at, hours)
            assert_plausible(stamps.times()[1], 100)


@pytest.mark.parametrize("reordered", [False, True], ids=["in order", "reordered"])
@pytest.mark.parametrize("start", [0, 1000, 1510, 3950, 3960, -3000, 10**9, -(10**9)])
def test_two_recordings_follow_each_other_whatever_their_clocks_say(start: int, reordered: bool) -> None:
    first, second = tape(reordered=reordered), tape(reordered=reordered, start=start)
    keys = [*first.keys, *(100 + key for key in second.keys)]
    believed, times = Tape(first.pts + second.pts, first.dts + second.dts, keys).times()
    assert not believed
    assert_plausible(times, 200)
    assert times == list(range(0, 200 * STEP, STEP))


@pytest.mark.parametrize("start", [0, -1_000_000, 10**9])
@pytest.mark.parametrize("reordered", [False, True], ids=["in order", "reordered"])
def test_right_stamps_are_believed_wherever_they_begin(start: int, reordered: bool) -> None:
    assert tape(reordered=reordered, start=start).times() == (True, [start + STEP * n for n in range(100)])


def test_an_uneven_rate_is_believed() -> None:
    rng = np.random.default_rng(3)
    shown: list[int | None] = np.cumsum(rng.choice([1, 7, 40, 41, 500, 9_000, 55_000], 400)).tolist()
    assert Tape(shown, shown, [0]).times() == (True, shown)


def test_a_slow_rate_is_believed() -> None:
    shown: list[int | None] = [600_000 * number for number in range(50)]
    assert Tape(shown, shown, [0]).times() == (True, shown)


def test_a_picture_that_is_declared_to_stand_for_minutes_is_believed() -> None:
    shown: list[int | None] = [*range(0, 1000, STEP), *range(200_000, 201_000, STEP)]
    still = Tape(shown, shown, [0])
    assert not still.times()[0]
    assert still.times(duration=199_000) == (True, shown)


def test_without_stamps_frames_are_evenly_spread() -> None:
    none: list[int | None] = [None] * 30
    assert Tape(list(none), list(none), [0]).times() == (False, list(range(0, 30 * STEP, STEP)))


def test_times_that_were_right_stay_beside_the_one_that_was_wrong() -> None:
    shown: Ticks = np.cumsum(np.random.default_rng(4).integers(30, 50, 100))
    pts: list[int | None] = shown.tolist()
    pts[40] = value(pts[40]) + HOURS[0]
    believed, times = Tape(pts, shown.tolist(), [0]).times()
    assert not believed
    assert [*times[:40], *times[41:]] == [*shown[:40].tolist(), *shown[41:].tolist()]
