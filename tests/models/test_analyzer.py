"""From pictures to faces with the weights that ship: real faces, real models."""

from __future__ import annotations

import time
from pathlib import Path

import cv2
import numpy as np
import pytest

from mien.errors import SettingsError, WeightsError
from mien.settings import Settings
from mien.types import EMOTIONS, Face
from models.analyzer import PixelAnalyzer, open_analyzer
from models.pictures.overlay import draw_faces
from models.pictures.picture import decode, encode_jpeg
from tests.support.demo_media import clip, photo
from tests.support.media import astronaut, demo_media


@pytest.fixture(scope="module")
def analyzer() -> PixelAnalyzer:
    return open_analyzer(Settings(runtime="onnxruntime"))


def test_the_astronaut_shows_a_happy_face(analyzer: PixelAnalyzer) -> None:
    (face,) = analyzer.analyze(astronaut())
    assert face.emotion == "happy"
    assert face.confidence == max(face.probabilities) > 0.5
    assert sum(face.probabilities) == pytest.approx(1, abs=1e-9)
    assert len(face.probabilities) == len(EMOTIONS)
    assert face.valence > 0.3


def test_the_demo_clip_turns_from_unhappy_to_laughing(analyzer: PixelAnalyzer) -> None:
    frames = list(clip(demo_media("WolfgangLanger_Pexels.mp4")))
    unhappy, laughing = ([analyzer.analyze(frame)[0] for frame in part[::6]] for part in (frames[96:150], frames[380:]))
    assert {face.emotion for face in laughing} == {"happy"}
    assert "happy" not in {face.emotion for face in unhappy}
    assert max(face.valence for face in unhappy) < min(face.valence for face in laughing)


def test_a_picture_without_faces_has_none(analyzer: PixelAnalyzer) -> None:
    assert analyzer.analyze(np.full((360, 640, 3), 120, np.uint8)) == ()


def test_many_pictures_give_what_each_gives_alone(analyzer: PixelAnalyzer) -> None:
    pictures = [photo(demo_media("multi_face.jpg")), astronaut(), np.zeros((90, 160, 3), np.uint8)]
    together, stages_ms = analyzer.analyze_many(pictures)
    assert [len(faces) for faces in together] == [5, 1, 0]
    assert set(stages_ms) == {"detect", "classify"}
    for faces, picture in zip(together, pictures, strict=True):
        _assert_same(faces, analyzer.analyze(picture))


def test_no_pictures_are_no_faces(analyzer: PixelAnalyzer) -> None:
    assert analyzer.analyze_many([])[0] == []


def test_another_analyzer_and_another_runtime_give_the_same_numbers(analyzer: PixelAnalyzer) -> None:
    picture = decode(encode_jpeg(photo(demo_media("multi_face.jpg"))))
    expected = analyzer.analyze(picture)
    for runtime in ("openvino", "onnxruntime"):
        _assert_same(open_analyzer(Settings(runtime=runtime)).analyze(picture), expected)


def test_haar_without_landmarks_works_too() -> None:
    analyzer = open_analyzer(Settings(detector="haar", runtime="onnxruntime"))
    faces = analyzer.analyze(astronaut())
    assert faces[0].emotion == "happy"
    assert faces[0].landmarks == ()


def test_a_frame_of_two_faces_fits_the_budget_with_slack(analyzer: PixelAnalyzer) -> None:
    frame = np.zeros((720, 1280, 3), np.uint8)
    frame[:640, :640] = frame[:640, 640:] = cv2.resize(astronaut(), (640, 640))
    jpeg = encode_jpeg(frame)
    times_ms = []
    for _ in range(5):
        start = time.process_time()
        picture = decode(jpeg)
        faces = analyzer.analyze(picture)
        draw_faces(picture, faces)
        encode_jpeg(picture, 80)
        times_ms.append(1000 * (time.process_time() - start))
    assert len(faces) == 2
    assert min(times_ms) < 5 * 40


def test_missing_weights_are_one_line(tmp_path: Path) -> None:
    with pytest.raises(WeightsError):
        open_analyzer(Settings(weights=tmp_path / "none.zip"))


def test_a_detector_that_cannot_open_says_why(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="yunet"):
        open_analyzer(Settings(detector="yunet", yunet=tmp_path / "none.onnx", runtime="onnxruntime"))


def _assert_same(found: tuple[Face, ...], expected: tuple[Face, ...]) -> None:
    assert [face.emotion for face in found] == [face.emotion for face in expected]
    for one, other in zip(found, expected, strict=True):
        assert one.box == pytest.approx(other.box, abs=1)
        assert one.probabilities == pytest.approx(other.probabilities, abs=1e-4)
