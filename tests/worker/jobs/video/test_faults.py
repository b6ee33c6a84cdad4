"""What is wrong with one video ends that one, with its reason; the others of its job are done, and all is accounted."""

from __future__ import annotations

import csv
import json
import os
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import av
import pytest

from mien.jobs.view import JobView
from mien.pixels import Rgb
from mien.types import Face
from tests.support.clips import SquareFinder, damaged, decoded, joined, make_clip, make_sound, moved, remuxed, squares
from tests.support.waiting import wait_until
from tests.worker.a_jobs_worker import jobs_worker, wait_for
from tests.worker.jobs.video.conftest import Studio
from worker.jobs.video.jobs import VideoJobs

pytestmark = pytest.mark.usefixtures("only_tables")

STEPS = ("probe", "analyse_segment", "follow_video", "choose_moments", "render_segment", "join")

# A worker that an unseen hand kills as soon as it begins to do something with the second video.
KILLED_WORKER = """
import os, signal, sys, threading
from mien.jobs.jobs import Jobs
from mien.settings import load_settings
from tests.support.clips import SquareFinder
from worker.jobs.rq_worker import JobsWorker
from worker.jobs.video import analyse, jobs as steps_of_videos
from worker.jobs.video.jobs import VideoJobs

where, path = sys.argv[1:]
room = analyse if where == "read_segment" else steps_of_videos
right = getattr(room, where)

def deadly(source, *rest, **options):
    if str(source) == path:
        os.kill(os.getpid(), signal.SIGKILL)
    return right(source, *rest, **options)

setattr(room, where, deadly)
jobs = Jobs.from_settings(load_settings())
stopping = threading.Event()
steps = VideoJobs(jobs, SquareFinder(), stopping)
JobsWorker(jobs.redis, steps.functions, steps.give_up, stopping, died=jobs.deaths.add).run(until_empty=True)
"""


def assert_accounted(studio: Studio, view: JobView, done: int, failed: int) -> JobView:
    """Every input is done or failed, and the results say the same."""
    view = studio.jobs.get(view.id)
    assert (view.state, view.done, view.failed, view.inputs) == ("done", done, failed, done + failed), view
    assert len(view.failures) == failed
    results = json.loads((view.out / "results.json").read_text())
    assert (results["inputs"], results["done"], results["failed"]) == (view.inputs, done, failed)
    return view


def seconds_in(view: JobView, name: str) -> list[float]:
    with (view.out / name / "timeline.csv").open(newline="", encoding="utf-8") as file:
        return [float(row["seconds"]) for row in csv.DictReader(file) if row["track"] == "1"]


def a_stamp_hours_off(folder: Path) -> Path:
    return remuxed(make_clip(folder / "right.mp4", 100), folder / "off.mp4", moved(9_802, 40))


def overlapping_clocks(folder: Path) -> Path:
    clip = make_clip(folder / "part.mp4", 50)
    return joined(folder / "overlap.ts", clip, clip, 0.5)


def a_clock_that_jumps_a_day(folder: Path) -> Path:
    clip = make_clip(folder / "part.mp4", 50)
    return joined(folder / "jump.ts", clip, clip, 80_000)


@pytest.mark.parametrize("make", [a_stamp_hours_off, overlapping_clocks, a_clock_that_jumps_a_day])
def test_wrong_clocks_lose_no_frame_and_stretch_no_video(studio: Studio, make: Callable[[Path], Path]) -> None:
    clip = make(studio.tmp_path)
    good = make_clip(studio.tmp_path / "good.mp4", 10)
    view = studio.enqueue(clip, good)
    studio.work()
    view = assert_accounted(studio, view, done=2, failed=0)
    (entry, _) = json.loads((view.out / "results.json").read_text())["videos"]
    assert (entry["frames"], entry["missing"], entry["analysed"]) == (100, 0, 100)
    assert entry["seconds"] == pytest.approx(4.0, abs=0.1)
    assert seconds_in(view, entry["folder"]) == pytest.approx([number / 25 for number in range(100)], abs=0.05)
    shown = decoded(view.out / entry["annotated"])
    assert [float(time_s) for time_s, _ in shown] == pytest.approx([number / 25 for number in range(100)], abs=0.05)


def test_the_sound_of_a_clock_that_jumps_goes_on(studio: Studio) -> None:
    parts = [make_clip(studio.tmp_path / f"{number}.ts", 50, sound="aac") for number in range(2)]
    clip = studio.tmp_path / "both.ts"
    clip.write_bytes(b"".join(part.read_bytes() for part in parts))
    view = studio.enqueue(clip)
    studio.work()
    view = assert_accounted(studio, view, done=1, failed=0)
    with av.open(str(view.out / "both" / "annotated.mp4")) as container:
        (track,) = container.streams.audio
        times = [float((packet.pts or 0) * packet.time_base) for packet in container.demux(track) if packet.size]
    assert times[-1] == pytest.approx(4.0, abs=0.3)
    assert len(times) > 150


def test_workers_together_give_what_one_gives_of_two_recordings(studio: Studio) -> None:
    options = {"x264-params": "bframes=3:open-gop=1:scenecut=0:b-adapt=0"}
    clip = make_clip(studio.tmp_path / "part.mp4", 100, fps=2, gop=9, options=options)
    both = joined(studio.tmp_path / "both.ts", clip, clip, 20)
    alone = studio.enqueue(both, out="alone")
    studio.work()
    together = studio.enqueue(both, out="together")
    workers = [studio.process() for _ in range(2)]
    try:
        wait_for(studio.jobs, together.id, lambda view: view.ended, 100)
        assert [worker.wait(30) for worker in workers] == [0, 0]
    finally:
        for worker in workers:
            worker.kill()
    assert len(seconds_in(alone, "both")) == 200
    for name in ("timeline.csv", "annotated.mp4"):
        assert (alone.out / "both" / name).read_bytes() == (together.out / "both" / name).read_bytes()


@pytest.mark.parametrize("numbers", [[7], [0], [7, 8, 29]])
def test_frames_that_cannot_be_decoded_are_a_failure_and_the_others_are_read(
    studio: Studio, numbers: list[int]
) -> None:
    clip = damaged(make_clip(studio.tmp_path / "a.avi", 30, codec="mjpeg", pixels="yuvj420p"), numbers)
    view = studio.enqueue(clip, make_clip(studio.tmp_path / "good.mp4", 10))
    studio.work()
    view = assert_accounted(studio, view, done=1, failed=1)
    reason = f"{len(numbers)} of 30 frames cannot be decoded, the first at {numbers[0] / 25:.1f} s"
    assert view.failures[0].reason.startswith(reason)
    assert len(seconds_in(view, "1-a")) == 30 - len(numbers)


def resized(folder: Path, seconds: tuple[int, ...], fps: int = 25) -> Path:
    """Parts of two sizes by turns, each with a key frame for every second."""
    parts = [
        make_clip(
            folder / f"{place}.ts",
            each * fps,
            fps=fps,
            gop=fps,
            paint=lambda number, side=160 + place % 2 * 32: squares(number, side, 120),  # type: ignore[misc]
        )
        for place, each in enumerate(seconds)
    ]
    clip = folder / "resized.ts"
    clip.write_bytes(b"".join(part.read_bytes() for part in parts))
    return clip


@pytest.mark.parametrize("annotate", [True, False])
@pytest.mark.parametrize(("seconds", "fps"), [((2, 2), 25), ((2, 1, 2), 25), ((40, 70, 40), 2), ((66, 66), 2)])
def test_what_comes_before_a_change_of_size_is_kept(
    studio: Studio, seconds: tuple[int, ...], fps: int, annotate: bool
) -> None:
    view = studio.enqueue(resized(studio.tmp_path, seconds, fps), annotate=annotate)
    studio.work()
    view = assert_accounted(studio, view, done=0, failed=1)
    assert f"changes its size from 160×120 to 192×120 at {seconds[0]:.1f} s" in view.failures[0].reason
    assert seconds_in(view, "resized") == pytest.approx([n / fps for n in range(seconds[0] * fps)], abs=0.01)
    assert view.frames == (seconds[0] * fps, seconds[0] * fps)
    if annotate:
        assert len(decoded(view.out / "resized" / "annotated.mp4")) == seconds[0] * fps


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("error", [av.error.InvalidDataError, av.error.ArgumentError, av.error.EOFError])
def test_what_ffmpeg_refuses_in_any_step_is_one_failure(
    studio: Studio, monkeypatch: pytest.MonkeyPatch, step: str, error: type[Exception]
) -> None:
    bad, good = (make_clip(studio.tmp_path / name, 10) for name in ("bad.mp4", "good.mp4"))
    _fails_for(monkeypatch, step, bad, error(22, "refused"))
    view = studio.enqueue(bad, good)
    studio.work()
    view = assert_accounted(studio, view, done=1, failed=1)
    assert view.failures[0].path == "bad.mp4"
    assert "refused" in view.failures[0].reason
    assert (view.out / "2-good" / "timeline.csv").is_file()


@pytest.mark.parametrize("step", STEPS)
def test_what_fails_at_every_try_is_one_failure(studio: Studio, monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    error = PermissionError(13, "no permission")
    monkeypatch.setattr("mien.jobs.queue.RETRY_INTERVALS_S", (0,))
    bad, good = (make_clip(studio.tmp_path / name, 10) for name in ("bad.mp4", "good.mp4"))
    _fails_for(monkeypatch, step, bad, error)
    view = studio.enqueue(bad, good)
    studio.work()
    view = assert_accounted(studio, view, done=1, failed=1)
    assert (view.failures[0].path, (view.out / "2-good" / "timeline.csv").is_file()) == ("bad.mp4", True)


class SlowFinder(SquareFinder):
    """Takes its time over whole groups of pictures, so many times."""

    def __init__(self, times: int) -> None:
        super().__init__()
        self._times = times

    def analyze_many(self, rgbs: Sequence[Rgb]) -> tuple[list[tuple[Face, ...]], Mapping[str, float]]:
        if len(rgbs) > 4 and self._times:
            self._times -= 1
            time.sleep(0.25)
        return super().analyze_many(rgbs)


@pytest.mark.parametrize(("times", "failed"), [(1000, 1), (4, 0)], ids=["always", "once"])
def test_a_video_that_takes_too_long_twice_is_one_failure(
    studio: Studio, monkeypatch: pytest.MonkeyPatch, times: int, failed: int
) -> None:
    monkeypatch.setattr(studio.jobs, "settings", studio.settings.model_copy(update={"job_timeout_s": 1}))
    monkeypatch.setattr(studio.jobs._queues, "_settings", studio.jobs.settings)
    long, good = make_clip(studio.tmp_path / "long.mp4", 100), make_clip(studio.tmp_path / "good.mp4", 4)
    view = studio.enqueue(long, good, annotate=False)
    finder = SlowFinder(times)

    def has_ended() -> bool:  # there is a second try, a second later
        studio.work(finder)
        return studio.jobs.get(view.id).ended

    wait_until(has_ended, 60)
    view = assert_accounted(studio, view, done=2 - failed, failed=failed)
    for failure in view.failures:
        assert failure.path == "long.mp4"
        assert "took longer than the 1 s allowed" in failure.reason


@pytest.mark.parametrize("where", ["probe", "read_segment"])
def test_a_video_that_kills_its_readers_is_one_failure(studio: Studio, where: str) -> None:
    bad, good = (make_clip(studio.tmp_path / name, 10) for name in ("bad.mp4", "good.mp4"))
    view = studio.enqueue(bad, good)
    ends: list[int] = []
    while not studio.jobs.get(view.id).ended and len(ends) < 8:
        with jobs_worker(studio.jobs, KILLED_WORKER, where, str(bad)) as worker:
            ends.append(worker.wait(60))
    assert ends == [-signal.SIGKILL] * 3 + [0]
    view = assert_accounted(studio, view, done=1, failed=1)
    assert view.failures[0].reason.startswith("workers died while they read this video")


def test_a_cancelled_job_forgets_nothing_of_what_failed_meanwhile(studio: Studio) -> None:
    clip = make_clip(studio.tmp_path / "a.mp4", 10)
    view = studio.enqueue(clip)
    steps = VideoJobs(studio.jobs, SquareFinder(), studio.stopping)
    studio.jobs.cancel(view.id)
    (function,) = (each for name, each in steps.functions.items() if name == "worker.video.plan")
    assert not function.end_input(view.id, 1, "too late", 0)  # type: ignore[attr-defined]
    assert not (studio.scratch(view) / "done.json").exists()


def test_videos_of_every_kind_of_fault_in_one_job_are_accounted(studio: Studio) -> None:
    folder = studio.tmp_path
    clips = [
        a_stamp_hours_off(folder),
        a_clock_that_jumps_a_day(folder),
        resized(folder, (1, 1)),
        make_sound(folder / "sound.mp4"),
        make_clip(folder / "plain.h264", 20),
        make_clip(folder / "good.mp4", 10),
    ]
    view = studio.enqueue(*clips)
    studio.work()
    view = assert_accounted(studio, view, done=4, failed=2)
    assert [failure.path for failure in view.failures] == ["resized.ts", "sound.mp4"]


def _fails_for(monkeypatch: pytest.MonkeyPatch, step: str, bad: Path, error: Exception) -> None:
    """Have a function of the steps raise for one video, which is named in its first argument."""
    right: Any = getattr(__import__("worker.jobs.video.jobs", fromlist=[step]), step)

    def fails(of: Any, *rest: Any, **options: Any) -> Any:
        # A path of the video, of its folder among the files of the job, or the folder itself.
        if str(getattr(of, "index", of)) in (str(bad), "0") or os.fspath(getattr(of, "path", of)).endswith("videos/0"):
            raise error
        return right(of, *rest, **options)

    monkeypatch.setattr(f"worker.jobs.video.jobs.{step}", fails)
