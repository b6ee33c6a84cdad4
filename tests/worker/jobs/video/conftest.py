"""Video jobs with a worker on them, and their results without the plots."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from mien.inputs.input import Input
from mien.jobs.jobs import Jobs
from mien.jobs.view import JobView
from mien.settings import Settings
from tests.support.clips import SquareFinder
from tests.support.paths import ROOT
from worker.jobs.rq_worker import JobsWorker
from worker.jobs.video.folder import VideoFolder
from worker.jobs.video.jobs import VideoJobs
from worker.reports.timeline.table import write_table


class Studio:
    """Video jobs, and a worker on them in this process."""

    def __init__(self, settings: Settings, tmp_path: Path) -> None:
        self.settings = settings
        self.jobs = Jobs.from_settings(settings)
        self.stopping = threading.Event()
        self.tmp_path = tmp_path

    def enqueue(self, *clips: Path, out: str = "out", **options: Any) -> JobView:
        items = [Input.of(str(clip), clip.name) for clip in clips]
        return self.jobs.enqueue("video", items, name="clips", out=self.tmp_path / out, options=options)

    def work(self, finder: SquareFinder | None = None) -> SquareFinder:
        finder = finder or SquareFinder()
        steps = VideoJobs(self.jobs, finder, self.stopping)
        JobsWorker(self.jobs.redis, steps.functions, steps.give_up, self.stopping, died=self.jobs.deaths.add).run(
            until_empty=True
        )
        return finder

    def process(self, frame_ms: float = 0.0) -> subprocess.Popen[bytes]:
        variables = {
            "MIEN_BUS_URL": self.settings.bus_url,
            "MIEN_JOBS_URL": self.settings.jobs_url,
            "MIEN_DATA_DIR": str(self.settings.data_dir),
        }
        return subprocess.Popen(
            [sys.executable, "-m", "tests.worker.jobs.video.a_worker", str(frame_ms)],
            env={**os.environ, **variables, "PYTHONPATH": str(ROOT)},
            cwd=ROOT,
        )

    def scratch(self, view: JobView, index: int = 0) -> Path:
        return self.jobs.folder(view.id).video(index)


@pytest.fixture
def studio(settings: Settings, tmp_path: Path) -> Studio:
    return Studio(settings, tmp_path)


@pytest.fixture
def only_tables(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out the plots, which take seconds and have tests of their own."""

    def tables(video: VideoFolder, _: object) -> dict[str, object]:
        video.results.mkdir(parents=True, exist_ok=True)
        for name in video.formats:
            write_table(video.sightings(), video.results / f"timeline.{name}")
        return {}

    monkeypatch.setattr("worker.jobs.video.jobs.write_reports", tables)
