"""The commands that the processes of `mien up` run."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from itertools import count

from cli.up.process import Command
from mien.settings import Settings


class Commands:
    """Makes the command of each process; all run in the same environment, and each worker has a number.

    `worker_died` is called with the process id of a live worker that has died.
    """

    def __init__(self, environment: Mapping[str, str], worker_died: Callable[[int], None] | None = None) -> None:
        self._environment = environment
        self._worker_died = worker_died
        self._numbers = count(1)

    def dashboard(self, settings: Settings) -> Command:
        """Return the command of the dashboard."""
        arguments = ("dashboard", "--port", str(settings.port), "--host", settings.host)
        return Command("dashboard", _mien(*arguments), self._environment, part="dashboard")

    def live_worker(self) -> Command:
        """Return the command of one more live worker."""
        name = f"worker.{next(self._numbers)}"
        return Command(name, _mien("work"), self._environment, part="live worker", died=self._worker_died)

    def job_worker(self) -> Command:
        """Return the command of the worker on jobs."""
        return Command("jobs", _mien("jobs", "work"), self._environment, part="jobs worker")

    def camera(self, name: str, source: str) -> Command:
        """Return the command of a camera's producer; it may end: a film has an end, a source may be mistyped."""
        arguments = _mien("produce", "--camera", name, source)
        return Command(f"camera.{name}", arguments, self._environment, may_end=True, part="producer")


def _mien(*arguments: str) -> tuple[str, ...]:
    return sys.executable, "-m", "cli", *arguments
