"""The pacer: it hands out stored pictures at their own rate, against the monotonic clock."""

from __future__ import annotations

import threading
import time
from dataclasses import replace

from producer.feed import Captured
from producer.sources.source import PacedSource

_LATE_S = 0.04
_GIVE_UP_S = 10.0


class Pacer:
    """Waits until each picture of a paced source is due; rounding errors never add up, since all times count from one
    moment.

    When it is late, it passes over the pictures that were due in the meantime and counts them; with `keep_all` it
    passes over none. After 10 s (the machine slept) it continues where it was instead.
    """

    def __init__(self, source: PacedSource, stop: threading.Event, *, keep_all: bool = False) -> None:
        self._source = source
        self._stop = stop
        self._keep_all = keep_all
        self._start_s: float | None = None
        self._position_s = 0.0
        self._skipped = 0
        self._ended = False

    @property
    def ended(self) -> bool:
        """Whether the source came to its end."""
        return self._ended

    def start(self) -> None:
        """Open the source."""
        self._source.open()

    def next(self, timeout_s: float) -> Captured | None:
        """Return the next picture when it is due, however long that takes, or None at the end and on a stop."""
        self._skip_what_is_late()
        grab = self._source.read()
        if grab is None:
            self._ended = True
            return None
        self._position_s = grab.position_s
        if self._start_s is None:
            self._start_s = time.monotonic() - grab.position_s
        if self._stop.wait(max(0.0, self._start_s + grab.position_s - time.monotonic())):
            return None
        # The picture was read ahead of time, but counts as captured when it is due, as a camera's would.
        captured = Captured(replace(grab, captured_ns=time.monotonic_ns()), self._skipped)
        self._skipped = 0
        return captured

    def close(self) -> int:
        """Close the source; returns how many pictures were passed over since the last one."""
        self._source.close()
        left, self._skipped = self._skipped, 0
        return left

    def _skip_what_is_late(self) -> None:
        if self._start_s is None:
            return
        now_s = time.monotonic() - self._start_s
        if now_s - self._position_s > _GIVE_UP_S:
            self._start_s += now_s - self._position_s
        elif not self._keep_all:
            self._skipped += self._source.pass_over(now_s - _LATE_S)
