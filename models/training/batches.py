"""The batches of an epoch: pictures in a fixed random order, changed, and with the targets that they are to teach."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.labelled.ferplus import FaceSet
from models.training.augment import augment, mixup
from models.training.plan import TrainingPlan
from models.training.teacher import Teacher

BATCHES_AHEAD = 6


class Batch(NamedTuple):
    """`pictures` float32 [N, size, size, 1], 0 to 255; `targets` [N, 8], rows sum to 1; `weights` [N] of the loss.

    `points` [N, 2]: valence and arousal, NaN where unknown; None when the data has none.
    """

    pictures: NDArray[np.float32]
    targets: NDArray[np.float32]
    weights: NDArray[np.float32]
    points: NDArray[np.float32] | None = None


def batches(
    faces: FaceSet, plan: TrainingPlan, size: int, epoch: int, first: int = 0, teacher: Teacher | None = None
) -> Iterator[Batch]:
    """Yield an epoch's batches from number `first` on; a batch depends on seed, epoch and its number only."""
    # Blended pictures get blended points too: what is unknown of one of them stays unknown.
    taught = faces.targets if faces.points is None else np.column_stack([faces.targets, faces.points])
    classes = faces.targets.shape[1]
    order = _order(faces, plan, np.random.default_rng([plan.seed, epoch]))
    by_class = class_weights(faces, plan.class_weights)
    for number in range(first, len(faces) // plan.batch):
        rows = order[number * plan.batch : (number + 1) * plan.batch]
        rng = np.random.default_rng([plan.seed, epoch, number])
        pictures = augment(faces.pictures[rows], size, rng, plan.augmentation)
        pictures, mixed = mixup(pictures, taught[rows], rng, plan.augmentation)
        targets, points = mixed[:, :classes], None if faces.points is None else mixed[:, classes:]
        weights = targets @ by_class
        if teacher is not None:
            targets = (1 - plan.distil) * targets + np.float32(plan.distil) * teacher.opinions(pictures)
        yield Batch(pictures, targets, weights, points)


def batches_ahead(
    faces: FaceSet, plan: TrainingPlan, size: int, epoch: int, first: int = 0, teacher: Teacher | None = None
) -> Iterator[Batch]:
    """Yield `batches`, made on a thread a few batches ahead; the thread ends when the reader does."""
    ready: queue.Queue[Batch | BaseException | None] = queue.Queue(maxsize=BATCHES_AHEAD)
    done = threading.Event()

    def put(item: Batch | BaseException | None) -> None:
        while not done.is_set():
            try:
                return ready.put(item, timeout=0.2)
            except queue.Full:
                continue
        return None

    def fill() -> None:
        try:
            for batch in batches(faces, plan, size, epoch, first, teacher):
                put(batch)
                if done.is_set():
                    return
            put(None)
        except Exception as error:  # handed to the reader, who raises it
            put(error)

    thread = threading.Thread(target=fill, name="augment", daemon=True)
    thread.start()
    try:
        while (item := ready.get()) is not None:
            if isinstance(item, BaseException):
                raise item
            yield item
    finally:
        done.set()
        thread.join()


def class_weights(faces: FaceSet, power: float) -> NDArray[np.float32]:
    """Return a loss weight for each class [8], proportional to its size to the power of -`power`, of mean 1 over faces.

    Classes without faces get 1.
    """
    sizes = np.bincount(faces.labels, minlength=faces.targets.shape[1]).astype(np.float64)
    weights = np.where(sizes > 0, np.maximum(sizes, 1) ** -power, 1.0)
    present = sizes > 0
    weights[present] *= sizes.sum() / (weights[present] * sizes[present]).sum()
    return weights.astype(np.float32)


def _order(faces: FaceSet, plan: TrainingPlan, rng: np.random.Generator) -> NDArray[np.int64]:
    """Return the rows of an epoch: each once, or drawn so that rare classes come more often."""
    if plan.balance == 0:
        return rng.permutation(len(faces))
    sizes = np.bincount(faces.labels, minlength=faces.targets.shape[1])
    weights = np.asarray(sizes[faces.labels], np.float64) ** -plan.balance
    return rng.choice(len(faces), len(faces), p=weights / weights.sum())
