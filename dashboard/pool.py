"""Work that would block the streams, done in gevent's thread pool."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import gevent
from gevent import monkey

T = TypeVar("T")


def in_event_loop() -> bool:
    """Return whether this process is a dashboard under gevent, and not a test or a shell."""
    return bool(monkey.is_module_patched("socket"))


def in_pool(work: Callable[..., T], *args: Any) -> T:
    """Return `work(*args)`, run in gevent's thread pool while other greenlets go on."""
    if not in_event_loop():
        return work(*args)
    result: T = gevent.get_hub().threadpool.apply(work, args)
    return result
