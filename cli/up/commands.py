"""The commands that the processes of `mien up` run."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from itertools import count

from cli.up.processes import Command
from mien.settings import Settings


class Commands:
    """Makes the command of each process; all run in the same environment, and each worker has a number."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment
        self._numbers = count(1)

    def dashboard(self, settings: Settings) -> Command:
        """Return the command of the dashboard."""
        return self._mien("dashboard", "dashboard", "--port", str(settings.port), "--host", settings.host)

    def live_worker(self) -> Command:
        """Return the command of one more live worker."""
        return self._mien(f"worker.{next(self._numbers)}", "work")

    def job_worker(self) -> Command:
        """Return the command of the worker on jobs."""
        return self._mien("jobs", "jobs", "work")

    def camera(self, name: str, source: str) -> Command:
        """Return the command of a camera's producer; it may end: a film has an end, a source may be mistyped."""
        return self._mien(f"camera.{name}", "produce", "--camera", name, source, may_end=True)

    def _mien(self, name: str, *arguments: str, may_end: bool = False) -> Command:
        return Command(name, (sys.executable, "-m", "cli", *arguments), self._environment, may_end)
