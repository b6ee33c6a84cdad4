from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from mien.jobs.jobs import Jobs
from mien.settings import Settings
from tests.support.clips import make_clip


class Terminal:
    """Runs commands as a person would."""

    def __init__(self, settings: Settings, folder: Path) -> None:
        self.folder = folder
        self.jobs = Jobs.from_settings(settings)
        self.environment = {
            **os.environ,
            "MIEN_JOBS_URL": settings.jobs_url,
            "MIEN_DATA_DIR": str(settings.data_dir),
        }

    def run(self, *arguments: str) -> tuple[int, str, str]:
        done = subprocess.run(
            [sys.executable, "-m", "cli", "video", "enqueue", *arguments],
            env=self.environment,
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=60,
        )
        return done.returncode, done.stdout, done.stderr


@pytest.fixture
def terminal(settings: Settings, tmp_path: Path) -> Terminal:
    return Terminal(settings, tmp_path)


def test_videos_of_a_folder_are_queued_with_their_options(terminal: Terminal) -> None:
    (terminal.folder / "season").mkdir()
    for name in ("one.mp4", "two.mkv"):
        make_clip(terminal.folder / "season" / name, 3)
    (terminal.folder / "season" / "notes.txt").write_text("no video")
    code, out, error = terminal.run("season", "--every", "2", "--format", "csv,parquet", "--priority", "high", "--json")
    assert (code, error) == (0, "")
    report = json.loads(out)
    assert report["inputs"] == 2
    inputs = terminal.jobs.folder(report["job"]).read_inputs()
    assert dict(inputs.options) == {"every": 2, "annotate": True, "formats": ["csv", "parquet"]}
    view = terminal.jobs.get(report["job"])
    assert (view.kind, view.priority, view.state) == ("video", "high", "queued")


def test_the_same_job_is_not_queued_twice(terminal: Terminal) -> None:
    make_clip(terminal.folder / "a.mp4", 3)
    first, second = (terminal.run("a.mp4", "--out", "out")[1] for _ in range(2))
    assert "1 videos queued" in first
    assert "is there already" in second
    assert len(terminal.jobs.list()) == 1


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("gone.mp4",), "gone.mp4 does not exist"),
        (("a.mp4", "--format", "xls"), "there is no format 'xls' for jobs of kind video: choose from csv, parquet"),
        (
            ("a.mp4", "--format", "csv,json"),
            "there is no format 'json' for jobs of kind video: choose from csv, parquet",
        ),
        (("a.mp4", "--priority", "now"), "there is no priority 'now': choose from high, normal, low"),
    ],
)
def test_what_cannot_be_queued_is_one_line(terminal: Terminal, arguments: tuple[str, ...], reason: str) -> None:
    make_clip(terminal.folder / "a.mp4", 3)
    code, out, error = terminal.run(*arguments)
    assert code in (1, 2)
    assert out == ""
    assert reason in error
    assert len(error.strip().splitlines()) == 1
