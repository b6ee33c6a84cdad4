"""The processes of `mien up`: started, watched, started again and stopped together, and more of them while it runs."""

from __future__ import annotations

import contextlib
import queue
import signal
import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable
from functools import partial
from types import FrameType
from typing import Any, Protocol

from cli.up.deaths import MOST, Deaths
from cli.up.lines import SYSTEM, Lines
from cli.up.process import Command, Process, how_ended
from mien.errors import line_of

_KILL_AFTER_S = 2.0
_LOOK_FOR_SIGNALS_S = 0.2

_NOT_AGAIN = (0, 2)
"""Exit codes of what may end that say that it came to its end, or that another try would fail like this one."""


class Kept(Protocol):
    """A process that runs already and that is only started again here; it is stopped by whoever started it."""

    def wait(self) -> int:
        """Wait until it has ended; return its exit code."""

    def start_again(self) -> None:
        """Start it once more, as it was, without waiting for it; raises OSError."""


class LocalProcesses:
    """Runs commands side by side until a signal comes; one that ends is started again, unless it may end.

    As a context manager it handles SIGINT, SIGTERM and SIGHUP: the first one asks everything to end, the next one
    (SIGINT or SIGTERM) kills.
    `stopping` is set when everything is asked to end, which is also the case when one dies five times within a minute.
    All that changes happens on the thread of `run`, one thing after the other: other threads hand it what there is to
    do, and it looks for signals five times a second.
    """

    def __init__(self, lines: Lines) -> None:
        self.stopping = threading.Event()
        self._lines = lines
        self._to_do: queue.Queue[Callable[[], None]] = queue.Queue()
        self._later: list[tuple[float, Callable[[], None]]] = []
        self._signals: deque[signal.Signals] = deque()
        self._running: list[Process] = []
        self._deaths: defaultdict[str, Deaths] = defaultdict(Deaths)
        self._gave_up = ""
        self._kill_at_s: float | None = None
        self._handlers: dict[signal.Signals, Any] = {}

    def __enter__(self) -> LocalProcesses:
        numbers = [signal.SIGINT, signal.SIGTERM]
        if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # under nohup it goes on without a terminal
            numbers.append(signal.SIGHUP)
        self._handlers = {number: signal.signal(number, self._handle) for number in numbers}
        return self

    def __exit__(self, *_error: object) -> None:
        for number, handler in self._handlers.items():
            signal.signal(number, handler)

    def start(self, command: Command) -> None:
        """Start one more process, at once or as soon as `run` is called; any thread may call it."""
        self._lines.add(command.name)
        self._to_do.put(partial(self._start, command))

    def keep(self, title: str, kept: Kept) -> None:
        """Start something that runs already again whenever it ends, while `run` runs."""
        threading.Thread(target=self._follow, args=(title, kept), daemon=True).start()

    def run(self) -> str:
        """Run until all processes have ended; return what died too often, and how, or "" after a signal.

        For the main thread.
        """
        try:
            while self._running or self._later or not self._to_do.empty():
                self._do_next()
        finally:
            self.stopping.set()
            self._signal_all(signal.SIGKILL)
            for process in self._running:
                process.wait()
        return self._gave_up

    def _do_next(self) -> None:
        next_s = min([at_s for at_s, _ in self._later], default=float("inf")) - time.monotonic()
        with contextlib.suppress(queue.Empty):
            self._to_do.get(timeout=min(_LOOK_FOR_SIGNALS_S, max(0.0, next_s)))()
        while self._signals:
            self._signalled(self._signals.popleft())
        if self._kill_at_s is not None and time.monotonic() >= self._kill_at_s:
            self._kill()
        now_s = time.monotonic()
        due = [do for at_s, do in self._later if at_s <= now_s]
        self._later = [(at_s, do) for at_s, do in self._later if at_s > now_s]
        for start_again in due:
            start_again()

    def _start(self, command: Command) -> None:
        if not self.stopping.is_set():
            self._running.append(Process(command, self._lines, self._ended))

    def _start_kept(self, title: str, kept: Kept) -> None:
        if not self.stopping.is_set():
            kept.start_again()
            self.keep(title, kept)

    def _follow(self, title: str, kept: Kept) -> None:
        code = kept.wait()
        self._to_do.put(lambda: self._died(title, how_ended(code), partial(self._start_kept, title, kept)))

    def _ended(self, process: Process, code: int) -> None:
        self._to_do.put(partial(self._after_end, process, code))

    def _after_end(self, process: Process, code: int) -> None:
        """Decide what follows from the end of a process: nothing, a new start, or the end of all."""
        self._running.remove(process)
        command = process.command
        if self.stopping.is_set() or (command.may_end and code in _NOT_AGAIN):
            self._lines.write(SYSTEM, f"{command.name} stopped (rc={code})")
            return
        if command.died is not None:
            threading.Thread(target=command.died, args=(process.pid,), daemon=True).start()
        said = f"; it said: {line_of(process.last_line, 300)}" if code > 0 and process.last_line else ""
        self._died(command.title, how_ended(code), partial(self._start, command), said)

    def _died(self, title: str, how: str, again: Callable[[], None], said: str = "") -> None:
        if self.stopping.is_set():
            return
        now_s = time.monotonic()
        wait_s = self._deaths[title].note(now_s)
        if wait_s is None:
            self._gave_up = f"{title} ended {MOST} times within a minute (the last time: {how}{said})"
            self._lines.write(SYSTEM, self._gave_up)
            self._stop()
            return
        when = f"in {wait_s:g} s" if wait_s else "at once"
        self._lines.write(SYSTEM, f"{title} ended ({how}), started again {when}")
        self._later.append((now_s + wait_s, partial(self._again, title, again)))

    def _again(self, title: str, again: Callable[[], None]) -> None:
        try:
            again()
        except OSError as error:  # no memory or no process id is left at the moment
            self._died(title, f"it cannot be started: {line_of(error)}", again)

    def _handle(self, number: int, _frame: FrameType | None) -> None:
        # The handler may stand in the middle of anything, where taking a lock could wait for itself. And nothing here
        # could wake `run`: a signal that comes right before it waits does not interrupt the wait. So it looks itself.
        self._signals.append(signal.Signals(number))

    def _signalled(self, number: signal.Signals) -> None:
        self._lines.write(SYSTEM, f"{number.name} received")
        if not self.stopping.is_set():
            self._stop()
        elif number is not signal.SIGHUP:  # a terminal that is closed sends it twice
            self._kill()

    def _stop(self) -> None:
        """Ask every process to end, and make it end 2 s later."""
        if not self.stopping.is_set():
            self.stopping.set()
            self._later.clear()
            self._kill_at_s = time.monotonic() + _KILL_AFTER_S
            self._signal_all(signal.SIGTERM)

    def _kill(self) -> None:
        self._kill_at_s = None
        self._signal_all(signal.SIGKILL)

    def _signal_all(self, number: signal.Signals) -> None:
        for process in self._running:
            process.send(number)
