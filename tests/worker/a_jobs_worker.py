"""A process that works on jobs, to be killed by tests, and how long to wait for what it does."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

from mien.jobs.jobs import Jobs
from mien.jobs.view import JobView
from tests.support.paths import ROOT

BROKER_IS_AWAY = "the broker is away"
"""What a worker logs once when it misses its broker."""


@contextmanager
def jobs_worker(jobs: Jobs, code: str, *arguments: str, log: Path | None = None) -> Iterator[subprocess.Popen[bytes]]:
    """Run `code`, a Python program, on the broker and the folder of `jobs`; what is left of it is killed at the end."""
    environment = {
        **os.environ,
        "MIEN_JOBS_URL": jobs.address.secret(),
        "MIEN_DATA_DIR": str(jobs.settings.data_dir),
        "PYTHONPATH": str(ROOT),
    }
    with log.open("ab") if log else nullcontext() as file:
        process = subprocess.Popen([sys.executable, "-c", code, *arguments], env=environment, cwd=ROOT, stderr=file)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def wait_for(jobs: Jobs, job_id: str, reached: Callable[[JobView], bool], timeout_s: float) -> JobView:
    """Return the job when `reached` says so; fails after `timeout_s`."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        view = jobs.get(job_id)
        if reached(view):
            return view
        time.sleep(0.05)
    raise AssertionError(f"after {timeout_s} s the job is still {jobs.get(job_id)}")
