"""Where a video is cut: at key frames about 30 s apart, and in long stretches without one also between.

A segment that does not begin with a key frame is decoded from the one before it, and what is not its own thrown away.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np

from models.video.plan import Segment
from models.video.times import Stamps, Ticks

SEGMENT_S = 30.0
# A stretch without key frames is cut from three segments on, into at most so many: the last one decodes all of it.
_MOST_IN_A_STRETCH = 8
_LEAST_SEGMENTS = 3


def timed_segments(stamps: Stamps, times: Ticks) -> tuple[Segment, ...]:
    """Return the segments of a video whose stamps are believed: from time to time, after the stamps of key frames."""
    keys: list[tuple[int, int, int | None, int | None]] = [(0, 0, None, None)]
    start, highest = int(times[0]), np.maximum.accumulate(np.array(stamps.pts, np.int64))
    for key in stamps.keys:
        pts, dts = stamps.pts[key], stamps.dts[key]
        is_far = pts is not None and dts is not None and (pts - start) * stamps.tick >= SEGMENT_S
        if pts is not None and is_far and highest[key - 1] < pts:
            keys.append((int(np.searchsorted(times, pts)), key, pts, dts))
            start = pts
    return tuple(_cut(stamps, times, keys))


def counted_segments(stamps: Stamps, times: Ticks) -> tuple[Segment, ...]:
    """Return the segments of a video whose frames are told by their places in the file.

    Each is decoded from one key frame earlier: what is stored after a key frame may be shown before it, and then needs
    what came before.
    """
    keys: list[tuple[int, int, int | None, int | None]] = [(0, 0, None, None)]
    start = int(times[0])
    for earlier, key in zip((0, *stamps.keys), stamps.keys, strict=False):
        if (int(times[key]) - start) * stamps.tick >= SEGMENT_S:
            keys.append((key, earlier, None, None))
            start = int(times[key])
    return tuple(_cut(stamps, times, keys))


def _cut(stamps: Stamps, times: Ticks, keys: Sequence[tuple[int, int, int | None, int | None]]) -> Iterator[Segment]:
    """Yield segments for stretches of frames: each a first frame, and packet number and stamps of its key frame."""
    bounds = [*(first for first, *_ in keys), len(times)]
    cuts = [
        (number, place)
        for place, (first, last) in enumerate(pairwise(bounds))
        for number in _pieces(stamps, times, first, last)
    ]
    for (number, place), (end, _) in pairwise([*cuts, (len(times), 0)]):
        start = int(times[number])
        until = int(times[end]) if end < len(times) else None
        first, key, pts, dts = keys[place]
        yield Segment(start, until, number, end - number, key, pts, dts, first, bounds[place + 1])


def _pieces(stamps: Stamps, times: Ticks, first: int, end: int) -> list[int]:
    """Return the first frames of the segments that a stretch of frames is cut into."""
    start, last = int(times[first]), int(times[end - 1])
    count = int((last - start) * stamps.tick / SEGMENT_S)
    if count < _LEAST_SEGMENTS:
        return [first]
    count = min(count, _MOST_IN_A_STRETCH)
    wanted = [start + (last - start) * part // count for part in range(count)]
    return sorted({first + int(np.searchsorted(times[first:end], each)) for each in wanted})
