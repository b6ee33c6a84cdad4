"""All of mien on this machine as the processes that people start: broker, workers, cameras, dashboard and viewers."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType

from bench.report.machine import cores, cpu_s, family, pinned, rss_mib
from mien.bus.bus import Bus
from mien.bus.embedded import EmbeddedBroker
from mien.settings import Settings
from tests.support.paths import ROOT
from tests.support.ports import free_port

READY_S = 60.0
_POLL_S = 0.01
_STOP_S = 5.0
_NOT_ASKED_TO_TUNE = {"MIEN_TUNE": "off"}


class Site:
    """A broker, and the processes that were started; used as a context manager, all end with it.

    `folder` takes the data and one log for each process. `environment`: settings of all processes. They may use all
    cores unless they are given some. Whatever does not become ready in time ends the bench, with the end of its log.
    """

    def __init__(self, folder: Path, environment: Mapping[str, str] | None = None) -> None:
        self._folder = folder
        self._environment = dict(environment or {})
        self._broker = EmbeddedBroker()
        self._processes: dict[str, subprocess.Popen[str]] = {}
        self.port = free_port()

    def __enter__(self) -> Site:
        self._folder.mkdir(parents=True, exist_ok=True)
        self._broker.start()
        self.settings = Settings(bus_url=self._broker.url, jobs_url=self._broker.url, data_dir=self._folder / "data")
        self.bus = Bus.from_settings(self.settings)
        self._environment = {
            "MIEN_BUS_URL": self._broker.url,
            "MIEN_JOBS_URL": self._broker.url,
            "MIEN_DATA_DIR": str(self._folder / "data"),
            "PYTHONPATH": str(ROOT),
            "PYTHONUNBUFFERED": "1",
            **self._environment,
        }
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for name in list(self._processes):  # all are told first: then they end side by side
            self._processes[name].terminate()
        for name in reversed(list(self._processes)):
            self.stop(name)
        self.bus.close()
        self._broker.stop()

    # Processes

    def start(self, name: str, arguments: Sequence[str], core: int | Sequence[int] | None = None) -> None:
        """Start `python -m …` under a name; it is not waited for."""
        with self.log(name).open("w") as log:
            self._processes[name] = pinned(
                [sys.executable, "-m", *arguments], cores() if core is None else core,
                environment=self._environment, output=log, errors=log,
            )  # fmt: skip

    def stop(self, name: str) -> None:
        """End a process, by force when it takes long."""
        process = self._processes.pop(name)
        process.terminate()
        try:
            process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            for pid in reversed(family(process.pid)):
                _kill(pid)
            process.wait()

    def wait_for(self, name: str, ready: Callable[[], bool], seconds: float = READY_S) -> float:
        """Wait until a process is ready, and return how many seconds that took."""
        started_s = time.monotonic()
        while not ready():
            if self._processes[name].poll() is not None or time.monotonic() - started_s > seconds:
                text = self.log(name).read_text(errors="replace").strip().splitlines()
                code = self._processes[name].poll()
                what = "took too long" if code is None else f"ended with {code}"
                raise SystemExit("\n".join([f"{name} {what} before it was ready; its log ends:", *text[-8:]]))
            time.sleep(_POLL_S)
        return time.monotonic() - started_s

    def log(self, name: str) -> Path:
        """Where a process writes what it says."""
        return self._folder / f"{name}.log"

    # Parts of mien

    def start_worker(self, core: int | Sequence[int] | None = None) -> str:
        """Start a live worker, wait until it is ready, and return its name."""
        before = len(self.bus.workers())
        name = f"worker.{1 + sum(each.startswith('worker.') for each in self._processes)}"
        self.start(name, ["cli", "work"], core)
        self.wait_for(name, lambda: len(self.bus.workers()) > before)
        return name

    def start_dashboard(self, core: int | Sequence[int] | None = None) -> None:
        """Start the dashboard and wait until it answers."""
        self.start("dashboard", ["cli", "dashboard", "--port", str(self.port)], core)
        self.wait_for("dashboard", lambda: answers(self.port))

    def start_camera(
        self,
        camera: str,
        source: Path,
        *,
        core: int | Sequence[int] | None = None,
        beat: tuple[float, float] | None = None,
    ) -> None:
        """Start a producer that plays a file over and over, and wait for its first frame.

        `beat`: phase and period, in milliseconds of the monotonic clock, at which the file begins to play.
        """
        captured = self.bus.counts(camera).captured
        program = ["cli"] if beat is None else ["bench.scene.on_beat", *map(str, beat)]
        self.start(f"camera.{camera}", [*program, "produce", "--camera", camera, "--loop", str(source)], core)
        self.wait_for(f"camera.{camera}", lambda: self.bus.counts(camera).captured > captured)

    def start_viewers(self, cameras: Sequence[str], core: int | Sequence[int] | None = None) -> None:
        """Start one process that watches one stream of each camera."""
        self.wait_for("dashboard", lambda: set(cameras) <= set(names_shown(self.port)))
        self.start("viewers", ["bench.scene.watch", str(self.port), *cameras], core)

    def stop_viewers(self) -> dict[str, list[tuple[int, int]]]:
        """End the viewers; returns for each camera the milliseconds in the ids of the frames seen, and when (ns)."""
        self.stop("viewers")
        printed = self.log("viewers").read_text().strip().splitlines()
        if not printed or not printed[-1].startswith("{"):
            raise SystemExit(f"the viewers failed: {printed[-1] if printed else 'they said nothing'}")
        seen: dict[str, list[tuple[int, int]]] = json.loads(printed[-1])
        return seen

    # What they use

    def cpu_s(self) -> dict[str, float]:
        """Return the CPU seconds that each process has used, with those under it."""
        return {name: sum(cpu_s(pid) for pid in pids) for name, pids in self._families().items()}

    def rss_mib(self) -> dict[str, float]:
        """Return the resident memory of each process with those under it (what they share counts twice)."""
        return {name: sum(rss_mib(pid) for pid in pids) for name, pids in self._families().items()}

    def _families(self) -> dict[str, list[int]]:
        running = {name: process.pid for name, process in self._processes.items() if process.poll() is None}
        return {name: family(pid) for name, pid in {"broker": self._broker.pid, **running}.items()}


@contextmanager
def stopped_cleanly() -> Iterator[None]:
    """Make SIGTERM end this process as Ctrl-C does, so that what it started ends with it."""
    before = signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def not_tuned() -> dict[str, str]:
    """Return the environment of a worker that measures nothing and does everything on every frame."""
    return _NOT_ASKED_TO_TUNE if "tune" in Settings.model_fields else {}


def answers(port: int) -> bool:
    """Return whether the dashboard answers, whether results flow already or not."""
    return _get(port, "/healthz") is not None


def names_shown(port: int) -> list[str]:
    """Return the cameras that the dashboard knows."""
    answer = _get(port, "/api/v1/cameras")
    return [] if answer is None else [str(each["name"]) for each in json.loads(answer)["cameras"]]


def _get(port: int, path: str) -> bytes | None:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:
            body: bytes = answer.read()
            return body
    except (urllib.error.URLError, OSError):
        return None


def _kill(pid: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
