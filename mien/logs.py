"""Logs: one line an event, readable for people or as JSON, and never a password."""

from __future__ import annotations

import contextlib
import logging
import re
import sys
from typing import Any, Literal, cast

import structlog

_CREDENTIALS = re.compile(r"(?P<scheme>[a-z][a-z0-9+.-]*://)[^/\s@]*@", re.IGNORECASE)


def without_password(text: str) -> str:
    """Return `text` with the user and password of every address in it replaced by `***`."""
    return _CREDENTIALS.sub(r"\g<scheme>***@", text)


def get_logger(name: str) -> structlog.stdlib.BoundLogger:
    """Return the logger of a module."""
    return cast(structlog.stdlib.BoundLogger, structlog.get_logger(module=name))


class StderrLogger:
    """Prints to stderr as it is then; where that is not possible (its disk is full, its reader gone), it says nothing.

    A service must not die of what it has to say.
    """

    def msg(self, message: str) -> None:
        """Print one line."""
        with contextlib.suppress(OSError, ValueError):
            print(message, file=sys.stderr, flush=True)

    log = debug = info = warn = warning = msg
    fatal = failure = err = error = critical = exception = msg


def configure_logs(level: str = "info", log_format: Literal["text", "json"] = "text") -> None:
    """Send every event of this process to stderr, at `level` and above. Called once, by the process' entry point."""
    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer()
        if log_format == "json"
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), pad_event_to=0)
    )
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso" if log_format == "json" else "%H:%M:%S"),
            structlog.processors.format_exc_info,
            _hide_passwords,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, level.upper())),
        logger_factory=lambda *_: StderrLogger(),
        cache_logger_on_first_use=False,
    )


def _hide_passwords(_logger: Any, _method: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    return {key: without_password(value) if isinstance(value, str) else value for key, value in event.items()}
