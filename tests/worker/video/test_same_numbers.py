"""The models on a real face: a video's numbers are those that its frames have as pictures."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from bench.media import clip_frame
from mien.settings import Settings
from models.analyzer import PixelAnalyzer, open_analyzer
from models.follow import VideoFaces
from tests.media import demo_media
from worker.video.analyse import analyse_segment
from worker.video.probe import probe
from worker.video.read import ToRgb, read_segment

FRAMES = 10


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
