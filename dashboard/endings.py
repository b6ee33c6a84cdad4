"""What the dashboard does when a broker refuses what it is asked: somebody must see to it, so it says so and ends."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable

from mien.errors import BrokerRefused, line_of
from mien.logs import get_logger

EXIT_CODE = 4
"""A worker of gunicorn that ends with it takes its master along, instead of being started again and again."""

Refusal = Callable[[BrokerRefused], None]
"""Told of what a broker refused."""

log = get_logger(__name__)


def say(error: BrokerRefused) -> None:
    """Log it, and go on: where the application runs inside something else."""
    log.error("the broker refuses", reason=line_of(error))


def end_process(error: BrokerRefused) -> None:
    """Say it in one line and end this process, and with it the server."""
    print(f"mien: {line_of(error)}", file=sys.stderr, flush=True)
    os._exit(EXIT_CODE)
