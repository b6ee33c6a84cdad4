"""The ONNX graph of a classifier, written by hand from named arrays, and the way back.

One graph serves OpenVINO and ONNX Runtime; its initializers carry the canonical names and layouts of
`models.nets.convnext`, so that the Keras model can be rebuilt from the same file. Matrices are stored in 16 bits and
cast once when a runtime loads the graph; vectors (biases, norms, layer scales) stay in 32, where small numbers matter.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from mien.errors import WeightsError
from models.nets.architecture import (
    FAMILY,
    LAYER_NORM_EPSILON,
    PICTURE_VARIANCE_FLOOR,
    Architecture,
    sides,
    stem_convolutions,
)
from models.nets.heads import POINT_OUTPUTS
from models.nets.weights import Weights

if TYPE_CHECKING:
    import keras

OPSET = 17
"""The first with LayerNormalization."""

IR_VERSION = 8
INPUT, OUTPUT = "faces", "logits"
# Constants of the graph itself, not weights of the model.
CONSTANT_PREFIX = "const."

Arrays = Mapping[str, NDArray[Any]]


def write(architecture: Architecture, arrays: Arrays, half: bool = True) -> bytes:
    """Return the ONNX file of a model: `faces` float32 [N, H, W, C], 0 to 255, to `logits` float32 [N, outputs].

    With the head `va` the last two outputs are valence and arousal. `half` stores matrices in fp16. Raises WeightsError
    when an array is missing, left over, or does not fit.
    """
    graph = _Graph(arrays, half)
    features = graph.op("Transpose", _picture_norm(graph), perm=[0, 3, 1, 2])
    lengths = sides(architecture)
    features, at = _stem(graph, architecture, features, lengths)
    for stage, depth in enumerate(architecture.depths):
        if stage > 0:
            name = f"stages.{stage}.downsample"
            features = graph.conv(graph.norm(features, f"{name}.0"), f"{name}.1", 2, 2, lengths[at])
            at += 1
        for index in range(depth):
            features = _block(graph, features, f"stages.{stage}.blocks.{index}", architecture.widths[stage])
    pooled = graph.op("Flatten", graph.op("GlobalAveragePool", features), axis=1)
    normed = graph.layer_norm(pooled, "head.norm")
    if "va" in architecture.heads:
        graph.squash_after(graph.dense(normed, "head.fc"), len(architecture.classes), output=OUTPUT)
    else:
        graph.dense(normed, "head.fc", output=OUTPUT)
    return graph.finish(architecture)


def read_arrays(onnx_file: bytes) -> dict[str, NDArray[np.float32]]:
    """Return the named arrays of a graph that `write` made, in float32. Raises WeightsError when it is none."""
    try:
        model = onnx.load_model_from_string(onnx_file)
    except Exception as error:  # protobuf's own exception types are private
        raise WeightsError(f"model.onnx cannot be read ({error}): export the weights again") from error
    arrays = {
        tensor.name: np.asarray(numpy_helper.to_array(tensor), np.float32)
        for tensor in model.graph.initializer
        if not tensor.name.startswith(CONSTANT_PREFIX)
    }
    if "head.fc.weight" not in arrays:
        raise WeightsError("model.onnx holds no named weights of mien: the Keras model cannot be rebuilt from it")
    return arrays


def architecture_of(weights: Weights) -> Architecture:
    """Return the architecture that a set of weights names. Raises WeightsError when it is none of `FAMILY`."""
    if weights.variant not in FAMILY:
        raise WeightsError(
            f"{weights.name} is of {weights.variant!r}, whose Keras model cannot be made from a zip: OpenVINO and ONNX"
            " Runtime run it, and `mien export` takes the folder of its training"
        )
    return Architecture(
        weights.variant, weights.stem, weights.input_size, weights.channels, weights.classes, weights.heads
    )


def rebuild(weights: Weights) -> keras.Model:
    """Return the Keras model of a set of weights, to serve or to train on; imports Keras.

    It maps float32 [N, H, W, C], 0 to 255, to outputs [N, 8 or 10], as the graph does. Raises WeightsError when the
    arrays do not fit the architecture.
    """
    from models.nets import convnext

    model = convnext.build(architecture_of(weights))
    try:
        return convnext.restore(model, read_arrays(weights.onnx))
    except ValueError as error:
        raise WeightsError(
            f"{weights.name} does not fit a {weights.variant} with stem {weights.stem}: {error}"
        ) from error


class _Graph:
    """Collects the nodes and initializers of one graph; methods return the name of the tensor they make."""

    def __init__(self, arrays: Arrays, half: bool) -> None:
        self.half = half
        self.nodes: list[onnx.NodeProto] = []
        self.initializers: list[onnx.TensorProto] = []
        self._arrays = arrays
        self._used: set[str] = set()
        self._constants: set[str] = set()

    def op(self, kind: str, *inputs: str, output: str = "", **attributes: object) -> str:
        """Add a node and return its output."""
        name = output or f"{kind.lower()}.{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, list(inputs), [name], name=f"node.{name}", **attributes))
        return name

    def constant(self, name: str, value: float) -> str:
        """Return a float32 scalar that is no weight."""
        full = CONSTANT_PREFIX + name
        if full not in self._constants:
            self._constants.add(full)
            self.initializers.append(numpy_helper.from_array(np.asarray(value, np.float32), full))
        return full

    def weight(self, name: str) -> str:
        """Return the named array as a float32 tensor, stored in 16 bits if it is a matrix."""
        if name not in self._arrays:
            raise WeightsError(f"the weights hold no {name}: they belong to another architecture")
        self._used.add(name)
        array = np.asarray(self._arrays[name])
        if not (self.half and array.ndim > 1):
            self.initializers.append(numpy_helper.from_array(array.astype(np.float32), name))
            return name
        self.initializers.append(numpy_helper.from_array(array.astype(np.float16), name))
        return self.op("Cast", name, to=TensorProto.FLOAT)

    def conv(self, features: str, name: str, kernel: int, stride: int, side: int, group: int = 1) -> str:
        """Convolve [N, C, side, side] with padding "same": the odd pixel of padding goes to the end, as in Keras."""
        total = max((-(-side // stride) - 1) * stride + kernel - side, 0)
        pads = [total // 2, total // 2, total - total // 2, total - total // 2]
        weight, bias = self.weight(f"{name}.weight"), self.weight(f"{name}.bias")
        shape, strides = [kernel, kernel], [stride, stride]
        return self.op("Conv", features, weight, bias, kernel_shape=shape, strides=strides, pads=pads, group=group)

    def layer_norm(self, features: str, name: str) -> str:
        """Normalise the last axis."""
        scale, bias = self.weight(f"{name}.weight"), self.weight(f"{name}.bias")
        return self.op("LayerNormalization", features, scale, bias, axis=-1, epsilon=LAYER_NORM_EPSILON)

    def norm(self, features: str, name: str) -> str:
        """Normalise the channels of [N, C, H, W]."""
        last = self.op("Transpose", features, perm=[0, 2, 3, 1])
        return self.op("Transpose", self.layer_norm(last, name), perm=[0, 3, 1, 2])

    def dense(self, features: str, name: str, output: str = "") -> str:
        """Multiply the last axis with a matrix and add a bias."""
        product = self.op("MatMul", features, self.weight(f"{name}.weight"))
        return self.op("Add", product, self.weight(f"{name}.bias"), output=output)

    def gelu(self, features: str) -> str:
        """Return 0.5·x·(1 + erf(x/√2)), in the order that runtimes recognise and fuse."""
        erf = self.op("Erf", self.op("Div", features, self.constant("sqrt2", 2**0.5)))
        product = self.op("Mul", features, self.op("Add", erf, self.constant("one", 1.0)))
        return self.op("Mul", product, self.constant("half", 0.5))

    def squash_after(self, outputs: str, count: int, output: str) -> str:
        """Apply tanh to what lies behind the first `count` columns, two of them."""
        sizes = f"{CONSTANT_PREFIX}split"
        self.initializers.append(numpy_helper.from_array(np.array([count, POINT_OUTPUTS], np.int64), sizes))
        first, rest = "split.first", "split.rest"
        self.nodes.append(helper.make_node("Split", [outputs, sizes], [first, rest], name="node.split", axis=1))
        return self.op("Concat", first, self.op("Tanh", rest), output=output, axis=1)

    def finish(self, architecture: Architecture) -> bytes:
        """Check that every array was used, and that ONNX finds the graph valid; return the file."""
        left = sorted(set(self._arrays) - self._used)
        if left:
            raise WeightsError(f"{len(left)} arrays do not belong to {architecture.variant}, the first is {left[0]}")
        size, channels = architecture.input_size, architecture.channels
        faces = helper.make_tensor_value_info(INPUT, TensorProto.FLOAT, ["N", size, size, channels])
        logits = helper.make_tensor_value_info(OUTPUT, TensorProto.FLOAT, ["N", architecture.outputs])
        graph = helper.make_graph(self.nodes, f"convnext-{architecture.variant}", [faces], [logits], self.initializers)
        model = helper.make_model(
            graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION, producer_name="mien"
        )
        onnx.checker.check_model(model, full_check=True)
        return bytes(model.SerializeToString())


def _picture_norm(graph: _Graph) -> str:
    """Shift and scale each picture to mean 0 and variance 1."""
    axes = [1, 2, 3]
    centred = graph.op("Sub", INPUT, graph.op("ReduceMean", INPUT, axes=axes, keepdims=1))
    variance = graph.op("ReduceMean", graph.op("Mul", centred, centred), axes=axes, keepdims=1)
    floored = graph.op("Add", variance, graph.constant("variance_floor", PICTURE_VARIANCE_FLOOR))
    return graph.op("Div", centred, graph.op("Sqrt", floored))


def _stem(graph: _Graph, architecture: Architecture, features: str, lengths: tuple[int, ...]) -> tuple[str, int]:
    """Return the stem's output, and how many convolutions it has."""
    convolutions = stem_convolutions(architecture)
    for index, (_, kernel, stride) in enumerate(convolutions):
        features = graph.conv(features, f"stem.{2 * index}", kernel, stride, lengths[index])
        features = graph.norm(features, f"stem.{2 * index + 1}")
        if index < len(convolutions) - 1:
            features = graph.gelu(features)
    return features, len(convolutions)


def _block(graph: _Graph, features: str, name: str, channels: int) -> str:
    # Stride 1: the padding of a 7×7 "same" convolution is 3 on each side, whatever the side.
    branch = graph.conv(features, f"{name}.dwconv", 7, 1, 8, group=channels)
    branch = graph.layer_norm(graph.op("Transpose", branch, perm=[0, 2, 3, 1]), f"{name}.norm")
    branch = graph.gelu(graph.dense(branch, f"{name}.pwconv1"))
    branch = graph.op("Mul", graph.dense(branch, f"{name}.pwconv2"), graph.weight(f"{name}.gamma"))
    return graph.op("Add", features, graph.op("Transpose", branch, perm=[0, 3, 1, 2]))
