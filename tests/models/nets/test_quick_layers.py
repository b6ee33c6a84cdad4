"""Our layers against those of Keras that they stand in for: outputs, gradients and statistics, on PyTorch."""

from __future__ import annotations

import subprocess
import sys

import pytest

pytest.importorskip("torch", reason="PyTorch is an optional backend of training")

_CODE = """
import sys
import keras, numpy as np, torch
from models.nets.batch_norm import BatchNorm
from models.nets.depthwise import Depthwise

def compare(ours, theirs, training):
    random = np.random.default_rng(0)
    pictures = torch.tensor(random.normal(1.0, 2.0, (6, 10, 10, 4)), dtype=torch.float32)
    results = []
    for layer in (ours, theirs):
        inputs = pictures.clone().requires_grad_()
        layer.build(pictures.shape)
        for place, variable in enumerate(layer.weights):
            variable.assign(np.random.default_rng(place).uniform(0.5, 1.5, variable.shape))
        outputs = layer(inputs, training=training) if "Norm" in type(layer).__name__ else layer(inputs)
        wanted = [inputs, *(variable.value for variable in layer.trainable_weights)]
        learned = torch.autograd.grad((outputs ** 3).sum(), wanted)
        results.append([outputs, *learned, *(variable.value for variable in layer.weights)])
    for own, other in zip(*results, strict=True):
        torch.testing.assert_close(own, other, rtol=1e-3, atol=1e-3 * float(other.abs().max()))

for options in ({}, {"scale": False}, {"center": False, "momentum": 0.9}):
    for training in (True, False):
        compare(BatchNorm(**options), keras.layers.BatchNormalization(**options), training)
for options in (
    {"padding": "same"}, {"padding": "valid"}, {"padding": "same", "strides": 2}, {"padding": "valid", "strides": 2},
    {"padding": "same", "use_bias": False}, {"padding": "same", "activation": "relu"},
    {"padding": "same", "dilation_rate": 2}, {"padding": "same", "depth_multiplier": 2},
):
    for side in (3, 4, 5):
        compare(Depthwise(side, **options), keras.layers.DepthwiseConv2D(side, **options), True)
print("alike")
"""


def test_they_compute_what_keras_does() -> None:
    done = subprocess.run(
        [sys.executable, "-c", _CODE], env={"KERAS_BACKEND": "torch", "PATH": ""}, capture_output=True, text=True
    )
    assert done.stdout.strip().endswith("alike"), done.stderr
