"""What a net with a head for valence and arousal is taught: emotions by cross-entropy, the two by their concordance.

1 − CCC (Lin, 1989) is the usual loss of such heads: unlike a squared error it is not content with the mean
(Kollias and Zafeiriou, "Expression, Affect, Action Unit Recognition", 2019, use the same sum).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray

from mien.types import EMOTIONS
from models.nets.heads import logits_in

if TYPE_CHECKING:
    from models.training.batches import Batch

STEADY = 1e-6
"""Added to the spread below the fraction: a batch in which nothing varies has no concordance, and no jump either."""

_KNOWN, _WEIGHTS = len(EMOTIONS) + 2, len(EMOTIONS) + 3


def lesson(batch: Batch) -> NDArray[np.float32]:
    """Return what `EmotionAndPoint` takes for a batch, [N, 12]: targets, valence, arousal, known or not, weight."""
    points = np.full((len(batch.targets), 2), np.nan, np.float32) if batch.points is None else batch.points
    known = np.asarray(~np.isnan(points).any(axis=1))
    return np.column_stack([batch.targets, np.where(known[:, np.newaxis], points, 0), known, batch.weights]).astype(
        np.float32
    )


def concordance(truth: keras.KerasTensor, found: keras.KerasTensor, known: keras.KerasTensor) -> keras.KerasTensor:
    """Return the CCC [K] of columns [N, K] over the rows that `known` [N] (0 or 1) marks; 0 when there are none."""
    rows = known[:, None]
    count = ops.maximum(ops.sum(known), 1.0)
    true_mean, found_mean = (ops.sum(rows * each, axis=0) / count for each in (truth, found))
    true_apart, found_apart = truth - true_mean, found - found_mean
    covariance = ops.sum(rows * true_apart * found_apart, axis=0) / count
    spread = ops.sum(rows * (ops.square(true_apart) + ops.square(found_apart)), axis=0) / count
    return 2 * covariance / (spread + ops.square(true_mean - found_mean) + STEADY)


class EmotionAndPoint(keras.losses.Loss):  # type: ignore[misc]
    """Weighted cross-entropy of the emotions, plus `va_weight` times 1 − CCC in the mean of valence and arousal.

    The CCC is that of the batch's rows whose points are known; a batch with fewer than two of them teaches emotions
    only.
    """

    def __init__(self, va_weight: float) -> None:
        super().__init__(name="emotion_and_point", reduction="sum")
        self.va_weight = va_weight

    def call(self, taught: keras.KerasTensor, outputs: keras.KerasTensor) -> keras.KerasTensor:
        """Return the loss of a batch, one number: `taught` is what `lesson` made, `outputs` [N, 10] are the net's."""
        classes = len(EMOTIONS)
        known, weights = taught[:, _KNOWN], taught[:, _WEIGHTS]
        emotions = ops.categorical_crossentropy(taught[:, :classes], logits_in(outputs), from_logits=True)
        apart = 1 - ops.mean(concordance(taught[:, classes:_KNOWN], outputs[:, classes:], known))
        enough = ops.cast(ops.sum(known) > 1.5, outputs.dtype)
        return ops.mean(emotions * weights) + self.va_weight * enough * apart
