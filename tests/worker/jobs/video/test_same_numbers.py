"""A video's numbers are those that its frames have as pictures, and those that a notebook has of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest

from mien.pixels import Rgb
from mien.settings import Settings
from mien.types import Face
from models.analyzer import PixelAnalyzer, open_analyzer
from models.notebook.analyzer import FaceAnalyzer
from models.tracks.follow import VideoFaces
from models.video.frames import frames
from models.video.probe import probe
from models.video.read import ToRgb, read_segment
from tests.support.clips import TURN_RIGHT, damaged, make_clip, turned
from tests.support.demo_media import clip_frame
from tests.support.media import demo_media
from worker.jobs.video.analyse import analyse_segment

FRAMES = 10
MIRROR = (-65536, 0, 0, 0, 65536, 0, 0, 0, 1 << 30)
MIRROR_AND_TURN = (0, 65536, 0, 65536, 0, 0, 0, 0, 1 << 30)
B_FRAMES = {"x264-params": "bframes=3:open-gop=1:scenecut=0:b-adapt=0"}


class Looker:
    """Stands in for the models, and keeps what it is shown."""

    threshold = 0.4

    def __init__(self) -> None:
        self.seen: list[Rgb] = []

    def analyze_many(self, rgbs: Sequence[Rgb]) -> tuple[list[tuple[Face, ...]], Mapping[str, float]]:
        self.seen.extend(rgbs)
        return [()] * len(rgbs), {}


def damaged_jpegs(folder: Path) -> Path:
    return damaged(make_clip(folder / "a.avi", 30, codec="mjpeg", pixels="yuvj420p"), [0, 7, 8, 29])


def damaged_in_part(folder: Path) -> Path:
    """Key frames among them, in two segments: what follows is drawn over what the decoder had before."""
    clip = make_clip(folder / "a.mp4", 100, fps=2, gop=9, options=B_FRAMES)
    return damaged(clip, [*range(5, 100, 13), 9, 27, 72], 0.5)


def damaged_whole(folder: Path) -> Path:
    return damaged(make_clip(folder / "a.mkv", 100, fps=2, gop=9, options=B_FRAMES), [9, 20, 21, 63])


def turned_right(folder: Path) -> Path:
    return turned(make_clip(folder / "a.mp4", 30), folder / "b.mp4", TURN_RIGHT)


def mirrored(folder: Path) -> Path:
    return turned(make_clip(folder / "a.mp4", 30), folder / "b.mp4", MIRROR)


def mirrored_and_turned(folder: Path) -> Path:
    return turned(make_clip(folder / "a.mp4", 30), folder / "b.mp4", MIRROR_AND_TURN)


@pytest.fixture(scope="module")
def analyzer() -> PixelAnalyzer:
    return open_analyzer(Settings())


def test_a_frame_of_a_video_has_the_numbers_of_the_same_picture(analyzer: PixelAnalyzer) -> None:
    path = demo_media("single_face.mp4")
    plan, times = probe(path)
    segment = plan.segments[0]
    found = analyse_segment(path, plan, times, segment, analyzer)
    assert found is not None
    to_rgb = ToRgb(plan)
    reads = (each for each, _ in zip(read_segment(path, plan, times, segment), range(FRAMES), strict=False))
    for read, (number, _, faces) in zip(reads, found.faces(), strict=False):
        assert read.number == number
        alone = analyzer.analyze(to_rgb(read.frame))
        assert len(alone) == len(faces) == 1
        assert faces[0].box == pytest.approx(alone[0].box, abs=1e-6)
        assert faces[0].probabilities == pytest.approx(alone[0].probabilities, abs=1e-4)
        assert faces[0].emotion == alone[0].emotion
    first = next(found.faces())[2]
    assert VideoFaces(400.0, float(found.threshold)).follow(first, 0.0)[0].smoothed == first[0].probabilities


def test_colours_are_those_that_a_camera_would_have_had() -> None:
    path = demo_media("single_face.mp4")
    plan, times = probe(path)
    read = next(read_segment(path, plan, times, plan.segments[0]))
    difference = cv2.absdiff(ToRgb(plan)(read.frame), clip_frame(path, 0))
    assert float(np.mean(difference)) < 2


@pytest.mark.parametrize(
    "make", [damaged_jpegs, damaged_in_part, damaged_whole, turned_right, mirrored, mirrored_and_turned]
)
@pytest.mark.parametrize("every", [1, 3])
def test_a_notebook_reads_the_frames_of_a_job(make: Callable[[Path], Path], every: int, tmp_path: Path) -> None:
    clip = make(tmp_path)
    plan, times = probe(clip)
    looker = Looker()
    shown: list[tuple[int, float]] = []
    for segment in plan.segments:
        found = analyse_segment(clip, plan, times, segment, looker, every=every)
        assert found is not None
        shown.extend((number, plan.seconds_at(ticks)) for number, ticks, _ in found.faces())
    read = list(frames(clip, every))
    assert [(frame.number, frame.seconds) for frame in read] == shown
    np.testing.assert_array_equal([frame.read() for frame in read], looker.seen)
    results = list(FaceAnalyzer(runtime="onnxruntime", detector="haar").video(clip, every))
    assert [(result.seq, result.seconds) for result in results] == shown
    for result, seen in zip(results[::7], looker.seen[::7], strict=True):
        np.testing.assert_array_equal(result.pixels(), seen)
