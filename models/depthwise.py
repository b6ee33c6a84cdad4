"""The 7×7 depthwise layer of the blocks: Keras' own, with a quicker gradient where PyTorch trains on a CPU."""

from __future__ import annotations

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="mien")
class Depthwise(keras.layers.DepthwiseConv2D):  # type: ignore[misc]
    """A `DepthwiseConv2D` of stride 1 with "same" padding and an odd kernel; the same numbers on every backend."""

    def call(self, inputs: keras.KerasTensor) -> keras.KerasTensor:
        """Return [N, H, W, C] for [N, H, W, C]."""
        if keras.backend.backend() != "torch" or inputs.device.type != "cpu":
            return super().call(inputs)
        from models import depthwise_torch

        outputs = depthwise_torch.convolve(inputs, ops.convert_to_tensor(self.kernel))
        return outputs + ops.convert_to_tensor(self.bias)
