"""The processes of `mien up`: started, watched and stopped together, and more of them while it runs."""

from __future__ import annotations

import contextlib
import os
import queue
import signal
import subprocess
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from types import FrameType
from typing import IO, Any, cast

from cli.up.lines import SYSTEM, Lines

_KILL_AFTER_S = 2.0
_LOOK_FOR_SIGNALS_S = 0.2
_LAST_LINES_S = 1.0


@dataclass(frozen=True)
class Command:
    """What a process runs, and in which environment. `may_end`: its end leaves the others running."""

    name: str
    arguments: tuple[str, ...]
    environment: Mapping[str, str]
    may_end: bool = False


class Process:
    """One running command; its lines are printed, and `ended` is called with its exit code from another thread.

    It leads a session of its own: Ctrl-C on the terminal reaches `mien up` alone, and a signal reaches all that it
    started in its group.
    """

    def __init__(self, command: Command, lines: Lines, ended: Callable[[Process, int], None]) -> None:
        self.command = command
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
                self._lines.write(self.command.name, line)


class LocalProcesses:
    """Runs commands side by side until a signal comes, or until one ends that may not.

    As a context manager it handles SIGINT and SIGTERM: the first one asks everything to end, the next one kills.
    `stopping` is set when everything is asked to end. All that changes happens on the thread of `run`, one thing after
    the other: other threads hand it what there is to do, and it looks for signals five times a second.
    """

    def __init__(self, lines: Lines) -> None:
        self.stopping = threading.Event()
        self._lines = lines
        self._to_do: queue.Queue[Callable[[], None]] = queue.Queue()
        self._signals: deque[signal.Signals] = deque()
        self._running: list[Process] = []
        self._by_signal = False
        self._kill_at_s: float | None = None
        self._handlers: dict[signal.Signals, Any] = {}

    def __enter__(self) -> LocalProcesses:
        self._handlers = {number: signal.signal(number, self._handle) for number in (signal.SIGINT, signal.SIGTERM)}
        return self

    def __exit__(self, *_error: object) -> None:
        for number, handler in self._handlers.items():
            signal.signal(number, handler)

    def start(self, command: Command) -> None:
        """Start one more process, at once or as soon as `run` is called; any thread may call it."""
        self._lines.add(command.name)
        self._to_do.put(partial(self._start, command))

    def run(self) -> bool:
        """Run until all processes have ended; returns whether a signal asked for it. For the main thread."""
        try:
            while self._running or not self._to_do.empty():
                self._do_next()
        finally:
            self._signal_all(signal.SIGKILL)
            for process in self._running:
                process.wait()
        return self._by_signal

    def _do_next(self) -> None:
        with contextlib.suppress(queue.Empty):
            self._to_do.get(timeout=_LOOK_FOR_SIGNALS_S)()
        while self._signals:
            self._signalled(self._signals.popleft())
        if self._kill_at_s is not None and time.monotonic() >= self._kill_at_s:
            self._kill()

    def _start(self, command: Command) -> None:
        if not self.stopping.is_set():
            self._running.append(Process(command, self._lines, self._ended))

    def _ended(self, process: Process, code: int) -> None:
        self._to_do.put(partial(self._after_end, process, code))

    def _after_end(self, process: Process, code: int) -> None:
        """Decide what follows from the end of a process: nothing, or the end of all."""
        self._running.remove(process)
        self._lines.write(SYSTEM, f"{process.command.name} stopped (rc={code})")
        if not process.command.may_end:
            self._stop()

    def _handle(self, number: int, _frame: FrameType | None) -> None:
        # The handler may stand in the middle of anything, where taking a lock could wait for itself. And nothing here
        # could wake `run`: a signal that comes right before it waits does not interrupt the wait. So it looks itself.
        self._signals.append(signal.Signals(number))

    def _signalled(self, number: signal.Signals) -> None:
        self._lines.write(SYSTEM, f"{number.name} received")
        self._by_signal = True
        if self.stopping.is_set():
            self._kill()
        else:
            self._stop()

    def _stop(self) -> None:
        """Ask every process to end, and make it end 2 s later."""
        if not self.stopping.is_set():
            self.stopping.set()
            self._kill_at_s = time.monotonic() + _KILL_AFTER_S
            self._signal_all(signal.SIGTERM)

    def _kill(self) -> None:
        self._kill_at_s = None
        self._signal_all(signal.SIGKILL)

    def _signal_all(self, number: signal.Signals) -> None:
        for process in self._running:
            process.send(number)
