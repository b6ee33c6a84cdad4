"""Crops: eyes where the classifier was trained to see them, upright, without aliasing."""

from __future__ import annotations

import math

import numpy as np
import pytest

from mien.types import Detection
from models.align import Square, align, cut, square_of
from models.nets.weights import CropGeometry
from tests.support.media import astronaut

GEOMETRY = CropGeometry(size=48, eye_x=0.5, eye_y=0.4, eye_distance=0.4)


def _marked(eyes: tuple[tuple[float, float], tuple[float, float]], side: int = 400) -> np.ndarray:
    rgb = np.zeros((side, side, 3), np.uint8)
    rows, columns = np.mgrid[:side, :side] + 0.5
    for (x, y), channel in zip(eyes, (0, 1), strict=True):
        rgb[:, :, channel] = 255 * np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / 200)
    return rgb


def _centre(channel: np.ndarray) -> tuple[float, float]:
    weights = channel.astype(float) / channel.sum()
    rows, columns = np.mgrid[: channel.shape[0], : channel.shape[1]] + 0.5
    return float((weights * columns).sum()), float((weights * rows).sum())


@pytest.mark.parametrize("angle", [-40, 0, 25])
def test_the_eyes_land_where_the_geometry_says(angle: float) -> None:
    turn = math.radians(angle)
    right = (200 - 40 * math.cos(turn), 180 - 40 * math.sin(turn))
    left = (200 + 40 * math.cos(turn), 180 + 40 * math.sin(turn))
    crop = align(_marked((right, left)), Detection((150, 130, 100, 120), 0.9, (right, left)), GEOMETRY, 3)
    assert crop.shape == (48, 48, 3)
    assert _centre(crop[:, :, 0]) == pytest.approx((48 * 0.3, 48 * 0.4), abs=0.3)
    assert _centre(crop[:, :, 1]) == pytest.approx((48 * 0.7, 48 * 0.4), abs=0.3)


def test_without_landmarks_the_box_decides() -> None:
    square = square_of(Detection((100, 50, 80, 100), 1.0), CropGeometry(size=48, box_scale=1.2, box_shift_y=0.1))
    assert (square.x, square.y, square.side, square.angle) == (140, 110, 120, 0)


def test_a_head_that_turns_away_keeps_its_size() -> None:
    frontal = ((80.0, 100.0), (120.0, 100.0), (100.0, 125.0), (100.0, 145.0))
    turned = ((90.0, 100.0), (110.0, 100.0), (115.0, 125.0), (102.0, 145.0))
    sides = [square_of(Detection((60, 60, 80, 110), 0.9, points), GEOMETRY).side for points in (frontal, turned)]
    assert sides[1] == pytest.approx(sides[0], rel=0.05)


def test_one_channel_is_grey_and_three_are_colour() -> None:
    face = Detection((178, 63, 90, 113), 0.9, ((202.0, 102.0), (246.0, 103.0)))
    colour, grey = align(astronaut(), face, GEOMETRY, 3), align(astronaut(), face, GEOMETRY, 1)
    assert grey.shape == (48, 48, 1)
    assert np.abs(grey[:, :, 0].astype(float) - colour @ (0.299, 0.587, 0.114)).max() < 1


@pytest.mark.parametrize("side", [97.3, 240.0, 1000.7])
def test_fine_patterns_average_out_instead_of_aliasing(side: float) -> None:
    checker = np.indices((1100, 1100)).sum(axis=0) % 2 * 255
    rgb = np.repeat(checker[:, :, np.newaxis], 3, axis=2).astype(np.uint8)
    crop = cut(rgb, Square(550.3, 550.9, side, 0.2), 48)
    assert np.abs(crop.astype(float) - 127.5).max() < 24


def test_beyond_the_edge_the_border_is_repeated() -> None:
    rgb = np.full((60, 60, 3), 200, np.uint8)
    for centre in ((0.0, 0.0), (60.0, 60.0), (-500.0, 30.0)):
        assert (cut(rgb, Square(*centre, side=80), 48) == 200).all()


def test_a_crop_of_the_whole_picture_at_its_size_is_the_picture() -> None:
    rgb = astronaut()[:48, :48]
    assert np.array_equal(cut(rgb, Square(24, 24, 48), 48), rgb)
