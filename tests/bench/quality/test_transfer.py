from __future__ import annotations

import numpy as np
import pytest

from bench.quality.transfer import FRAME_HEIGHT, FRAME_WIDTH, Framed, Scene, compare
from models.evaluation.predictions import Predictions
from models.labelled.data import ArrayPictures

SCENE = Scene("plain", 100, tilt_deg=0, noise=0, quality=95)
BLACK = np.zeros((FRAME_HEIGHT, FRAME_WIDTH, 3), np.uint8)


def framed(scene: Scene) -> Framed:
    return Framed(ArrayPictures(np.full((2, 48, 48), 150, np.uint8), ("a", "b")), scene, (BLACK,))


def test_a_face_of_the_wanted_size_is_in_the_frame_as_bright_as_it_was() -> None:
    frame = framed(SCENE).read(0)
    assert frame.shape == (FRAME_HEIGHT, FRAME_WIDTH, 3)
    luma = frame @ np.array([0.299, 0.587, 0.114])
    rows, columns = (np.flatnonzero(luma.max(axis=axis) > 75) for axis in (1, 0))
    assert 85 <= len(rows) <= 102
    assert 85 <= len(columns) <= 102
    assert luma[rows[len(rows) // 2], columns[len(columns) // 2]] == pytest.approx(150, abs=6)
    assert np.array_equal(frame, framed(SCENE).read(0))


def test_light_from_one_side_falls_off() -> None:
    scene = Scene("side", 100, tilt_deg=0, from_side=True, noise=0, quality=95)
    luma = framed(scene).read(1).max(axis=(0, 2))
    lit = np.flatnonzero(luma > 40)
    assert luma[lit[len(lit) // 5]] > 1.4 * luma[lit[-len(lit) // 5]]


def test_only_faces_that_were_found_count() -> None:
    probabilities = np.full((1, 4, 8), np.nan)
    probabilities[0, :3] = np.eye(8)[[0, 1, 2]]
    boxes = np.zeros((4, 4), np.float32)
    boxes[3] = np.nan
    row = compare(SCENE, Predictions(probabilities, boxes, {}), np.array([0, 1, 3, 3]), np.array([0, 7, 3, 3]))
    assert (row.n, row.found) == (4, 0.75)
    assert (row.accuracy, row.as_crops) == pytest.approx((1 / 3, 2 / 3))
    assert row.cost == pytest.approx(100 / 3)
    assert row.same == pytest.approx(2 / 3)
