"""The small ConvNeXts as Keras models, and the way between a model and named numpy arrays.

Sources: Liu et al., "A ConvNet for the 2020s" (2022); Atto to Nano after timm's tables (Wightman, 2022). The 7×7 layer
is a true depthwise one: the same numbers as a grouped convolution, about five times faster on CPUs.

Names and layouts of the arrays, the same in every file of weights: `stem.0.weight`, `stages.0.downsample.1.weight`,
`stages.0.blocks.1.dwconv.weight`, `head.fc.weight` …; convolutions are [out, in, height, width], depthwise ones
[channels, 1, height, width], dense layers [in, out].
"""

from __future__ import annotations

from collections.abc import Mapping

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray

from models.nets.architecture import LAYER_NORM_EPSILON, PICTURE_VARIANCE_FLOOR, Architecture, stem_convolutions
from models.nets.depthwise import Depthwise
from models.nets.heads import logits_in

Arrays = dict[str, NDArray[np.float32]]


@keras.saving.register_keras_serializable(package="mien")
class PictureNorm(keras.layers.Layer):  # type: ignore[misc]
    """Shift and scale each picture to mean 0 and variance 1: exposure and contrast of a camera do not matter."""

    def call(self, pictures: keras.KerasTensor) -> keras.KerasTensor:
        """Return [N, H, W, C] normalised over H, W and C."""
        centred = pictures - ops.mean(pictures, axis=(1, 2, 3), keepdims=True)
        variance = ops.mean(ops.square(centred), axis=(1, 2, 3), keepdims=True)
        return centred / ops.sqrt(variance + PICTURE_VARIANCE_FLOOR)


@keras.saving.register_keras_serializable(package="mien")
class LayerScale(keras.layers.Layer):  # type: ignore[misc]
    """Multiply each channel by a learned factor."""

    def __init__(self, initial: float, **kwargs: object) -> None:
        super().__init__(**kwargs)
        self.initial = initial

    def build(self, shape: tuple[int | None, ...]) -> None:
        """Make the one vector `gamma` [channels]."""
        start = keras.initializers.Constant(self.initial)
        self.gamma = self.add_weight(shape=(shape[-1],), initializer=start, name="gamma")

    def call(self, inputs: keras.KerasTensor) -> keras.KerasTensor:
        """Return inputs · gamma."""
        return inputs * ops.cast(self.gamma, inputs.dtype)

    def get_config(self) -> dict[str, object]:
        """Return what the constructor takes."""
        return {**super().get_config(), "initial": self.initial}


@keras.saving.register_keras_serializable(package="mien")
class DropPath(keras.layers.Layer):  # type: ignore[misc]
    """Stochastic depth: leave out a residual branch for a random part of the batch while training."""

    def __init__(self, rate: float, **kwargs: object) -> None:
        super().__init__(**kwargs)
        self.rate = rate
        self.seed_generator = keras.random.SeedGenerator()

    def call(self, branch: keras.KerasTensor, training: bool = False) -> keras.KerasTensor:
        """Return the branch, zero for about `rate` of the pictures and scaled up for the rest while training."""
        if not training or self.rate == 0:
            return branch
        keep = 1.0 - self.rate
        shape = (ops.shape(branch)[0], 1, 1, 1)
        kept = ops.floor(keep + keras.random.uniform(shape, seed=self.seed_generator))
        return branch * ops.cast(kept / keep, branch.dtype)

    def get_config(self) -> dict[str, object]:
        """Return what the constructor takes."""
        return {**super().get_config(), "rate": self.rate}


@keras.saving.register_keras_serializable(package="mien")
class SquashPoint(keras.layers.Layer):  # type: ignore[misc]
    """Apply tanh to valence and arousal, which lie behind the emotions' logits."""

    def call(self, outputs: keras.KerasTensor) -> keras.KerasTensor:
        """Return [N, 10] with the last two from -1 to 1."""
        logits = logits_in(outputs)
        return ops.concatenate([logits, ops.tanh(outputs[:, logits.shape[1] :])], axis=1)


def gelu(inputs: keras.KerasTensor) -> keras.KerasTensor:
    """Return 0.5·x·(1 + erf(x/√2)): the exact form, which the ONNX graph computes too."""
    return ops.gelu(inputs, approximate=False)


def build(
    architecture: Architecture, drop_path: float = 0.0, dropout: float = 0.0, layer_scale: float = 1.0
) -> keras.Model:
    """Return a new model with random weights: [N, size, size, channels], 0 to 255, to outputs [N, 8 or 10].

    `drop_path` is the rate of the last block (linear from 0), `dropout` that of the head; both act in training only.
    `layer_scale` is the start of each block's layer scale.
    """
    size = architecture.input_size
    faces = keras.Input((size, size, architecture.channels), name="faces")
    features = _stem(PictureNorm(name="norm", dtype="float32")(faces), architecture)
    rates = np.linspace(0.0, drop_path, sum(architecture.depths))
    block = 0
    for stage, (depth, width) in enumerate(zip(architecture.depths, architecture.widths, strict=True)):
        if stage > 0:
            features = _norm(f"stages.{stage}.downsample.0")(features)
            features = _conv(width, 2, 2, f"stages.{stage}.downsample.1")(features)
        for index in range(depth):
            name = f"stages.{stage}.blocks.{index}"
            features = _block(features, width, name, float(rates[block]), layer_scale)
            block += 1
    pooled = keras.layers.GlobalAveragePooling2D(name=_layer("head.pool"))(features)
    pooled = keras.layers.Dropout(dropout, name=_layer("head.dropout"))(_norm("head.norm")(pooled))
    # Under mixed precision the logits, and so the loss, stay in 32 bits.
    dense = keras.layers.Dense(
        architecture.outputs, name=_layer("head.fc"), kernel_initializer=_truncated(), dtype="float32"
    )
    outputs = dense(pooled)
    if "va" in architecture.heads:
        outputs = SquashPoint(name=_layer("head.va"), dtype="float32")(outputs)
    return keras.Model(faces, outputs, name=f"convnext-{architecture.variant}")


def named_arrays(model: keras.Model) -> Arrays:
    """Return the weights of a model under their canonical names and layouts, float32."""
    return {name: _canonical(variable, keras.ops.convert_to_numpy(variable)) for name, variable in _variables(model)}


def restore(model: keras.Model, arrays: Mapping[str, NDArray[np.generic]]) -> keras.Model:
    """Put named arrays into a model built with the same architecture, and return it.

    Raises ValueError when a name is missing, left over, or of another shape.
    """
    variables = dict(_variables(model))
    if variables.keys() != arrays.keys():
        odd = sorted(variables.keys() ^ arrays.keys())
        raise ValueError(f"{len(odd)} names do not fit the model, the first is {odd[0]}")
    for name, variable in variables.items():
        variable.assign(_keras_layout(variable, np.asarray(arrays[name], np.float32)))
    return model


def _stem(pictures: keras.KerasTensor, architecture: Architecture) -> keras.KerasTensor:
    features = pictures
    convolutions = stem_convolutions(architecture)
    for index, (width, kernel, stride) in enumerate(convolutions):
        features = _conv(width, kernel, stride, f"stem.{2 * index}")(features)
        features = _norm(f"stem.{2 * index + 1}")(features)
        if index < len(convolutions) - 1:
            features = gelu(features)
    return features


def _block(
    features: keras.KerasTensor, width: int, name: str, drop_path: float, layer_scale: float
) -> keras.KerasTensor:
    branch = Depthwise(7, padding="same", depthwise_initializer=_truncated(), name=_layer(f"{name}.dwconv"))(features)
    branch = _norm(f"{name}.norm")(branch)
    branch = keras.layers.Dense(4 * width, kernel_initializer=_truncated(), name=_layer(f"{name}.pwconv1"))(branch)
    branch = keras.layers.Dense(width, kernel_initializer=_truncated(), name=_layer(f"{name}.pwconv2"))(gelu(branch))
    branch = LayerScale(layer_scale, name=_layer(f"{name}.scale"))(branch)
    return features + DropPath(drop_path, name=_layer(f"{name}.drop"))(branch)


def _conv(width: int, kernel: int, stride: int, name: str) -> keras.layers.Layer:
    return keras.layers.Conv2D(
        width, kernel, strides=stride, padding="same", kernel_initializer=_truncated(), name=_layer(name)
    )


def _norm(name: str) -> keras.layers.Layer:
    return keras.layers.LayerNormalization(epsilon=LAYER_NORM_EPSILON, name=_layer(name))


def _layer(name: str) -> str:
    """Return the name of a layer for its canonical name: PyTorch, as a backend of Keras, takes no dots in names."""
    return name.replace(".", "_")


def _canonical_name(layer: str) -> str:
    return layer.replace("_", ".")


def _truncated() -> keras.initializers.Initializer:
    return keras.initializers.TruncatedNormal(stddev=0.02)


def _variables(model: keras.Model) -> list[tuple[str, keras.Variable]]:
    """Return what is learned, frozen or not, with its canonical names, in the order of the model."""
    kinds = {"kernel": "weight", "bias": "bias", "beta": "bias", "gamma": "weight"}
    named = []
    for layer in model.layers:
        for variable in layer.weights:
            if isinstance(layer, LayerScale):
                named.append((_canonical_name(layer.name).removesuffix("scale") + "gamma", variable))
            else:
                named.append((f"{_canonical_name(layer.name)}.{kinds[variable.name]}", variable))
    return named


def _canonical(variable: keras.Variable, array: NDArray[np.generic]) -> NDArray[np.float32]:
    if array.ndim == 4:  # Keras: [height, width, in, out], depthwise [height, width, channels, 1]
        order = (2, 3, 0, 1) if _is_depthwise(variable) else (3, 2, 0, 1)
        array = array.transpose(order)
    return np.ascontiguousarray(array, np.float32)


def _keras_layout(variable: keras.Variable, array: NDArray[np.float32]) -> NDArray[np.float32]:
    if array.ndim == 4:
        array = array.transpose((2, 3, 0, 1) if _is_depthwise(variable) else (2, 3, 1, 0))
    return array


def _is_depthwise(variable: keras.Variable) -> bool:
    return "dwconv" in variable.path
