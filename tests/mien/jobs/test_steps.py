from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from mien.errors import JobError
from mien.inputs.input import Input
from mien.jobs.folder import Inputs, JobFolder
from mien.jobs.steps import (
    EVALUATION_CHUNK,
    EVALUATION_REPORT,
    JOB_FUNCTIONS,
    PHOTO_CHUNK,
    PHOTO_REPORT,
    VIDEO_REPORT,
    Call,
    call,
    next_calls,
)

THREE = tuple(Input.of(f"/pictures/{number}", f"{number}") for number in range(3))


@pytest.fixture
def folder(tmp_path: Path) -> JobFolder:
    return JobFolder(tmp_path, "abcdef0123")


def inputs(kind: str, chunk_size: int = 1, **options: Any) -> Inputs:
    return Inputs(kind=kind, out=Path("/out"), chunk_size=chunk_size, items=THREE, options=options)


def steps(folder: JobFolder, wanted: Inputs, index: int | None = None) -> list[str]:
    return [each.step for each in next_calls(folder, wanted, index)]


def put(path: Path, text: str = "") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


@pytest.mark.parametrize(
    ("kind", "chunk", "report"),
    [("photos", PHOTO_CHUNK, PHOTO_REPORT), ("evaluation", EVALUATION_CHUNK, EVALUATION_REPORT)],
)
def test_chunks_come_first_and_then_the_report(folder: JobFolder, kind: str, chunk: str, report: str) -> None:
    wanted = inputs(kind, 2)
    assert next_calls(folder, wanted) == (Call(chunk, "chunk-0", (0,)), Call(chunk, "chunk-1", (1,)))
    folder.write_part(folder.part(0), {})
    assert next_calls(folder, wanted) == (Call(chunk, "chunk-1", (1,)),)
    folder.write_part(folder.part(1), {})
    assert next_calls(folder, wanted) == (Call(report, "report"),)


def test_a_video_goes_from_step_to_step_on_its_own(folder: JobFolder) -> None:
    wanted = inputs("video")
    video = folder.video(1)
    assert steps(folder, wanted) == ["plan-0", "plan-1", "plan-2"]
    put(video / "plan.json", json.dumps({"segments": 2, "frames": 900}))
    assert steps(folder, wanted) == ["plan-0", "analyse-1-0", "analyse-1-1", "plan-2"]
    put(video / "analysed/1.npz")
    assert steps(folder, wanted, 1) == ["analyse-1-0"]
    put(video / "analysed/0.json")
    assert steps(folder, wanted, 1) == ["follow-1"]
    put(video / "tracks.json")
    assert steps(folder, wanted, 1) == ["render-1-0", "render-1-1"]
    put(video / "rendered/0.mp4")
    put(video / "rendered/.1.mp4.77.new")
    assert steps(folder, wanted, 1) == ["render-1-1"]
    put(video / "rendered/1.mp4")
    assert steps(folder, wanted, 1) == ["join-1"]
    put(video / "done.json", "{}")
    assert steps(folder, wanted, 1) == []
    assert steps(folder, wanted) == ["plan-0", "plan-2"]


def test_the_report_of_videos_comes_when_all_have_ended(folder: JobFolder) -> None:
    for index in range(3):
        put(folder.video(index) / "done.json", '{"reason": "no video track"}')
    assert next_calls(folder, inputs("video")) == (Call(VIDEO_REPORT, "report"),)


def test_without_annotated_videos_nothing_is_rendered(folder: JobFolder) -> None:
    put(folder.video(0) / "plan.json", '{"segments": 1}')
    put(folder.video(0) / "analysed/0.npz")
    put(folder.video(0) / "tracks.json")
    assert steps(folder, inputs("video", annotate=False), 0) == ["join-0"]


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"segments": -1}', '{"segments": "2"}', '{"segments": true}', '{"segments": 1e9}']
)
def test_a_plan_that_cannot_be_used_is_made_again(folder: JobFolder, text: str) -> None:
    put(folder.video(0) / "plan.json", text)
    assert steps(folder, inputs("video"), 0) == ["plan-0"]


def test_steps_of_one_video_wait_for_each_other_and_for_no_other_video() -> None:
    assert call("worker.video.analyse", 3, 14) == Call("worker.video.analyse", "analyse-3-14", (3, 14))
    assert call("worker.video.analyse", 3, 14).group == "3"
    assert call("worker.video.write_report").group == call(PHOTO_CHUNK, 3).group == ""


def test_what_is_not_listed_is_no_step(folder: JobFolder) -> None:
    assert all(call(name).function == name for name in JOB_FUNCTIONS)
    with pytest.raises(JobError, match=r"'os.system' is not a job function"):
        call("os.system", 1)
    with pytest.raises(JobError, match="kind 'music' is not known"):
        next_calls(folder, inputs("music"))
