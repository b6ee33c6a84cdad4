"""Distillation: what larger nets, or several together, say about a picture becomes a small net's target.

Source: Hinton, Vinyals and Dean, "Distilling the Knowledge in a Neural Network" (2015).
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from models.evaluation.score import softmax
from models.nets.weights import Weights
from models.runtimes.choose import open_runtime
from models.runtimes.interface import ClassifierRuntime


class Teacher:
    """One or more sets of weights; their calibrated probabilities are averaged."""

    def __init__(self, several: Sequence[Weights], threads: int = 1) -> None:
        self._several = [(weights, _runtime(weights, threads)) for weights in several]

    def opinions(self, pictures: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return probabilities [N, 8] for augmented pictures float32 [N, H, W, 1], 0 to 255."""
        total = np.zeros((len(pictures), 8))
        for weights, runtime in self._several:
            total += softmax(runtime.logits(resized(pictures, weights.input_size)), weights.temperature)
        return (total / len(self._several)).astype(np.float32)


def resized(pictures: NDArray[np.float32], size: int) -> NDArray[np.float32]:
    """Return pictures [N, H, W, 1] as [N, size, size, 1]."""
    if pictures.shape[1] == size:
        return pictures
    method = cv2.INTER_AREA if pictures.shape[1] > size else cv2.INTER_LINEAR
    return np.stack([cv2.resize(each, (size, size), interpolation=method)[..., np.newaxis] for each in pictures])


def _runtime(weights: Weights, threads: int) -> ClassifierRuntime:
    return open_runtime(weights, "openvino", threads=threads, precision="bf16")
