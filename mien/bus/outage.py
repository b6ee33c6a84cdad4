"""Whether the broker is away, logged once when it goes and once when it is back."""

from __future__ import annotations

import threading
import time

from mien.errors import BrokerUnavailable, line_of
from mien.logs import get_logger

log = get_logger(__name__)


class Outage:
    """One service's view of one broker, shared by the threads of the service.

    Where some of them get what they ask and others do not (a full broker can still be read), each names its `part`: the
    broker is back when all parts say so.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._failing: set[str] = set()
        self._since_s = 0.0

    @property
    def lasts(self) -> bool:
        """Whether the last try failed."""
        return bool(self._failing)

    def failed(self, error: BrokerUnavailable, part: str = "") -> bool:
        """Tell that the broker did not do what it was asked; True when it did before."""
        with self._lock:
            first = not self._failing
            self._failing.add(part)
            if not first:
                return False
            self._since_s = time.monotonic()
        log.warning("the broker is away; this process continues and tries again", reason=line_of(error))
        return True

    def passed(self, part: str = "") -> bool:
        """Tell that the broker did it; True when it was away before and is back."""
        if not self._failing:
            return False
        with self._lock:
            if part not in self._failing:
                return False
            self._failing.discard(part)
            if self._failing:
                return False
        log.info("the broker is back", away_s=round(time.monotonic() - self._since_s, 1))
        return True
