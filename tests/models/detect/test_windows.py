"""Windows onto a frame: what they show, and which face in them is the one that is expected."""

from __future__ import annotations

import numpy as np
import pytest

from mien.types import Box, Detection
from models.detect.candidates import Candidates
from models.detect.windows import Window, assign, fits, overlap, window_around

FACE: Box = (100.0, 80.0, 50.0, 60.0)


def _frame(width: int, height: int) -> np.ndarray:
    return np.random.default_rng(0).integers(1, 256, (height, width, 3), np.uint8)


def test_a_window_has_the_face_in_its_middle_at_the_size_that_is_asked_for() -> None:
    for side in (60.0, 200.0, 431.0, 900.0):
        window = window_around((300.0, 200.0, side, side), 96, 48, 1.0)
        assert window.scale * side == pytest.approx(48, rel=0.02)
        assert window.left + window.side / 2 == pytest.approx(300 + side / 2, abs=1)
        assert window.top + window.side / 2 == pytest.approx(200 + side / 2, abs=1)


def test_a_face_is_never_larger_on_a_window_than_in_the_whole_frame() -> None:
    assert window_around((0, 0, 50, 50), 96, 48, 0.5).scale == pytest.approx(0.5)
    assert window_around((0, 0, 20, 20), 96, 48, 3.0).scale == 1


def test_a_window_shows_its_part_of_the_frame_and_black_beyond() -> None:
    frame = _frame(200, 100)
    inside = Window(left=20, top=3, side=96, canvas_side=96)
    assert (inside.cut(frame) == frame[3:99, 20:116]).all()
    outside = Window(left=-30, top=40, side=96, canvas_side=96).cut(frame)
    assert outside.shape == (96, 96, 3)
    assert (outside[:60, 30:] == frame[40:, :66]).all()
    assert not outside[60:].any()
    assert not outside[:, :30].any()


@pytest.mark.parametrize(("left", "top"), [(-500, 0), (1300, 0), (0, -200), (0, 800), (-97, -97)])
def test_a_window_beside_the_frame_is_black(left: int, top: int) -> None:
    assert not Window(left=left, top=top, side=96, canvas_side=96).cut(_frame(1280, 720)).any()


def test_candidates_map_back_to_the_frame() -> None:
    window = Window(left=-10, top=30, side=192, canvas_side=96)
    seen = Candidates(
        np.array([[5, 10, 25, 40]], np.float32), np.ones(1, np.float32), np.array([[[7, 8]] * 4], np.float32)
    )
    found = window.in_frame(seen)
    assert found.boxes[0] == pytest.approx((0, 50, 40, 110))
    assert found.landmarks[0, 0] == pytest.approx((4, 46))


@pytest.mark.parametrize(
    ("box", "expected"),
    [
        (FACE, True),
        ((120.0, 90.0, 50.0, 60.0), True),
        ((160.0, 80.0, 50.0, 60.0), False),
        ((95.0, 75.0, 60.0, 70.0), True),
        ((70.0, 50.0, 110.0, 120.0), False),
        ((115.0, 100.0, 20.0, 22.0), False),
    ],
)
def test_a_face_fits_when_it_is_near_and_of_about_the_same_size(box: Box, expected: bool) -> None:
    assert fits(FACE, box) is expected


def test_the_best_pair_goes_first_and_no_face_is_given_twice() -> None:
    here = Detection(FACE, 0.8)
    same = Detection((102.0, 81.0, 50.0, 60.0), 0.7)
    shifted: Box = (115.0, 80.0, 50.0, 60.0)
    assert assign([shifted, FACE], [[same], [here]]) == (None, here)
    assert assign([FACE, shifted], [[here], []]) == (here, None)


def test_of_several_faces_in_a_window_the_expected_one_is_taken() -> None:
    other, mine = Detection((140.0, 80.0, 50.0, 60.0), 0.9), Detection((98.0, 80.0, 50.0, 60.0), 0.8)
    assert assign([FACE], [[other, mine]]) == (mine,)


def test_overlap_of_empty_boxes_is_none() -> None:
    assert overlap((0, 0, 0, 0), (0, 0, 0, 0)) == 0
