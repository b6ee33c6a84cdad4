"""Depthwise layers: Keras' own, with quicker gradients where PyTorch trains on a CPU."""

from __future__ import annotations

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="mien")
class Depthwise(keras.layers.DepthwiseConv2D):  # type: ignore[misc]
    """A `DepthwiseConv2D` that gives the same numbers on every backend."""

    def call(self, inputs: keras.KerasTensor) -> keras.KerasTensor:
        """Return [N, H', W', C] for [N, H, W, C]."""
        padding = self._padding_px()
        if padding is None or keras.backend.backend() != "torch" or inputs.device.type != "cpu":
            return super().call(inputs)
        from models.nets import depthwise_torch

        outputs = depthwise_torch.convolve(inputs, ops.convert_to_tensor(self.kernel), self.strides[0], padding)
        if self.use_bias:
            outputs = outputs + ops.convert_to_tensor(self.bias)
        return outputs if self.activation is None else self.activation(outputs)

    def _padding_px(self) -> int | None:
        """Return the padding of all four sides; None for a layer that is left to Keras."""
        side, stride = self.kernel_size[0], self.strides[0]
        plain = self.depth_multiplier == 1 and self.data_format == "channels_last" and set(self.dilation_rate) == {1}
        if not plain or len({*self.kernel_size}) > 1 or len({*self.strides}) > 1:
            return None
        if self.padding == "valid":
            return 0
        return side // 2 if stride == 1 and side % 2 else None
