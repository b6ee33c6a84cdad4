"""Batch norms: Keras' own, in one pass over the features where PyTorch trains on a CPU.

Keras computes them in float32, step by step: more than half of a training step of an EfficientNet-Lite0, once its
depthwise layers are quick.
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
        if mask is not None or self.renorm or len(inputs.shape) != 4 or self.axis not in (-1, 3):
            return super().call(inputs, training=training, mask=mask)
        if keras.backend.backend() != "torch" or inputs.device.type != "cpu":
            return super().call(inputs, training=training, mask=mask)
        import torch

        gamma = ops.convert_to_tensor(self.gamma) if self.scale else None
        beta = ops.convert_to_tensor(self.beta) if self.center else None
        moving = [ops.convert_to_tensor(each) for each in (self.moving_mean, self.moving_variance)]
        features = inputs.permute(0, 3, 1, 2)
        if not (training and self.trainable):  # one node that exporters know, and runtimes fold into the layer before
            outputs = torch.nn.functional.batch_norm(features, *moving, gamma, beta, False, 0.0, self.epsilon)
            return outputs.permute(0, 2, 3, 1)
        outputs, mean, inverse = torch.native_batch_norm(features, gamma, beta, None, None, True, 0.0, self.epsilon)
        found = mean.detach(), inverse.detach() ** -2 - self.epsilon
        for variable, before, now in zip((self.moving_mean, self.moving_variance), moving, found, strict=True):
            variable.assign(before * self.momentum + now * (1.0 - self.momentum))
        return outputs.permute(0, 2, 3, 1)
