"""The recent account of a camera: the account now less the account a while ago."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Annotated

from mien.documents import Count, Document, Share, digits
from mien.types import Counts, Drops

MaybeShare = Annotated[Share, digits(4)] | None

MINUTE_S = 60.0
# Sixty accounts a camera: about 40 KB, however long it runs.
_SAMPLE_EVERY_S = 1.0


@dataclass(frozen=True, slots=True)
class Interval:
    """What became of the frames of the last `window_s` seconds."""

    window_s: float = 0.0
    counts: Counts = field(default_factory=Counts)

    @property
    def on_time_share(self) -> float | None:
        """Share on time of the frames that were captured: a drop counts as missed. None while none has ended.

        Frames still in flight are left out: they are neither on time nor missed yet.
        """
        return self.counts.on_time / self.counts.ended if self.counts.ended > 0 else None

    @property
    def on_time_of_analysed(self) -> float | None:
        """Share on time of the frames that were analysed; None while none was."""
        return self.counts.on_time / self.counts.analysed if self.counts.analysed > 0 else None

    @property
    def analysed_fps(self) -> float:
        """Results a second."""
        return self.counts.analysed / self.window_s if self.window_s > 0 else 0.0


@dataclass(frozen=True, slots=True)
class IntervalAccount(Document):
    """What became of the frames of an interval; `on_time_share` counts a drop as missed."""

    window_s: Annotated[float, digits(1)]
    captured: Count
    analysed: Count
    on_time: Count
    late: Count
    dropped: Count
    drops: Drops
    on_time_share: MaybeShare
    on_time_of_analysed: MaybeShare

    @classmethod
    def of(cls, interval: Interval) -> IntervalAccount:
        """Return the account of an interval."""
        counts = interval.counts
        return cls(
            window_s=interval.window_s,
            captured=counts.captured,
            analysed=counts.analysed,
            on_time=counts.on_time,
            late=counts.late,
            dropped=counts.dropped,
            drops=counts.drops,
            on_time_share=interval.on_time_share,
            on_time_of_analysed=interval.on_time_of_analysed,
        )


class History:
    """Accounts of one camera over the last minute, one a second."""

    def __init__(self) -> None:
        self._samples: deque[tuple[float, Counts]] = deque()
        self._newest: tuple[float, Counts] | None = None

    def note(self, now_s: float, counts: Counts) -> None:
        """Remember an account; when the account was reset, the history starts again."""
        if self._newest is not None and self._newest[1].captured > counts.captured:
            self._samples.clear()
        self._newest = (now_s, counts)
        if not self._samples or now_s - self._samples[-1][0] >= _SAMPLE_EVERY_S:
            self._samples.append(self._newest)
        while now_s - self._samples[0][0] > MINUTE_S:
            self._samples.popleft()

    def window(self, seconds: float) -> Interval:
        """Return what happened in the last `seconds` (at most 60), or since the first account."""
        if self._newest is None:
            return Interval()
        now_s, now = self._newest
        began_s, began = next(sample for sample in self._samples if now_s - sample[0] <= seconds)
        return Interval(now_s - began_s, now.since(began))
