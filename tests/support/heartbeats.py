"""Heartbeats that go on as long as a test needs them, on however busy a machine."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_EVERY_S = 0.2


@contextmanager
def kept_up(*beats: Callable[[], object], every_s: float = _EVERY_S) -> Iterator[None]:
    """Call `beats` now and every `every_s` until the block ends, as producers and workers do."""
    ended = threading.Event()

    def beat() -> None:
        for one in beats:
            one()

    def go_on() -> None:
        while not ended.wait(every_s):
            beat()

    beat()
    thread = threading.Thread(target=go_on, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
