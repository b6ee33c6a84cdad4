from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from models.evaluation.score import score
from models.labelled.ferplus import FaceSet
from models.training.batches import batches, class_weights
from models.training.exporting.prior import FLOOR_FACES, PROMISED_RECALL, SLACK, floor_of, shift
from models.training.plan import Augmentation, TrainingPlan


def faces(sizes: tuple[int, ...]) -> FaceSet:
    labels = np.repeat(np.arange(8), sizes).astype(np.int64)
    pictures = np.random.default_rng(1).integers(0, 256, (len(labels), 48, 48)).astype(np.uint8)
    return FaceSet(pictures, np.eye(8, dtype=np.float32)[labels], labels, np.zeros(len(labels), bool))


def test_a_resumed_epoch_sees_the_batches_it_would_have_seen() -> None:
    data, plan = faces((8,) * 8), TrainingPlan(batch=16, balance=0.5, augmentation=Augmentation(mixup=0.5))
    whole = list(batches(data, plan, 32, epoch=3))
    rest = list(batches(data, plan, 32, epoch=3, first=2))
    assert len(whole) == 4
    for one, other in zip(whole[2:], rest, strict=True):
        np.testing.assert_array_equal(one.pictures, other.pictures)
        np.testing.assert_array_equal(one.targets, other.targets)


def test_rare_classes_come_more_often_when_asked() -> None:
    data = faces((400, 4, 4, 4, 400, 400, 4, 4))
    plain, fair = TrainingPlan(batch=100), TrainingPlan(batch=100, balance=1.0)
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


def some_logits(sizes: tuple[int, ...], weak: int, by: float) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Logits that mostly tell eight classes, and one of them `by` too low."""
    labels = np.repeat(np.arange(8), sizes).astype(np.int64)
    logits = 3.0 * np.eye(8)[labels] + np.random.default_rng(4).normal(0, 1, (len(labels), 8))
    logits[:, weak] -= by
    return logits.astype(np.float32), labels


def recall(logits: NDArray[np.float32], labels: NDArray[np.int64], of: int) -> float:
    return float((logits[labels == of].argmax(axis=1) == of).mean())


def test_a_class_that_is_overlooked_is_raised_on_its_own_as_far_as_accuracy_allows() -> None:
    logits, labels = some_logits((500, 60, 60, 80, 500, 500, 500, 500), weak=3, by=2.0)
    moved = logits + shift(logits, labels)
    assert floor_of(80) > 0.7
    assert recall(logits, labels, 3) < floor_of(80) <= recall(moved, labels, 3)
    assert score(moved, labels).accuracy >= score(logits, labels).accuracy - SLACK


def test_of_fewer_faces_more_must_be_recognised_to_be_sure() -> None:
    floors = [floor_of(faces) for faces in (62, 351, 100_000)]
    assert floors == sorted(floors, reverse=True)
    assert floors[0] == 47 / 62
    assert floors[2] == pytest.approx(PROMISED_RECALL, abs=0.005)
    rng = np.random.default_rng(0)
    others = rng.binomial(62, rng.binomial(62, floors[0], 20_000) / 62) / 62
    assert (others >= PROMISED_RECALL).mean() > 0.95


def test_a_class_with_few_faces_gets_no_shift_of_its_own() -> None:
    logits, labels = some_logits((500,) * 3 + (FLOOR_FACES - 1,) + (500,) * 4, weak=3, by=2.0)
    moves = shift(logits, labels)
    rarity = -np.log(np.bincount(labels, minlength=8) / len(labels))
    rarity -= rarity.mean()
    assert moves == pytest.approx(moves[3] / rarity[3] * rarity, abs=1e-5)
