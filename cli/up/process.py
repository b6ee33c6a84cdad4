"""One process of `mien up`: what it runs, what it says, and how it ended."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import IO, cast

from cli.up.lines import SYSTEM, Lines

_LAST_LINES_S = 1.0


@dataclass(frozen=True)
class Command:
    """What a process runs, and in which environment. `part`: what it is, for people.

    `may_end`: it has an end of its own (exit code 0), or cannot be run at all (2); then it is not started again.
    `died` is called with the process id of one that is started again, in a thread of its own.
    """

    name: str
    arguments: tuple[str, ...]
    environment: Mapping[str, str]
    may_end: bool = False
    part: str = "process"
    died: Callable[[int], None] | None = None

    @property
    def title(self) -> str:
        """What it is and its name, for people."""
        return f"{self.part} {self.name}" if self.part != self.name else self.name


class Process:
    """One running command; its lines are printed, and `ended` is called with its exit code from another thread.

    It leads a session of its own: Ctrl-C on the terminal reaches `mien up` alone, and a signal reaches all that it
    started in its group.
    """

    def __init__(self, command: Command, lines: Lines, ended: Callable[[Process, int], None]) -> None:
        self.command = command
        self.last_line = ""
        self._lines = lines
        self._ended = ended
        self._popen = subprocess.Popen(
            command.arguments,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=dict(command.environment),
            start_new_session=True,
            encoding="utf-8",
            errors="replace",
        )
        self.pid = self._popen.pid
        lines.write(SYSTEM, f"{command.name} started (pid={self.pid})")
        threading.Thread(target=self._follow, daemon=True).start()

    def send(self, number: signal.Signals) -> None:
        """Send a signal to the process and its group, unless it has ended."""
        if self._popen.poll() is None:
            self._lines.write(SYSTEM, f"sending {number.name} to {self.command.name} (pid {self.pid})")
            self._signal_group(number)

    def wait(self) -> None:
        """Wait until the process has ended."""
        self._popen.wait()

    def _follow(self) -> None:
        reader = threading.Thread(target=self._relay, daemon=True)
        reader.start()
        code = self._popen.wait()
        if code < 0:  # it could not end its children itself, and they hold what the next one needs, such as a port
            self._signal_group(signal.SIGKILL)
        reader.join(_LAST_LINES_S)
        if reader.is_alive():  # a child of its own has outlived it and holds the pipe
            self._signal_group(signal.SIGKILL)
        self._ended(self, code)

    def _signal_group(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, number)

    def _relay(self) -> None:
        with cast(IO[str], self._popen.stdout) as output:
            for line in output:
                self.last_line = line.strip() or self.last_line
                self._lines.write(self.command.name, line)


def how_ended(code: int) -> str:
    """Return what an exit code says, in words; below 0 it is a signal, as in `subprocess`.

    >>> how_ended(-9)
    'killed by SIGKILL'
    >>> how_ended(3)
    'exit code 3'
    """
    if code >= 0:
        return f"exit code {code}"
    try:
        return f"killed by {signal.Signals(-code).name}"
    except ValueError:  # a real-time signal
        return f"killed by signal {-code}"
