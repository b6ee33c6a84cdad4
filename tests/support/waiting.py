"""Waiting for what is to happen, however long it takes on a busy machine."""

from __future__ import annotations

import time
from collections.abc import Callable

_LOOK_EVERY_S = 0.01


def wait_until(true: Callable[[], bool], seconds: float = 10.0, what: str = "") -> float:
    """Wait until a condition holds and return the seconds that it took; fails after `seconds`."""
    began_s = time.monotonic()
    while not true():
        assert time.monotonic() - began_s < seconds, f"waited {seconds:g} s in vain {what and f'for {what}'}"
        time.sleep(_LOOK_EVERY_S)
    return time.monotonic() - began_s
