"""Logs: one line an event, readable for people or as JSON, and never a password."""

from __future__ import annotations

import contextlib
import logging
import sys
import threading
import traceback
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Literal, cast

import structlog

from mien.secrets import HIDDEN, is_credential, scrubbed


def without_password(text: str) -> str:
    """Return a text as logs show it: without the passwords, keys and tokens in it (see `mien.secrets`)."""
    return scrubbed(text)


def get_logger(name: str) -> structlog.stdlib.BoundLogger:
    """Return the logger of a module."""
    return cast(structlog.stdlib.BoundLogger, structlog.get_logger(module=name))


class StderrLogger:
    """Prints to the current stderr; where that fails (the disk is full, the reader gone), it prints nothing.

    A service must not die of its own log.
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
            _hide_secrets,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, level.upper())),
        logger_factory=lambda *_: StderrLogger(),
        cache_logger_on_first_use=False,
    )


def print_crashes_without_secrets() -> None:
    """Print uncaught errors without secrets, too; called once, by the command line."""

    def told(kind: type[BaseException], error: BaseException | None, trace: TracebackType | None) -> None:
        print(
            without_password("".join(traceback.format_exception(kind, error, trace))),
            file=sys.stderr,
            end="",
            flush=True,
        )

    sys.excepthook = told
    threading.excepthook = lambda crash: told(crash.exc_type, crash.exc_value, crash.exc_traceback)


def _hide_secrets(_logger: Any, _method: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    return {key: HIDDEN if value and is_credential(key) else _shown(value) for key, value in event.items()}


def _shown(value: Any) -> Any:
    """Return a value without secrets, as the renderers would write it: values of other types by their `repr`."""
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, str):
        return without_password(value)
    if isinstance(value, Mapping):
        return {
            _shown(key): HIDDEN if each and is_credential(str(key)) else _shown(each) for key, each in value.items()
        }
    if isinstance(value, list | tuple):
        return [_shown(each) for each in value]
    return without_password(repr(value))
