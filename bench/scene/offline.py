"""Jobs through the real queue: an embedded Valkey, and worker processes that are pinned to cores."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType

from rq import Worker

from bench.report.machine import cpu_s, pinned, rss_mib
from mien.bus.embedded import EmbeddedBroker
from mien.inputs.input import Input
from mien.jobs.jobs import Jobs
from mien.jobs.view import JobView
from mien.settings import Settings
from tests.support.paths import ROOT

START_S = 60.0
_POLL_S = 0.02
_PART_CPU_S = 0.1


@dataclass(frozen=True, slots=True)
class Run:
    """One job: wall time from queued to done, CPU time of all workers together, and what became of it."""

    view: JobView = field(repr=False)
    wall_s: float
    cpu_s: float

    @property
    def per_s(self) -> float:
        """Inputs a second."""
        return self.view.inputs / self.wall_s

    @property
    def cpu_ms(self) -> float:
        """CPU milliseconds for each input."""
        return 1000 * self.cpu_s / self.view.inputs


class JobsSite:
    """A broker, and as many workers as were started; used as a context manager, all end with it.

    `folder` takes data, results and the workers' log. `output` of a worker that does not start is in the log.
    """

    def __init__(self, folder: Path, chunk_size: int, environment: Mapping[str, str] | None = None) -> None:
        self._folder = folder
        self._chunk_size = chunk_size
        self._environment = dict(environment or {})
        self._broker = EmbeddedBroker()
        self._workers: list[subprocess.Popen[str]] = []
        self._runs = 0

    def __enter__(self) -> JobsSite:
        self._folder.mkdir(parents=True, exist_ok=True)
        self._broker.start()
        url, data = self._broker.url, self._folder / "data"
        settings = Settings(bus_url=url, jobs_url=url, data_dir=data, chunk_size=self._chunk_size)
        self.jobs = Jobs.from_settings(settings)
        self._environment |= {"MIEN_BUS_URL": url, "MIEN_JOBS_URL": url, "MIEN_DATA_DIR": str(data)}
        self._environment |= {"PYTHONPATH": str(ROOT), "MIEN_LOG_LEVEL": "warning"}
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop_workers()
        self.jobs.close()
        self._broker.stop()

    @property
    def pids(self) -> list[int]:
        """The process ids of the workers."""
        return [worker.pid for worker in self._workers]

    def start_worker(self, core: int | Sequence[int]) -> None:
        """Start a worker on a core, or on some; it loads its models with its first job."""
        with (self._folder / "workers.log").open("a") as log:
            command = [sys.executable, "-m", "cli", "jobs", "work"]
            self._workers.append(pinned(command, core, environment=self._environment, output=log, errors=log))

    def stop_workers(self) -> None:
        """Stop all workers and wait for their end."""
        for worker in self._workers:
            worker.send_signal(signal.SIGTERM)
        for worker in self._workers:
            try:
                worker.wait(30)
            except subprocess.TimeoutExpired:
                worker.kill()
                worker.wait()
        self._workers.clear()

    def warm(self, kind: str, paths: Sequence[Path]) -> None:
        """Do a job until every worker has had a part of it, its models loaded."""
        deadline_s = time.monotonic() + START_S
        while Worker.count(connection=self.jobs.redis) < len(self.pids) and time.monotonic() < deadline_s:
            time.sleep(_POLL_S)
        for _ in range(5):
            before_s = {pid: cpu_s(pid) for pid in self.pids}
            self.run(kind, paths)
            if all(cpu_s(pid) - before > _PART_CPU_S for pid, before in before_s.items()):
                return
        raise SystemExit(f"a worker does no work: see {self._folder / 'workers.log'}")

    def run(self, kind: str, paths: Sequence[Path], timeout_s: float = 600.0) -> Run:
        """Do a job over files and return what it took; ends the bench when the job fails or takes too long."""
        self._runs += 1
        out = self._folder / f"out-{self._runs}"
        items = [Input.of(str(path.absolute()), path.name) for path in paths]
        before_s = {pid: cpu_s(pid) for pid in self.pids}
        view = self.jobs.enqueue(kind, items, name="bench", out=out)
        deadline_s = time.monotonic() + timeout_s
        while not view.ended:
            if time.monotonic() > deadline_s or any(worker.poll() is not None for worker in self._workers):
                raise SystemExit(f"job {view.id} did not end: {view.to_dict()}; see {self._folder / 'workers.log'}")
            time.sleep(_POLL_S)
            view = self.jobs.get(view.id)
        if view.state != "done" or view.failed or view.finished is None:
            raise SystemExit(f"job {view.id} is {view.state}: {view.reason} {view.failures[:3]}")
        used_s = sum(cpu_s(pid) - before for pid, before in before_s.items())
        return Run(view, view.finished - view.created, used_s)

    def rss_mib(self, *, highest: bool = False) -> float:
        """Return the memory of the largest worker."""
        return max(rss_mib(pid, highest=highest) for pid in self.pids)
