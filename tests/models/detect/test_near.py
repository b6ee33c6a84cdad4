"""Faces that are expected: looked for in small windows, with the answer of the whole frame."""

from __future__ import annotations

import math
import statistics
import threading
import time

import cv2
import numpy as np
import pytest

from mien.pixels import Rgb
from mien.types import Box, Detection
from models.detect import blazeface as blazeface_module
from models.detect.blazeface import BlazeFace
from models.detect.detector import Detector, open_detector
from models.detect.windows import overlap
from tests.support.demo_media import clip, photo
from tests.support.media import astronaut, demo_media, yunet_file

EMPTY = np.full((720, 1280, 3), 90, np.uint8)


@pytest.fixture(scope="module")
def blazeface() -> Detector:
    return open_detector("blazeface")


@pytest.fixture(params=["blazeface", "yunet", "haar"], scope="module")
def detector(request: pytest.FixtureRequest) -> Detector:
    name = request.param
    return open_detector(name, yunet=yunet_file() if name == "yunet" else None)


def _on_frame(scale: float = 1.0, x: float = 0.0, y: float = 0.0, turned: float = 0.0) -> Rgb:
    """The astronaut on a frame of 1280×720, as large as given, moved and turned (degrees) about her face."""
    matrix = cv2.getRotationMatrix2D((223, 119), turned, scale)
    matrix[:, 2] += (400 + x - 223, 300 + y - 119)
    frame = cv2.warpAffine(astronaut(), matrix, (1280, 720), borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(frame, np.uint8)


def _largest(faces: tuple[Detection, ...]) -> Detection:
    return max(faces, key=lambda face: face.box[2])


def _hers(faces: tuple[Detection, ...]) -> Detection:
    """The one that `_on_frame` puts near the middle of the left half: Haar finds others in her suit."""

    def way(face: Detection) -> float:
        x, y, width, height = face.box
        return abs(x + width / 2 - 400) + abs(y + height / 2 - 300)

    return min(faces, key=way)


@pytest.mark.parametrize(
    ("scale", "x", "y", "turned"), [(1, 0, 0, 0), (1, 14, -9, 0), (1.08, 0, 0, 0), (0.93, -8, 5, 0), (1, 0, 0, 6)]
)
def test_a_face_that_moves_grows_or_turns_a_little_is_followed(
    detector: Detector, scale: float, x: float, y: float, turned: float
) -> None:
    before = _hers(detector.detect(_on_frame()))
    now = _on_frame(scale, x, y, turned)
    (found,) = detector.near(now, [before.box])
    expected = _hers(detector.detect(now))
    assert found is not None
    assert overlap(found.box, expected.box) > 0.8
    assert len(found.landmarks) == len(expected.landmarks)
    for point, other in zip(found.landmarks, expected.landmarks, strict=True):
        assert point == pytest.approx(other, abs=0.08 * expected.box[2])


@pytest.mark.parametrize("side", [1.2, 2.2, 5.0])
def test_faces_of_all_sizes_are_followed(detector: Detector, side: float) -> None:
    frame = _on_frame(side)
    expected = _hers(detector.detect(frame))
    (found,) = detector.near(frame, [expected.box])
    assert found is not None
    assert overlap(found.box, expected.box) > 0.75


def test_a_tiny_face_is_followed(blazeface: Detector) -> None:
    frame = _on_frame(0.5)
    expected = _largest(blazeface.detect(frame))
    assert expected.box[2] < 60
    (found,) = blazeface.near(frame, [expected.box])
    assert found is not None
    assert overlap(found.box, expected.box) > 0.8


def test_where_no_face_is_now_there_is_none(detector: Detector) -> None:
    box = _largest(detector.detect(_on_frame())).box
    assert detector.near(EMPTY, [box, box]) == (None, None)
    assert detector.near(_on_frame(x=500), [box]) == (None,)


def test_no_boxes_are_no_faces(detector: Detector) -> None:
    assert detector.near(EMPTY, []) == ()


@pytest.mark.parametrize(
    "box", [(0, 0, 0, 0), (9e9, 0, 90, 90), (-9e3, -9e3, 90, 90), (0, 0, 9e9, 9e9), (math.nan, 0, 9, 9), (5, 5, -9, -9)]
)
def test_where_no_face_can_be_there_is_none(detector: Detector, box: Box) -> None:
    frame = _on_frame()
    face = _hers(detector.detect(frame)).box
    found = detector.near(frame, [box, face])
    assert found[0] is None
    assert found[1] is not None


def test_two_faces_beside_each_other_keep_their_own(detector: Detector) -> None:
    frame = EMPTY.copy()
    face = astronaut()[20:220, 140:310]
    frame[200:400, 300:470] = frame[200:400, 470:640] = face
    left, right = sorted(found.box for found in detector.detect(frame))[:2]
    one, other = detector.near(frame, [right, left])
    assert one is not None
    assert other is not None
    assert overlap(one.box, right) > 0.75
    assert overlap(other.box, left) > 0.75


def test_one_face_is_never_two(detector: Detector) -> None:
    frame = _on_frame()
    x, y, width, height = _largest(detector.detect(frame)).box
    beside: Box = (x + 0.3 * width, y, width, height)
    found = detector.near(frame, [beside, (x, y, width, height)])
    assert found[0] is None
    assert found[1] is not None


def test_five_people_keep_their_faces(blazeface: Detector) -> None:
    picture = photo(demo_media("multi_face.jpg"))
    expected = [face.box for face in blazeface.detect(picture)]
    found = blazeface.near(picture, expected)
    assert len(found) == 5
    for face, box in zip(found, expected, strict=True):
        assert face is not None
        assert overlap(face.box, box) > 0.75


@pytest.mark.parametrize("edge", ["left", "top"])
def test_a_face_at_the_edge_of_the_frame_is_followed(blazeface: Detector, edge: str) -> None:
    whole = astronaut()
    frame: Rgb = np.ascontiguousarray(whole[:, 185:] if edge == "left" else whole[70:])
    expected = _largest(blazeface.detect(frame))
    (found,) = blazeface.near(frame, [expected.box])
    assert found is not None
    assert overlap(found.box, expected.box) > 0.75


def test_a_face_that_fills_the_frame_is_followed_on_windows_larger_than_the_frame(blazeface: Detector) -> None:
    close: Rgb = np.ascontiguousarray(astronaut()[40:200, 140:310])
    for size in ((1020, 960), (170, 160), (68, 64)):
        frame = np.asarray(cv2.resize(close, size, interpolation=cv2.INTER_AREA), np.uint8)
        faces = blazeface.detect(frame)
        expected = _largest(faces).box if faces else (0.2 * size[0], 0.2 * size[1], 0.7 * size[0], 0.7 * size[1])
        (found,) = blazeface.near(frame, [expected])
        assert found is not None
        assert overlap(found.box, expected) > 0.6


def test_followed_faces_of_a_clip_are_where_they_are_detected_in_whole_frames(blazeface: Detector) -> None:
    overlaps, missed = [], 0
    boxes: list[Box] = []
    for number, frame in enumerate(clip(demo_media("WolfgangLanger_Pexels.mp4"))):
        if number == 96:
            break
        expected = blazeface.detect(frame)
        if number % 4 == 0:
            boxes = [face.box for face in expected]
            continue
        found = blazeface.near(frame, boxes)
        missed += found.count(None)
        boxes = [face.box for face in found if face is not None]
        overlaps += [max((overlap(box, face.box) for face in expected), default=0.0) for box in boxes]
    assert missed == 0
    assert statistics.median(overlaps) > 0.9
    assert min(overlaps) > 0.7


def test_nets_are_prepared_on_another_thread_while_faces_are_found() -> None:
    detector = BlazeFace(48)
    frame = _on_frame()
    expected = detector.detect(frame)
    shapes = [(1280, 720), (640, 480), (1111, 480)]
    thread = threading.Thread(target=detector.prepare, args=(shapes, 96))
    thread.start()
    while thread.is_alive():
        assert detector.detect(frame) == expected
        assert detector.near(frame, [expected[0].box])[0] is not None
    thread.join()
    compiled = detector._nets.shapes
    for width, height in shapes:
        assert detector.detect(np.zeros((height, width, 3), np.uint8), 96) == ()
    detector.near(frame, [expected[0].box] * 3)
    assert detector._nets.shapes == compiled


def test_a_larger_smallest_face_of_one_detection_leaves_the_next_as_it_was(detector: Detector) -> None:
    frame = _on_frame(0.5)
    before = detector.detect(frame)
    assert _largest(before).box[2] < 80
    assert detector.detect(frame, 240) == ()
    assert detector.detect(frame) == before
    large = _on_frame(3)
    assert overlap(_largest(detector.detect(large, 240)).box, _largest(detector.detect(large)).box) > 0.7


def test_which_canvas_has_a_net_of_its_own_depends_on_what_was_asked_for_alone() -> None:
    for smallest in (48, 64, 96):
        usual = blazeface_module.usual_canvases(smallest)
        for width, height in ((1280, 720), (640, 480), (1920, 1080), (720, 1280)):
            canvas = blazeface_module.fine_canvas(width, height, smallest)
            assert (canvas.width, canvas.height) in usual


def test_following_two_faces_takes_a_small_part_of_a_whole_frame(blazeface: Detector) -> None:
    frame = EMPTY.copy()
    frame[100:612, 60:572] = frame[100:612, 640:1152] = astronaut()
    boxes = [face.box for face in blazeface.detect(frame)]
    assert len(boxes) == 2
    times_ms: dict[str, list[float]] = {"detect": [], "near": []}
    for _ in range(9):
        start = time.process_time()
        blazeface.detect(frame)
        between = time.process_time()
        blazeface.near(frame, boxes)
        times_ms["detect"].append(1000 * (between - start))
        times_ms["near"].append(1000 * (time.process_time() - between))
    assert statistics.median(times_ms["near"]) < 0.5 * statistics.median(times_ms["detect"])
