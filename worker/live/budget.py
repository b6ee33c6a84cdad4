"""Where the frame budget of a camera went: the last minute of stage times, and what they come to."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from mien.bus.budget import STAGES, Quantiles

WINDOW_S = 60.0

ROWS_A_WINDOW = 60 * 32
"""A camera that is faster than this (32 fps) has a window that is shorter than a minute; 77 kB a camera."""

_AT, _ON_TIME, _TOTAL = range(3)
_FIRST_STAGE = 3
_COLUMNS = _FIRST_STAGE + len(STAGES)
_PARTS = np.array([0.5, 0.95, 0.99])


class RecentFrames:
    """The frames of one camera over the last minute, in a ring of numbers that never grows."""

    def __init__(self) -> None:
        # Stages in rows, so that each lies in one piece where it is sorted.
        self._ring = np.empty((_COLUMNS, ROWS_A_WINDOW), np.float32)
        self._written = 0
        self._since_s = 0.0

    @property
    def has_frames(self) -> bool:
        """Whether any frame was ever added."""
        return self._written > 0

    def note(self, now_s: float, on_time: bool, total_ms: float, stages_ms: Mapping[str, float]) -> None:
        """Add a frame that was published at `now_s`; a stage it did not have is left out of that stage's numbers."""
        if not self._written:
            self._since_s = now_s
        get, missing = stages_ms.get, np.nan
        self._ring[:, self._written % ROWS_A_WINDOW] = (
            now_s - self._since_s, on_time, total_ms, *[get(stage, missing) for stage in STAGES],
        )  # fmt: skip
        self._written += 1

    def summary(self, now_s: float) -> Summary:
        """Return what the last minute before `now_s` comes to; takes 0.25 ms of CPU."""
        known = self._ring[:, : min(self._written, ROWS_A_WINDOW)]
        ages_s = now_s - self._since_s - known[_AT]
        return Summary(known[:, ages_s < WINDOW_S], min(WINDOW_S, float(ages_s.max(initial=0.0))))


class Summary:
    """The numbers of a window."""

    def __init__(self, rows: NDArray[np.float32], window_s: float) -> None:
        self.window_s = window_s
        self.frames = rows.shape[1]
        self.on_time = int(rows[_ON_TIME].sum())
        in_order = np.sort(rows[_TOTAL:], axis=1)  # what is missing comes last
        all_ms = [_quantiles(row) for row in in_order]
        self.total = all_ms[0] or Quantiles()
        self.stages = {stage: found for stage, found in zip(STAGES, all_ms[1:], strict=True) if found is not None}


def _quantiles(in_order: NDArray[np.float32]) -> Quantiles | None:
    """Return mean and quantiles (linear between neighbours) of sorted numbers; None when all are missing."""
    count = len(in_order) - int(np.isnan(in_order).sum())
    if not count:
        return None
    numbers = in_order[:count]
    places = _PARTS * (count - 1)
    below = places.astype(np.intp)
    above = np.minimum(below + 1, count - 1)
    p50, p95, p99 = (numbers[below] + (numbers[above] - numbers[below]) * (places - below)).tolist()
    return Quantiles(float(numbers.mean()), p50, p95, p99)
