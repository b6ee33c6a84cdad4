"""How fast a worker is: what a frame costs, and how many it does in a second."""

from __future__ import annotations

import time

MAX_BATCH = 16

FORGET_S = 1.0
"""An estimate that nothing confirmed for so long is not believed: it may be why nothing is done."""

BATCH_PART = 0.75
"""A batch may take this part of the budget."""

_RISE, _FALL = 0.1, 0.4


class Pace:
    """Learns from batches. The estimate falls faster than it rises: a frame is given up only when it is surely late."""

    def __init__(self) -> None:
        self._frame_s = 0.0
        self._noted_s = 0.0
        self._done = 0
        self._since_s = time.monotonic()
        self._fps = 0.0

    def note(self, frames: int, took_s: float, now_s: float) -> None:
        """Learn that a batch of so many frames took `took_s` and ended at `now_s` (a monotonic clock)."""
        self._done += frames
        each_s = took_s / frames
        if not self._frame_s or now_s - self._noted_s > FORGET_S:
            self._frame_s = each_s
        else:
            self._frame_s += (each_s - self._frame_s) * (_FALL if each_s < self._frame_s else _RISE)
        self._noted_s = now_s

    def frame_ns(self, now_s: float) -> int:
        """Return what a frame takes at least, by which it can be told that one will be late; 0: unknown."""
        return int(self._frame_s * 1e9) if now_s - self._noted_s <= FORGET_S else 0

    def limit(self, budget_ns: int) -> int:
        """Return how many frames a batch may have at most, so that the last one can still be on time; at least 1."""
        if not self._frame_s:
            return 1
        return max(1, min(MAX_BATCH, int(budget_ns * BATCH_PART / 1e9 / self._frame_s)))

    def fps(self, now_s: float) -> float:
        """Return frames per second, measured over 1 s and more."""
        if now_s - self._since_s >= 1.0:
            self._fps = round(self._done / (now_s - self._since_s), 1)
            self._done, self._since_s = 0, now_s
        return self._fps
