from __future__ import annotations

import cv2
import numpy as np
import pytest

from models.training.augment import augment, cut_out, degrade, relight, warp
from models.training.plan import Augmentation, TrainingPlan, learning_rate
from tests.support.tiny_faces import picture

STILL = Augmentation(rotation_deg=0, shift=0, scale=1, shear=0, flip=0, light=0, degrade=0, cutout=0)


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def test_without_changes_a_picture_stays_itself(rng: np.random.Generator) -> None:
    faces = np.stack([picture(0, rng), picture(7, rng)])
    np.testing.assert_array_equal(augment(faces, 48, rng, STILL)[..., 0], faces)


def test_a_flip_mirrors(rng: np.random.Generator) -> None:
    face = picture(0, rng)
    flipped = warp(face, 48, rng, Augmentation(rotation_deg=0, shift=0, scale=1, shear=0, flip=1))
    np.testing.assert_array_equal(flipped, face[:, ::-1])


def test_the_same_seed_gives_the_same_pictures() -> None:
    faces = np.stack([picture(index % 8, np.random.default_rng(index)) for index in range(16)])
    first, again = (augment(faces, 48, np.random.default_rng(5)) for _ in range(2))
    np.testing.assert_array_equal(first, again)
    assert (first != augment(faces, 48, np.random.default_rng(6))).any()


@pytest.mark.parametrize("size", [32, 48, 64])
def test_every_change_keeps_form_and_range(rng: np.random.Generator, size: int) -> None:
    always = Augmentation(light=1, degrade=1, cutout=1)
    faces = np.stack([picture(index % 8, rng) for index in range(40)])
    changed = augment(faces, size, rng, always)
    assert changed.shape == (40, size, size, 1)
    assert changed.dtype == np.float32
    assert changed.min() >= 0
    assert changed.max() <= 255


def test_a_face_stays_recognisable(rng: np.random.Generator) -> None:
    """The middle of the picture is still seen: shift, zoom and turn stay within what a detector's jitter is."""
    face = np.zeros((48, 48), np.uint8)
    cv2.circle(face, (24, 24), 6, 255, -1)
    for _ in range(200):
        moved = warp(face, 48, rng, Augmentation())
        ys, xs = np.nonzero(moved > 250)
        assert np.hypot(xs - 24, ys - 24).min() < 6


def test_single_changes_keep_size(rng: np.random.Generator) -> None:
    face = picture(3, rng)
    for change in (relight, degrade, cut_out):
        for _ in range(20):
            changed = change(face, rng)
            assert changed.shape == face.shape
            assert changed.dtype == np.uint8


def test_the_schedule_warms_up_peaks_and_ends_low() -> None:
    plan = TrainingPlan(learning_rate=1e-3, warm_up_steps=100)
    assert learning_rate(plan, 0, 0.0) == pytest.approx(1e-5)
    assert learning_rate(plan, 100, 0.0) == pytest.approx(1e-3)
    assert learning_rate(plan, 5000, 0.5) == pytest.approx(0.505e-3)
    assert learning_rate(plan, 9000, 1.0) == pytest.approx(1e-5)
