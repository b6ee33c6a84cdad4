"""Batch norms: Keras' own, in one pass over the features where PyTorch trains on a CPU.

Keras computes them in float32, step by step: half of a training step of an EfficientNet-Lite0, once its depthwise
layers are quick.
"""

from __future__ import annotations

from typing import Any

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="mien")
class BatchNorm(keras.layers.BatchNormalization):  # type: ignore[misc]
    """A `BatchNormalization` that gives the same numbers on every backend."""

    def call(self, inputs: keras.KerasTensor, training: bool | None = None, mask: Any = None) -> keras.KerasTensor:
        """Return the features [N, H, W, C], normalised."""
        learns = training and self.trainable and mask is None and not self.renorm
        if not learns or keras.backend.backend() != "torch" or inputs.device.type != "cpu" or self._not_last(inputs):
            return super().call(inputs, training=training, mask=mask)
        import torch

        gamma = ops.convert_to_tensor(self.gamma) if self.scale else None
        beta = ops.convert_to_tensor(self.beta) if self.center else None
        outputs, mean, inverse = torch.native_batch_norm(
            inputs.permute(0, 3, 1, 2), gamma, beta, None, None, True, 0.0, self.epsilon
        )
        variance = inverse.detach() ** -2 - self.epsilon
        for moving, found in ((self.moving_mean, mean.detach()), (self.moving_variance, variance)):
            moving.assign(ops.convert_to_tensor(moving) * self.momentum + found * (1.0 - self.momentum))
        return outputs.permute(0, 2, 3, 1)

    def _not_last(self, inputs: keras.KerasTensor) -> bool:
        return len(inputs.shape) != 4 or self.axis not in (-1, 3)
