from __future__ import annotations

import numpy as np
import pytest

from models.training.batches import batches, class_weights
from models.training.data import FaceSet
from models.training.plan import Augmentation, Plan
from models.training.prior import SLACK, shift
from models.training.score import score


def faces(sizes: tuple[int, ...]) -> FaceSet:
    labels = np.repeat(np.arange(8), sizes).astype(np.int64)
    pictures = np.random.default_rng(1).integers(0, 256, (len(labels), 48, 48)).astype(np.uint8)
    return FaceSet(pictures, np.eye(8, dtype=np.float32)[labels], labels, np.zeros(len(labels), bool))


def test_a_resumed_epoch_sees_the_batches_it_would_have_seen() -> None:
    data, plan = faces((8,) * 8), Plan(batch=16, balance=0.5, augmentation=Augmentation(mixup=0.5))
    whole = list(batches(data, plan, 32, epoch=3))
    rest = list(batches(data, plan, 32, epoch=3, first=2))
    assert len(whole) == 4
    for one, other in zip(whole[2:], rest, strict=True):
        np.testing.assert_array_equal(one.pictures, other.pictures)
        np.testing.assert_array_equal(one.targets, other.targets)


def test_rare_classes_come_more_often_when_asked() -> None:
    data = faces((400, 4, 4, 4, 400, 400, 4, 4))
    plain, fair = Plan(batch=100), Plan(batch=100, balance=1.0)
    counts = [sum(batch.targets.sum(axis=0) for batch in batches(data, plan, 32, 0)) for plan in (plain, fair)]
    assert counts[0][1] <= 4
    assert counts[1][1] > 75


def test_class_weights_have_a_mean_of_one_over_faces() -> None:
    data = faces((400, 4, 0, 4, 400, 400, 4, 4))
    assert class_weights(data, 0.0) == pytest.approx(np.ones(8))
    weights = class_weights(data, 0.5)
    assert weights[data.labels].mean() == pytest.approx(1.0)
    assert weights[1] / weights[0] == pytest.approx(10.0)


def test_the_shift_helps_rare_classes_and_costs_little_accuracy() -> None:
    rng = np.random.default_rng(2)
    labels = rng.choice(8, 4000, p=[0.02, 0.01, 0.01, 0.03, 0.35, 0.38, 0.1, 0.1]).astype(np.int64)
    logits = (2.0 * np.eye(8)[labels] + rng.normal(0, 1, (4000, 8))).astype(np.float32)
    logits += 1.5 * np.log(np.bincount(labels, minlength=8) / 4000).astype(np.float32)
    moved = logits + shift(logits, labels)
    before, after = score(logits, labels), score(moved, labels)
    assert after.accuracy >= before.accuracy - SLACK
    assert after.macro_f1 > before.macro_f1
