"""The processes of `mien up`: honcho starts, watches and stops them, and takes in more workers while it runs."""

from __future__ import annotations

import multiprocessing
import queue
import shlex
import sys
import threading
from collections.abc import Callable, Mapping, Sequence

import honcho.manager
from honcho.printer import Printer

from mien.bus.bus import Bus
from mien.errors import BrokerUnavailable
from mien.logs import get_logger
from mien.types import CameraState

_KILL_AFTER_S = 2
_CAMERA = "camera."
_LOOK_EVERY_S = 1.0

log = get_logger(__name__)


class LocalManager(honcho.manager.Manager):  # type: ignore[misc]
    """Runs commands of mien side by side.

    Stops everything when one part ends, but not for a camera: a film has an end, a source may be mistyped. `stopping`
    is set when everything is asked to end.
    """

    def __init__(self, printer: Printer, environment: Mapping[str, str]) -> None:
        super().__init__(printer)
        self.stopping = threading.Event()
        self._environment = dict(environment)
        self._workers = 0
        self._hired: queue.SimpleQueue[None] = queue.SimpleQueue()

    def add(self, name: str, arguments: Sequence[str]) -> None:
        """Add `mien ARGUMENTS` before `loop`."""
        # `exec` replaces honcho's shell, so that a signal reaches the process itself.
        command = "exec " + shlex.join([sys.executable, "-m", "cli", *arguments])
        self.add_process(name, command, env=self._environment)

    def add_camera(self, name: str, source: str) -> None:
        """Add the producer of a camera before `loop`."""
        self.add(f"{_CAMERA}{name}", ["produce", "--camera", name, source])

    def add_worker(self) -> str:
        """Add a live worker before `loop`; returns the name of the process."""
        self._workers += 1
        name = f"worker.{self._workers}"
        self.add(name, ["work"])
        return name

    def hire(self) -> None:
        """Start one more live worker while `loop` runs; any thread may call it."""
        self._hired.put(None)

    def terminate(self) -> None:
        """Ask every process to end, and make it end 2 s later."""
        if not self._terminating:
            self.stopping.set()
            timer = threading.Timer(_KILL_AFTER_S, self.kill)
            timer.daemon = True
            timer.start()
        super().terminate()

    def _all_started(self) -> bool:
        # honcho has no way to add a process while it runs. Its loop asks this at every turn, ten times a second and
        # on its own thread, so that here nothing else looks at the list of processes.
        while not self._terminating and not self._hired.empty():
            self._hired.get()
            self._start_one(self.add_worker())
        return bool(super()._all_started())

    def _start_one(self, name: str) -> None:
        """Start an added process as honcho's own `_start` does with all of them."""
        process = self._processes[name]
        process["process"] = multiprocessing.Process(name=name, target=process["obj"].run, args=(self.events, True))
        process["process"].start()

    def _any_stopped(self) -> bool:
        parts = (process for name, process in self._processes.items() if not name.startswith(_CAMERA))
        return any(process.get("returncode") is not None for process in parts)

    def _killall(self, force: bool = False) -> None:
        """Signal every running process; one that is just starting has no id yet and is met by the next call."""
        for name, process in list(self._processes.items()):
            pid = process.get("pid")
            if pid is None or "returncode" in process:
                continue
            self._system_print(f"sending {'SIGKILL' if force else 'SIGTERM'} to {name} (pid {pid})\n")
            signal_it = self._procmgr.kill if force else self._procmgr.terminate
            signal_it(pid)


class WorkerScaler:
    """Sees to it that there are as many workers as live cameras, up to a number; nobody is sent away again.

    A worker takes 300 MB, so not all are started for one camera. One without cameras costs next to nothing.
    """

    def __init__(self, bus: Bus, most: int, hire: Callable[[], None]) -> None:
        self._bus = bus
        self._most = most
        self._hire = hire
        self._workers = 1

    def watch(self, stopping: threading.Event) -> None:
        """Look at the cameras once a second, until `stopping`."""
        while not stopping.wait(_LOOK_EVERY_S):
            try:
                self.look()
            except BrokerUnavailable as error:
                log.debug("the cameras cannot be seen", reason=str(error))
        self._bus.close()

    def look(self) -> None:
        """Take in one worker when there are more live cameras than workers."""
        if self._workers >= self._most:
            return
        live = sum(camera.state == CameraState.LIVE for camera in self._bus.cameras())
        if live > self._workers:
            self._workers += 1
            log.info("a worker is added", cameras=live, workers=self._workers, most=self._most)
            self._hire()
