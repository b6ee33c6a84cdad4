"""When each frame is shown, although what a file says of it may be wrong: hours off, repeated, missing, of two clocks.

Frames are ordered as they are stored, and as the decoder gives them out, never by their stamps. Stamps that fit that
order are believed as they are. Where they do not, runs of frames that agree on a clock keep their distances, a run
follows the one before it by the usual step, and single stamps that nobody agrees with are replaced by what fits between
their neighbours.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

Ticks = NDArray[np.int64]

MOST_REORDERED = 32
"""How far from its place in the file a frame may be shown: 16 frames in H.264 and H.265, or as many pairs of fields."""

# What a gap between two frames may be. A recording of a screen has none while nothing moves; a transport stream must
# have a stamp every 0.7 s (ISO 13818-1, 2.7.4). Longer ones are believed when the packet before declares them.
_LONGEST_GAP_S = 60.0
_LONGEST_GAP_IN_STREAM_S = 10.0
_LONGEST_DECLARED_S = 600.0
_USUAL_STEPS = 20
_STREAMS = ("mpegts", "mpeg")
# With more stamps missing than this, those that are there say little.
_MOST_MISSING = 0.25
_NEIGHBOURS = 8


@dataclass(frozen=True, slots=True)
class Stamps:
    """What a container says of its frames, in the order of the file: stamps and durations in ticks, the key frames.

    `pts` say when a frame is shown, `dts` when it is decoded, `keys` are the numbers of the key frames. `rate` is the
    declared one, `container` FFmpeg's name of the format.
    """

    pts: Sequence[int | None]
    dts: Sequence[int | None]
    durations: Sequence[int]
    keys: Sequence[int]
    tick: Fraction
    rate: Fraction
    container: str

    @property
    def period(self) -> int:
        """Ticks from one frame to the next by the declared rate, at least one."""
        return max(1, round(1 / self.rate / self.tick))


def times_of(stamps: Stamps) -> tuple[bool, Ticks]:
    """Return whether the stamps can be believed as they are, and when each frame is shown: in order, no two alike."""
    known = [pts for pts in stamps.pts if pts is not None]
    if len(known) == len(stamps.pts):
        times = np.sort(np.array(known, np.int64))
        if _are_believed(stamps, np.array(known, np.int64), times):
            return True, times
    if len(set(known)) < max(2, (1 - _MOST_MISSING) * len(stamps.pts)) and not _is_joined(stamps):
        return False, np.arange(len(stamps.pts), dtype=np.int64) * stamps.period
    return False, _Repair(stamps).times()


def longest_step(stamps: Stamps, usual: int) -> int:
    """Return the longest believable way from one frame to the next, in ticks, where nothing else is declared."""
    longest_s = _LONGEST_GAP_IN_STREAM_S if stamps.container in _STREAMS else _LONGEST_GAP_S
    return max(int(longest_s / stamps.tick), _USUAL_STEPS * usual)


def usual_step(stamps: Stamps) -> int:
    """Return how many ticks there mostly are from one frame to the next: between key frames clocks hardly ever jump."""
    bounds = [0, *(key for key in stamps.keys if key), len(stamps.pts)]
    steps: list[int] = []
    for begin, end in pairwise(bounds):
        known = sorted(pts for pts in stamps.pts[begin:end] if pts is not None)
        steps.extend(later - earlier for earlier, later in pairwise(known) if later > earlier)
    if not steps:  # every frame is a key frame
        known = [pts for pts in stamps.pts if pts is not None]
        steps = [later - earlier for earlier, later in pairwise(known) if later > earlier]
    return max(1, int(np.median(steps))) if steps else stamps.period


def _are_believed(stamps: Stamps, pts: Ticks, times: Ticks) -> bool:
    """Say whether stamps fit the order of the frames, and are not further apart than frames are."""
    if len(times) < 2:
        return True
    steps = np.diff(times)
    if int(steps.min()) <= 0 or not _fit_order(stamps, pts, times):
        return False
    longest = longest_step(stamps, usual_step(stamps))
    durations = dict(zip(pts.tolist(), stamps.durations, strict=True))
    return all(
        _is_declared(stamps, int(steps[place]), durations[int(times[place])])
        for place in np.flatnonzero(steps > longest)
    )


def _is_declared(stamps: Stamps, step: int, duration: int) -> bool:
    """Say whether a long way to the next frame is what the packet says of itself, and no mistake of hours."""
    return step <= int(_LONGEST_DECLARED_S / stamps.tick) and duration >= step / 2


def _fit_order(stamps: Stamps, pts: Ticks, times: Ticks) -> bool:
    """Say whether each frame is shown near its place in the file, and after all that come before its key frame."""
    moved = np.abs(np.searchsorted(times, pts) - np.arange(len(pts)))
    if int(moved.max()) > MOST_REORDERED:
        return False
    decoded = [dts for dts in stamps.dts if dts is not None]
    if any(later < earlier for earlier, later in pairwise(decoded)):
        return False
    longest = max(MOST_REORDERED * usual_step(stamps), int(1 / stamps.tick))
    if any(abs(delay) > longest for delay in _delays(stamps)):
        return False
    highest = np.maximum.accumulate(pts)
    return all(pts[key] > highest[key - 1] or not _begins_a_clock(stamps, key) for key in stamps.keys if key)


def _delays(stamps: Stamps) -> Sequence[int]:
    """Return how much longer than usual frames wait between being decoded and being shown."""
    waits = [pts - dts for pts, dts in zip(stamps.pts, stamps.dts, strict=True) if pts is not None and dts is not None]
    usual = int(np.median(waits)) if waits else 0
    return [wait - usual for wait in waits]


def _begins_a_clock(stamps: Stamps, key: int) -> bool:
    """Say whether a key frame could be the first of another recording: the decoding times go back too."""
    before, now = stamps.dts[key - 1], stamps.dts[key]
    return before is None or now is None or now <= before


def _is_joined(stamps: Stamps) -> bool:
    """Say whether all frames have stamps, and many have one twice: two recordings with clocks of their own."""
    known = [pts for pts in stamps.pts if pts is not None]
    return len(known) == len(stamps.pts) and 0 < len(known) <= 4 * len(set(known)) and len(set(known)) > 1


class _Repair:
    """Makes times that rise out of stamps that do not."""

    def __init__(self, stamps: Stamps) -> None:
        self._stamps = stamps
        self._usual = usual_step(stamps)
        self._longest = longest_step(stamps, self._usual)
        self._keys = frozenset(stamps.keys)

    def times(self) -> Ticks:
        """Return when each frame is shown, in the order in which they are shown."""
        times: list[int] = []
        for run in self._runs():
            shown = _filled(run, self._usual)
            shift = times[-1] + self._usual - shown[0] if times else 0
            times.extend(each + shift for each in shown)
        return np.array(times, np.int64)

    def _runs(self) -> list[list[int | None]]:
        """Return the stamps in runs that agree on a clock; None where a stamp is missing or nobody agrees with it."""
        runs: list[list[int | None]] = [[]]
        highest: int | None = None
        for number, pts in enumerate(self._kept()):
            if pts is not None and highest is not None and self._jumps(number, pts, highest):
                runs.append([])
                highest = None
            runs[-1].append(pts)
            if pts is not None:
                highest = pts if highest is None else max(highest, pts)
        return runs

    def _jumps(self, number: int, pts: int, highest: int) -> bool:
        if pts - highest > self._longest:
            return not _is_declared(self._stamps, pts - highest, self._stamps.durations[number - 1])
        if highest - pts > MOST_REORDERED * self._usual:
            return True
        return number in self._keys and pts <= highest and _begins_a_clock(self._stamps, number)

    def _kept(self) -> list[int | None]:
        """Return the stamps without those that fit neither what comes before them nor what comes after."""
        pts = self._stamps.pts
        tolerance = max(MOST_REORDERED * self._usual, int(1 / self._stamps.tick))
        kept: list[int | None] = []
        for number, each in enumerate(pts):
            around = (kept[max(0, number - _NEIGHBOURS) : number], pts[number + 1 : number + 1 + _NEIGHBOURS])
            sides = [[near for near in side if near is not None] for side in around]
            # A side of one or two stamps cannot outvote this one, unless it is all there is.
            heard = [side for side in sides if len(side) > 2] or [side for side in sides if side]
            alone = each is not None and all(abs(each - float(np.median(side))) > tolerance for side in heard)
            kept.append(None if alone and heard else each)
        return kept


def _filled(run: Sequence[int | None], usual: int) -> list[int]:
    """Return the times of a run in order, none twice; what is missing goes into the widest gap near its place."""
    times: list[int] = sorted({each for each in run if each is not None})
    if not times:
        return [number * usual for number in range(len(run))]
    seen: set[int] = set()
    for place, each in enumerate(run):
        if each is None or each in seen:
            _insert(times, place, usual)
        else:
            seen.add(each)
    return times


def _insert(times: list[int], place: int, usual: int) -> None:
    """Put one more time into `times`, near `place`."""
    near = range(max(1, place - _NEIGHBOURS), min(len(times), place + _NEIGHBOURS + 1))
    best = max(near, key=lambda after: (times[after] - times[after - 1], -abs(after - place)), default=0)
    gap = times[best] - times[best - 1] if best else 0
    if 2 * gap >= 3 * usual:
        times.insert(best, times[best - 1] + min(usual, gap // 2))
    elif place >= len(times):
        times.append(times[-1] + usual)
    elif place == 0:
        times.insert(0, times[0] - usual)
    elif gap >= 2:
        times.insert(best, times[best - 1] + gap // 2)
    else:  # no room between: all that follows makes some
        times[place:] = [each + usual for each in times[place:]]
        times.insert(place, times[place - 1] + usual)
