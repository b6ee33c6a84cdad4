"""Boxes and labels: the colours that people know, inside the picture, readable at any size."""

from __future__ import annotations

import numpy as np
import pytest

from mien.pixels import Rgb
from mien.types import Box, Face
from models.pictures.overlay import COLOURS, GREEN, GREY, RED, Bar, draw_faces, label_of, place_bar

EVEN = (0.125,) * 8


def _face(box: Box, emotion: str = "happy", confidence: float = 0.53, label: str = "") -> Face:
    return Face(box, emotion, confidence, EVEN, 0.0, 0.0, label=label, label_confidence=0.77 if label else 0.0)


def _frame(width: int = 1280, height: int = 720) -> Rgb:
    return np.full((height, width, 3), 90, np.uint8)


def test_each_emotion_has_the_colour_that_people_know() -> None:
    assert {name for name, colour in COLOURS.items() if colour == RED} == {
        "anger",
        "contempt",
        "disgust",
        "fear",
        "sad",
    }
    assert {name for name, colour in COLOURS.items() if colour == GREEN} == {"happy", "surprise"}
    assert {name for name, colour in COLOURS.items() if colour == GREY} == {"neutral", "uncertain"}


def test_the_label_says_emotion_and_confidence_and_prefers_the_smoothed_one() -> None:
    assert label_of(_face((0, 0, 9, 9))) == "happy (53%)"
    assert label_of(_face((0, 0, 9, 9), label="surprise")) == "surprise (77%)"


def test_the_box_is_two_pixels_wide_and_in_its_colour() -> None:
    frame = _frame()
    draw_faces(frame, [_face((500, 300, 200, 200))])
    row = frame[400, 480:520]
    assert (row == GREEN).all(axis=1).sum() == 2
    assert (frame[400, 560:640] == 90).all()


def test_boxes_grow_with_the_picture() -> None:
    frame = _frame(4000, 3000)
    draw_faces(frame, [_face((1500, 1000, 800, 800))])
    assert (frame[1400, 1480:1520] == GREEN).all(axis=1).sum() == 8


@pytest.mark.parametrize("size", [12, 24, 48, 100, 300, 680])
@pytest.mark.parametrize("frame", [(1280, 720), (320, 240), (4000, 3000), (48, 48)])
def test_the_bar_never_leaves_the_picture(size: int, frame: tuple[int, int]) -> None:
    width, height = frame
    for x in (-size / 2, 0, width / 2, width - size, width - size / 2):
        for y in (-size / 2, 0, height / 2, height - size, height - size / 2):
            bar = place_bar("uncertain (100%)", (x, y, size, size), width, height, 2)
            assert bar.left >= 0
            assert bar.top >= 0
            assert bar.left + bar.width <= width
            assert bar.top + bar.height <= height


def test_the_bar_is_above_its_box_when_there_is_room() -> None:
    bar = place_bar("happy (53%)", (500, 300, 100, 100), 1280, 720, 2)
    assert bar.top + bar.height <= 300
    assert bar.left <= 500


def test_text_is_readable_on_the_smallest_face() -> None:
    small, large = (place_bar("happy (53%)", (500, 300, side, side), 1280, 720, 2) for side in (16, 300))
    assert small.height >= 14
    assert large.height > 1.5 * small.height


def test_the_bar_of_a_neighbour_is_not_covered() -> None:
    bars: list[Bar] = []
    for x in (400, 440, 480):
        bars.append(place_bar("uncertain (53%)", (x, 300, 60, 60), 1280, 720, 2, bars))
    assert not any(one.covers(other) for one in bars for other in bars if one is not other)


def test_the_bar_is_white_with_dark_text() -> None:
    frame = _frame()
    draw_faces(frame, [_face((500, 300, 200, 200))])
    bar = place_bar("happy (53%)", (500, 300, 200, 200), 1280, 720, 2)
    inside = frame[bar.top : bar.top + bar.height, bar.left : bar.left + bar.width]
    assert (inside[0] == 255).all()
    assert (inside.max(axis=2) < 60).mean() > 0.05


def test_a_face_far_outside_the_picture_harms_nothing() -> None:
    frame = _frame()
    before = frame.copy()
    draw_faces(frame, [_face((-5000, -5000, 40, 40)), _face((5000, 5000, 40, 40))])
    assert (frame != before).any(axis=2).mean() < 0.01, "more than two labels at the edge"
