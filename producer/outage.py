"""Whether the broker is away, logged once when it goes and once when it is back."""

from __future__ import annotations

import threading
import time

from mien.errors import BrokerUnavailable
from mien.logs import get_logger

log = get_logger(__name__)


class Outage:
    """Shared by the threads of one producer."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._since_s: float | None = None

    @property
    def lasts(self) -> bool:
        """Whether the last try failed."""
        return self._since_s is not None

    def failed(self, error: BrokerUnavailable) -> None:
        """Tell that the broker did not answer."""
        with self._lock:
            if self._since_s is not None:
                return
            self._since_s = time.monotonic()
        log.warning("the broker is away; the producer continues and tries again", reason=str(error))

    def passed(self) -> bool:
        """Tell that the broker answered; True when it was away before."""
        with self._lock:
            since_s, self._since_s = self._since_s, None
        if since_s is None:
            return False
        log.info("the broker is back", away_s=round(time.monotonic() - since_s, 1))
        return True
