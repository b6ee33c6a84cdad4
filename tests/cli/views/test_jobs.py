from __future__ import annotations

import io
import threading
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from rich.console import Console

from cli.views import jobs as follow
from mien.inputs.input import Input
from mien.jobs.jobs import Jobs, Tally
from mien.jobs.view import JobView
from mien.settings import Settings
from tests.support.waiting import wait_until

VIEW = JobView("abcdef0123", "photos", "queued", "a", 0.0, None, 1200, 0, 0, 0, (), Path("/out"))


def test_what_is_queued_is_said_in_one_line() -> None:
    assert follow.queued_line(VIEW).startswith("job abcdef0123: 1,200 pictures queued; `mien jobs show")
    assert ": 1 video queued" in follow.queued_line(replace(VIEW, kind="video", inputs=1))
    again = follow.queued_line(replace(VIEW, state="running", existed=True))
    assert "is running and does the same already, no second one was queued" in again


def test_waiting_shows_work_faces_failures_and_how_long_it_will_take(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs = Jobs.from_settings(settings)
    view = jobs.enqueue("video", [Input.of("/a.mp4", "a.mp4")], name="a")
    screen = io.StringIO()
    console = Console(file=screen, force_terminal=True, width=140)
    monkeypatch.setattr(follow, "Console", lambda **_: console)

    def is_shown(text: str) -> bool:
        return text in screen.getvalue()

    def work() -> None:
        jobs.advance(view.id, ("queued",), 1, state="running")
        for frames in range(400, 2000, 400):
            jobs.report(view.id, {"0-analyse-0": Tally(faces=frames // 100, units=(frames, 2000))})
            wait_until(partial(is_shown, f"{frames:,}/2,000 frames"), what="the progress on screen")
        jobs.report(view.id, {"0-analyse-0": None, "0": Tally(1, 0, 40, units=(2000, 2000))})
        jobs.end(view.id, 1, "done")

    worker = threading.Thread(target=work)
    worker.start()
    ended = follow.follow(jobs, view, quiet=True)
    worker.join()
    assert (ended.state, ended.done, ended.faces) == ("done", 1, 40)
    shown = screen.getvalue()
    assert "running" in shown
    assert "800/2,000 frames" in shown
    assert "faces, 0 failed" in shown
    assert " s to go" in shown


def test_a_job_that_was_there_already_is_waited_for_and_said_so(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    jobs = Jobs.from_settings(settings)
    items = [Input.of("/a.jpg", "a.jpg")]
    jobs.enqueue("photos", items, name="a")
    view = jobs.enqueue("photos", items, name="a")
    jobs.end(view.id, 1, "done")
    follow.follow(jobs, view, quiet=False)
    out, error = capsys.readouterr()
    assert "does the same already: waiting for it" in error
    assert f"job {view.id} (a) is done" in out
