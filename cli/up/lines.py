"""What the processes of `mien up` say: `12:34:56 name   | text`, with a colour a name on a terminal."""

from __future__ import annotations

import contextlib
import threading
import time
from itertools import cycle
from typing import TextIO

SYSTEM = "system"

# ANSI colours (ECMA-48, 8.3.117): cyan, yellow, green, magenta, red, blue, and the same bright.
_COLOURS = ("36", "33", "32", "35", "31", "34", "36;1", "33;1", "32;1", "35;1", "31;1", "34;1")


class Lines:
    """Prints the lines of several processes to one output; any thread may call it."""

    def __init__(self, output: TextIO) -> None:
        self._output = output
        self._in_colour = output.isatty()
        self._next_colour = cycle(_COLOURS)
        self._colours: dict[str, str] = {}
        self._width = len(SYSTEM)
        self._lock = threading.Lock()

    def add(self, name: str) -> None:
        """Give a name its colour and make room for it; one that is known keeps its colour."""
        with self._lock:
            if name not in self._colours:
                self._colours[name] = next(self._next_colour)
            self._width = max(self._width, len(name))

    def write(self, name: str, text: str) -> None:
        """Print each line of `text`; where that is not possible (its reader is gone), say nothing."""
        with self._lock, contextlib.suppress(OSError, ValueError):
            for line in text.splitlines():
                print(self._prefix(name) + line, file=self._output, flush=True)

    def _prefix(self, name: str) -> str:
        prefix = f"{time.strftime('%H:%M:%S')} {name.ljust(self._width)} | "
        colour = self._colours.get(name)
        return f"\033[0m\033[{colour}m{prefix}\033[0m" if self._in_colour and colour else prefix
