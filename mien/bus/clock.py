"""One clock for every host: the local monotonic clock, shifted to Redis `TIME`."""

from __future__ import annotations

import time
from collections.abc import Callable

RESYNC_NS = 10_000_000_000
_SAMPLES = 5


class Clock:
    """Nanoseconds on Redis' clock, read without asking Redis.

    `read_server_ns` asks Redis; of a few round trips the shortest decides the shift, since it says most exactly
    when the answer was true. Call `sync_when_due` from a loop: it measures again every 10 s, because
    monotonic clocks of two hosts drift apart by some ms an hour.
    """

    def __init__(self, read_server_ns: Callable[[], int]) -> None:
        self._read_server_ns = read_server_ns
        self._shift_ns = 0
        self._synced_ns: int | None = None

    def sync(self) -> None:
        """Measure the shift now; raises BrokerUnavailable when Redis does not answer."""
        best_round_trip_ns: int | None = None
        for _ in range(_SAMPLES):
            before_ns = time.monotonic_ns()
            server_ns = self._read_server_ns()
            after_ns = time.monotonic_ns()
            if best_round_trip_ns is None or after_ns - before_ns < best_round_trip_ns:
                best_round_trip_ns = after_ns - before_ns
                self._shift_ns = server_ns - (before_ns + after_ns) // 2
        self._synced_ns = time.monotonic_ns()

    def sync_when_due(self) -> None:
        """Measure the shift when the last measurement is 10 s old or there is none."""
        if self._synced_ns is None or time.monotonic_ns() - self._synced_ns >= RESYNC_NS:
            self.sync()

    def now_ns(self) -> int:
        """Return this moment on Redis' clock."""
        if self._synced_ns is None:
            self.sync()
        return time.monotonic_ns() + self._shift_ns

    def from_monotonic(self, monotonic_ns: int) -> int:
        """Return the moment that `time.monotonic_ns()` gave on this host, on Redis' clock."""
        if self._synced_ns is None:
            self.sync()
        return monotonic_ns + self._shift_ns
