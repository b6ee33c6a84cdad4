"""Running statistics of batch norms that fit averaged weights.

An average of weights is a net of its own: its layers give other means and variances than the net that is trained, whose
running statistics it would otherwise be judged and used with. They are counted anew, as Izmailov et al., "Averaging
Weights Leads to Wider Optima and Better Generalization" (2018), do it.
"""

from __future__ import annotations

from collections.abc import Iterator

import keras
import numpy as np
from numpy.typing import NDArray

PICTURES = 2048
BATCH = 128


def settle(averaged: keras.Model, trained: keras.Model, pictures: NDArray[np.float32]) -> None:
    """Set the running statistics of `averaged` to those over prepared training pictures [N, H, W, C].

    Norms that are frozen in `trained`, a model of the same net, keep what they have: what lies behind them has learned
    from that. A net without batch norms is left alone.
    """
    norms = list(_norms(averaged))
    for norm, other in zip(norms, _norms(trained), strict=True):
        norm.trainable = other.trainable  # frozen ones neither use nor change the statistics of a batch
    moving = [norm for norm in norms if norm.trainable]
    if not moving:
        return
    before = [norm.momentum for norm in moving]
    for done, start in enumerate(range(0, len(pictures), BATCH)):
        for norm in moving:
            norm.momentum = done / (done + 1)  # so that all batches count alike
        averaged(pictures[start : start + BATCH], training=True)
    for norm, momentum in zip(moving, before, strict=True):
        norm.momentum = momentum


def _norms(model: keras.Model) -> Iterator[keras.layers.BatchNormalization]:
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            yield from _norms(layer)
        elif isinstance(layer, keras.layers.BatchNormalization):
            yield layer
