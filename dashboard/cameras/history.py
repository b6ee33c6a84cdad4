"""What became of a camera's frames lately: its account now against its account a while ago."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Any

from mien.types import Counts

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

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON types."""
        counts = self.counts.to_dict()
        del counts["in_flight"]
        return {
            "window_s": round(self.window_s, 1),
            **counts,
            "on_time_share": rounded(self.on_time_share),
            "on_time_of_analysed": rounded(self.on_time_of_analysed),
        }


class History:
    """Accounts of one camera over the last minute, one a second."""

    def __init__(self) -> None:
        self._samples: deque[tuple[float, Counts]] = deque()
        self._newest: tuple[float, Counts] | None = None

    def note(self, now_s: float, counts: Counts) -> None:
        """Remember an account; one that began anew makes the history begin anew."""
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


def rounded(share: float | None) -> float | None:
    """Return a share with four digits."""
    return None if share is None else round(share, 4)
