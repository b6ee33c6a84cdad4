from __future__ import annotations

import csv
import json
import signal
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mien.jobs.outputs import VIDEO_FILES
from mien.types import EMOTIONS
from tests.support.clips import SquareFinder, cut, decoded, make_clip, make_sound, squares
from tests.support.waiting import wait_until
from tests.worker.jobs.video.conftest import Studio
from worker.jobs.video.jobs import VideoJobs

RESULTS = {*VIDEO_FILES} - {"timeline.parquet"}


@pytest.fixture(scope="module")
def long_clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """70 s in three segments, with sound, two frames a second."""
    return make_clip(tmp_path_factory.mktemp("clips") / "long.mp4", 140, fps=2, gop=8, sound="aac")


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_a_video_gives_all_its_results(studio: Studio, long_clip: Path) -> None:
    view = studio.enqueue(long_clip)
    studio.work()
    view = studio.jobs.get(view.id)
    assert (view.state, view.done, view.failed, view.frames) == ("done", 1, 0, (140, 140))
    assert {path.name for path in (view.out / "long").iterdir()} == RESULTS
    rows = rows_of(view.out / "long" / "timeline.csv")
    assert view.faces == len(rows) == 140 + 120
    assert {row["track"] for row in rows} == {"1", "2"}
    assert [float(row["seconds"]) for row in rows if row["track"] == "1"] == [number / 2 for number in range(140)]
    (entry,) = json.loads((view.out / "results.json").read_text())["videos"]
    assert (entry["frames"], entry["missing"], entry["analysed"], entry["tracks"]) == (140, 0, 140, 2)
    assert all((view.out / entry[name]).is_file() for name in ("annotated", "plot", "report", "contact", "summary"))
    left = {path.name for path in studio.scratch(view).iterdir()}
    assert left == {"plan.json", "tracks.json", "done.json"}


@pytest.mark.usefixtures("only_tables")
def test_with_baselines_tables_say_where_one_was_used_and_keep_what_the_net_says(
    studio: Studio, long_clip: Path
) -> None:
    without, auto = (studio.enqueue(long_clip, out=use, baseline=use, annotate=False) for use in ("off", "auto"))
    studio.work()
    before, after = (rows_of(view.out / "long" / "timeline.csv") for view in (without, auto))
    assert {row["baseline"] for row in before} == {"none"}
    assert {row["baseline"] for row in after} == {"known"}
    adjusted = {*EMOTIONS, "emotion", "confidence", "baseline"}
    kept = [[{key: row[key] for key in row if key not in adjusted} for row in rows] for rows in (before, after)]
    assert kept[0] == kept[1]
    assert all(float(row["neutral"]) > float(old["neutral"]) for row, old in zip(after, before, strict=True))
    # The first row of a track is not smoothed yet.
    assert [before[0][f"raw_{name}"] for name in EMOTIONS] == [before[0][name] for name in EMOTIONS]


@pytest.mark.parametrize(
    "options",
    [{}, {"baseline": "auto"}, pytest.param({"every": 3, "baseline": "auto"}, marks=pytest.mark.slow)],
    ids=str,
)
def test_three_workers_give_what_one_gives(studio: Studio, long_clip: Path, options: dict[str, Any]) -> None:
    alone = studio.enqueue(long_clip, out="alone", **options)
    studio.work()
    together = studio.enqueue(long_clip, out="together", **options)
    workers = [studio.process(2.0) for _ in range(3)]
    try:
        wait_until(lambda: studio.jobs.get(together.id).ended, 100)
        assert [worker.wait(30) for worker in workers] == [0, 0, 0]
    finally:
        for worker in workers:
            worker.kill()
    assert studio.jobs.get(together.id).state == "done"
    for name in ("timeline.csv", "summary.json", "annotated.mp4"):
        assert (alone.out / "long" / name).read_bytes() == (together.out / "long" / name).read_bytes(), name
    (first, second) = (decoded(view.out / "long" / "annotated.mp4") for view in (alone, together))
    assert [time for time, _ in first] == [time for time, _ in second]
    assert all(np.array_equal(a, b) for (_, a), (_, b) in zip(first, second, strict=True))


@pytest.mark.usefixtures("only_tables")
def test_only_every_nth_frame_is_analysed_and_all_are_shown(studio: Studio, long_clip: Path) -> None:
    view = studio.enqueue(long_clip, every=5, formats=["csv", "parquet"])
    finder = studio.work()
    assert finder.pictures == 28
    rows = rows_of(view.out / "long" / "timeline.csv")
    assert {int(row["frame"]) for row in rows} == set(range(0, 140, 5))
    assert len(decoded(view.out / "long" / "annotated.mp4")) == 140
    assert (view.out / "long" / "timeline.parquet").is_file()


def test_without_annotating_everything_else_is_there(studio: Studio, long_clip: Path) -> None:
    view = studio.enqueue(long_clip, annotate=False)
    studio.work()
    assert studio.jobs.get(view.id).state == "done"
    assert {path.name for path in (view.out / "long").iterdir()} == RESULTS - {"annotated.mp4"}


def resized(path: Path) -> Path:
    parts = [
        make_clip(path.with_name(f"{path.name}.{side}.ts"), 30, paint=lambda n, side=side: squares(n, side, 120))  # type: ignore[misc]
        for side in (160, 192)
    ]
    path.write_bytes(b"".join(part.read_bytes() for part in parts))
    return path


def broken_off(path: Path) -> Path:
    clip = make_clip(path.with_name("whole.mkv"), 140, fps=2, gop=8)
    return cut(clip, path, 0.6)


BAD: dict[str, tuple[Callable[[Path], object], str]] = {
    "words.mp4": (lambda path: path.write_text("nothing moves in here"), "is not a video"),
    "empty.mp4": (Path.touch, "is empty"),
    "sound.mp4": (make_sound, "no video track"),
    "resized.ts": (resized, "changes its size from 160×120 to 192×120"),
    "off.mkv": (broken_off, "breaks off after "),
    "gone.mp4": (lambda path: None, "does not exist"),
}


@pytest.mark.usefixtures("only_tables")
def test_bad_videos_are_failures_with_reasons_and_the_others_are_done(studio: Studio) -> None:
    clips = [studio.tmp_path / name for name in BAD]
    for clip in clips:
        BAD[clip.name][0](clip)
    good = make_clip(studio.tmp_path / "good.mp4", 30)
    view = studio.enqueue(*clips[:3], good, *clips[3:])
    studio.work()
    view = studio.jobs.get(view.id)
    assert (view.state, view.inputs, view.done, view.failed) == ("done", 7, 1, 6)
    assert [failure.path for failure in view.failures] == list(BAD)
    for failure in view.failures:
        assert BAD[failure.path][1] in failure.reason, failure
    assert len(decoded(view.out / "4-good" / "annotated.mp4")) == 30
    rows = rows_of(view.out / "results.csv")
    assert [row["path"] for row in rows] == ["words.mp4", "empty.mp4", "sound.mp4", "good.mp4", *list(BAD)[3:]]
    # What could be read of the one that breaks off is there.
    (readable,) = (row for row in rows if row["path"] == "off.mkv")
    shown = decoded(view.out / readable["folder"] / "annotated.mp4")
    assert 40 < len(shown) == int(readable["frames"]) - int(readable["missing"]) < 130


@pytest.mark.usefixtures("only_tables")
def test_a_retry_reads_the_failed_ones_again(studio: Studio) -> None:
    good, bad = make_clip(studio.tmp_path / "good.mp4", 10), studio.tmp_path / "bad.mp4"
    view = studio.enqueue(good, bad)
    studio.work()
    assert studio.jobs.get(view.id).failed == 1
    make_clip(bad, 10)
    studio.jobs.retry(view.id)
    finder = studio.work()
    view = studio.jobs.get(view.id)
    assert (view.state, view.done, view.failed, finder.pictures) == ("done", 2, 0, 10)


@pytest.mark.usefixtures("only_tables")
def test_a_video_that_vanishes_in_the_middle_is_a_failure(studio: Studio, long_clip: Path) -> None:
    clip = studio.tmp_path / "b.mp4"
    clip.write_bytes(long_clip.read_bytes())
    view = studio.enqueue(clip)
    studio.work(SquareFinder(lambda pictures: clip.unlink(missing_ok=True) if pictures > 70 else None))
    view = studio.jobs.get(view.id)
    assert (view.state, view.failed) == ("done", 1)
    assert "does not exist" in view.failures[0].reason


@pytest.mark.usefixtures("only_tables")
def test_a_cancelled_job_stops_and_a_retry_goes_on(studio: Studio, long_clip: Path) -> None:
    view = studio.enqueue(long_clip)

    def cancel(pictures: int) -> None:
        if pictures >= 80:
            studio.jobs.cancel(view.id)

    studio.work(SquareFinder(cancel))
    assert studio.jobs.get(view.id).state == "cancelled"
    assert not view.out.joinpath("long").exists()
    studio.jobs.retry(view.id)
    finder = studio.work()
    assert studio.jobs.get(view.id).state == "done"
    assert finder.pictures == 140 - 64  # the first segment was finished
    assert len(decoded(view.out / "long" / "annotated.mp4")) == 140


@pytest.mark.usefixtures("only_tables")
def test_a_stopped_worker_hands_the_video_back(studio: Studio, long_clip: Path) -> None:
    view = studio.enqueue(long_clip)
    studio.work(SquareFinder(lambda pictures: studio.stopping.set() if pictures >= 80 else None))
    assert studio.jobs.get(view.id).state == "running"
    studio.stopping.clear()
    studio.work()
    assert studio.jobs.get(view.id).state == "done"


def test_results_that_cannot_be_written_leave_the_job_to_a_retry(studio: Studio) -> None:
    clip = make_clip(studio.tmp_path / "a.mp4", 10)
    view = studio.enqueue(clip)
    (view.out / "a").write_text("a file where a folder should be")
    steps = VideoJobs(studio.jobs, SquareFinder(), studio.stopping)
    for step, numbers in (("plan", ()), ("analyse", (0,)), ("follow", ()), ("render", (0,))):
        getattr(steps, step)(view.id, 1, 0, *numbers)
    with pytest.raises(OSError, match="a"):
        steps.join(view.id, 1, 0)
    assert not (studio.scratch(view) / "done.json").exists()
    (view.out / "a").unlink()
    steps.join(view.id, 1, 0)
    assert {path.name for path in (view.out / "a").iterdir()} == RESULTS


@pytest.mark.slow
def test_killed_workers_leave_nothing_half_and_lose_nothing(studio: Studio, long_clip: Path) -> None:
    once = studio.enqueue(long_clip, out="once")
    studio.work()
    view = studio.enqueue(long_clip, out="killed")
    rng = np.random.default_rng(11)

    def has_reached(frames: int) -> bool:
        now = studio.jobs.get(view.id)
        return now.ended or now.frames[0] >= frames

    with ExitStack() as stack:
        for _ in range(4):
            worker = studio.process(10.0)
            stack.callback(worker.wait)
            stack.callback(worker.kill)
            reached = studio.jobs.get(view.id).frames[0] + int(rng.integers(1, 30))
            wait_until(partial(has_reached, reached), 60, "work to be killed in")
            worker.send_signal(signal.SIGKILL)
        last = studio.process()
        stack.callback(last.wait)
        stack.callback(last.kill)
        wait_until(lambda: studio.jobs.get(view.id).ended, 110)
    assert studio.jobs.get(view.id).state == "done"
    for name in ("timeline.csv", "annotated.mp4"):
        assert (once.out / "long" / name).read_bytes() == (view.out / "long" / name).read_bytes()
    assert {path.name for path in (view.out / "long").iterdir()} == RESULTS
