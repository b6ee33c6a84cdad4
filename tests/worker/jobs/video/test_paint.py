from __future__ import annotations

from dataclasses import replace

import av
import numpy as np
import pytest

from mien.pixels import Rgb
from mien.types import Face
from models.pictures.overlay import draw_faces
from worker.jobs.video.encode import planes_of
from worker.jobs.video.paint import Painter, matrix_of

FACE = Face((60.3, 50.6, 71.0, 80.2), "happy", 0.7, (0.0, 0.0, 0.0, 0.0, 0.7, 0.3, 0.0, 0.0), 0.5, 0.1)
EDGE = replace(FACE, box=(-20.0, -10.0, 60.0, 60.0), emotion="anger")


def frame_of(rgb: Rgb) -> av.VideoFrame:
    return av.VideoFrame.from_ndarray(rgb, format="rgb24").reformat(format="yuv420p")


def test_faces_look_as_in_a_photo() -> None:
    grey = np.full((240, 320, 3), 128, np.uint8)
    drawn = grey.copy()
    draw_faces(drawn, [FACE, EDGE])
    frame = frame_of(grey)
    Painter(320, 240, matrix_of(2, 0)).paint(planes_of(frame), [FACE, EDGE])
    shown = frame.to_ndarray(format="rgb24").astype(int)
    is_white = (drawn == 255).all(axis=2)
    assert is_white.sum() > 500
    assert np.abs(shown - drawn)[is_white].mean() < 3
    # Lines two pixels wide lose some colour to 4:2:0, on average little.
    assert np.abs(shown - drawn).mean() < 1.5


def test_pixels_away_from_the_faces_stay_as_they_were() -> None:
    noise = np.random.default_rng(7).integers(0, 256, (240, 320, 3), np.uint8)
    frame = frame_of(noise)
    before = [plane.copy() for plane in planes_of(frame)]
    Painter(320, 240, matrix_of(2, 0)).paint(planes_of(frame), [FACE])
    after = planes_of(frame)
    assert np.array_equal(before[0][140:], after[0][140:])
    inside = slice(60, 120), slice(70, 120)
    assert np.array_equal(before[0][inside], after[0][inside])
    assert not np.array_equal(before[0], after[0])


def test_nothing_of_one_frame_is_left_in_the_next() -> None:
    painter = Painter(320, 240, matrix_of(1, 1))
    first, second = (frame_of(np.full((240, 320, 3), 90, np.uint8)) for _ in range(2))
    before = [plane.copy() for plane in planes_of(second)]
    crowd = [replace(FACE, box=(x, y, 44.0, 44.0)) for x in (-30.0, 90.0, 290.0) for y in (-30.0, 60.0, 230.0)]
    painter.paint(planes_of(first), crowd)
    painter.paint(planes_of(second), [])
    painter.paint(planes_of(second), [replace(FACE, box=(1000.0, 1000.0, 50.0, 50.0), emotion="sad")])
    assert np.array_equal(before[0][:200], planes_of(second)[0][:200])


@pytest.mark.parametrize(
    ("space", "span", "colour", "wanted"),
    [
        (6, 1, (255, 255, 255), (235, 128, 128)),
        (6, 1, (255, 0, 0), (81, 90, 240)),
        (1, 1, (255, 0, 0), (63, 102, 240)),
        (6, 2, (255, 0, 0), (76, 85, 255)),
        (2, 0, (0, 0, 0), (16, 128, 128)),
    ],
)
def test_colours_follow_the_standards(
    space: int, span: int, colour: tuple[int, int, int], wanted: tuple[int, int, int]
) -> None:
    matrix = matrix_of(space, span)
    assert np.allclose(matrix.rows @ np.array(colour) + matrix.offsets, wanted, atol=1)
