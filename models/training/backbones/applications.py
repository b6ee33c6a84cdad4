"""Keras' applications as backbones: built without their tops, fed with grey faces, exported by Keras.

`keras.applications` documents each; the pictures they want differ, which `Backbone.takes` says.
"""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import keras
import numpy as np
import onnx
import onnxruntime
from keras import ops
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from mien.errors import InputError, SettingsError
from mien.types import EMOTIONS
from models.nets.architecture import Architecture
from models.nets.batch_norm import BatchNorm
from models.nets.convnext import PictureNorm, SquashPoint
from models.nets.depthwise import Depthwise
from models.nets.graph import INPUT, OUTPUT
from models.nets.heads import EMOTION, Heads, outputs_of
from models.nets.weights import CropGeometry, Weights
from models.training.backbones import lite0

Takes = Literal["normalised", "unit", "bytes"]


@dataclass(frozen=True, slots=True)
class Backbone:
    """One application: the class in `keras.applications`, the pictures it takes, and the side it is trained at here."""

    factory: str
    takes: Takes
    size: int = 96


BACKBONES: dict[str, Backbone] = {
    **{f"densenet{depth}": Backbone(f"DenseNet{depth}", "normalised") for depth in (121, 169, 201)},
    "efficientnet-lite0": Backbone("", "normalised"),
    **{f"efficientnetb{size}": Backbone(f"EfficientNetB{size}", "bytes") for size in range(8)},
    **{
        f"efficientnetv2-{size}": Backbone(f"EfficientNetV2{size.upper()}", "bytes")
        for size in ("b0", "b1", "b2", "b3", "s", "m", "l")
    },
    "inceptionresnetv2": Backbone("InceptionResNetV2", "unit", 128),
    "inceptionv3": Backbone("InceptionV3", "unit", 128),
    "mobilenet": Backbone("MobileNet", "unit"),
    "mobilenetv2": Backbone("MobileNetV2", "unit"),
    "mobilenetv3": Backbone("MobileNetV3Large", "bytes"),
    "mobilenetv3-small": Backbone("MobileNetV3Small", "bytes"),
    "nasnetlarge": Backbone("NASNetLarge", "unit"),
    "nasnetmobile": Backbone("NASNetMobile", "unit"),
    **{f"resnet{depth}": Backbone(f"ResNet{depth}", "normalised") for depth in (50, 101, 152)},
    **{f"resnet{depth}v2": Backbone(f"ResNet{depth}V2", "unit") for depth in (50, 101, 152)},
    "vgg16": Backbone("VGG16", "normalised"),
    "vgg19": Backbone("VGG19", "normalised"),
    "xception": Backbone("Xception", "unit"),
}
"""All applications of Keras but its ConvNeXts, which are our own, and EfficientNet-Lite0."""

# A normalised picture (mean 0, variance 1) as those nets saw ImageNet: scale and shift.
_SCALES: dict[Takes, tuple[float, float]] = {"normalised": (1.0, 0.0), "unit": (0.5, 0.0), "bytes": (58.0, 118.0)}


MOST_MOMENTUM = 0.99
"""Of a batch norm's running statistics: they follow within a few hundred steps.

Those of MobileNet (0.999) and NASNet (0.9997) are made for days of training. In a short one they still hold what they
began with when it ends, and a net that has learned answers as if it had not.
"""


def build(backbone: str, size: int, dropout: float = 0.0, heads: Heads = EMOTION) -> keras.Model:
    """Return a backbone with pooling and a dense head: [N, size, size, 1], 0 to 255, to outputs [N, 8 or 10]."""
    faces = keras.Input((size, size, 1), name=INPUT)
    scale, shift = _SCALES[BACKBONES[backbone].takes]
    grey = PictureNorm(name="norm", dtype="float32")(faces) * scale + shift
    features = _body(backbone, size, None)(ops.repeat(grey, 3, axis=-1))
    features = keras.layers.Dropout(dropout, name="head_dropout")(features)
    outputs = keras.layers.Dense(outputs_of(heads), name="head_fc", dtype="float32")(features)
    if "va" in heads:
        outputs = SquashPoint(name="head_va", dtype="float32")(outputs)
    return keras.Model(faces, outputs, name=backbone.replace("-", "_"))


def named_arrays(model: keras.Model) -> dict[str, NDArray[Any]]:
    """Return all weights and statistics of a model, by place and path."""
    return {
        f"{place:04d}.{variable.path.split('/', 1)[-1]}": ops.convert_to_numpy(variable)
        for place, variable in enumerate(_own(model))
    }


def restore(model: keras.Model, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Put arrays back by their places; raises ValueError when number or shape do not fit."""
    variables = _own(model)
    if len(variables) != len(arrays):
        raise ValueError(f"{len(arrays)} arrays do not fit the {len(variables)} of {model.name}")
    for variable, name in zip(variables, sorted(arrays), strict=True):
        if tuple(variable.shape) != arrays[name].shape:
            raise ValueError(f"{name} {arrays[name].shape} does not fit {variable.path} {tuple(variable.shape)}")
        variable.assign(arrays[name])


def imagenet_arrays(backbone: str, size: int, heads: Heads = EMOTION) -> dict[str, NDArray[Any]]:
    """Return a model's arrays with a body that knows ImageNet, the head random. Raises SettingsError without it.

    Keras downloads its own; those of EfficientNet-Lite0 come in a package, whose file is PyTorch's.
    """
    model = build(backbone, size, heads=heads)
    if not BACKBONES[backbone].factory:
        return read_torch(lite0.published(), model)
    try:
        body = _body(backbone, size, "imagenet")
    except Exception as error:  # Keras raises what its downloader meets
        raise SettingsError(f"ImageNet weights of {backbone} cannot be fetched ({error}): need a network") from error
    for own, other in zip(model.get_layer(body.name).weights, body.weights, strict=True):
        own.assign(other)
    return named_arrays(model)


def convnext_arrays(architecture: Architecture) -> dict[str, NDArray[Any]]:
    """Return ImageNet weights of Tiny to XLarge under our names, without a head. Raises SettingsError without them."""
    variant = architecture.variant
    factory = getattr(keras.applications, f"ConvNeXt{'XLarge' if variant == 'xlarge' else variant.title()}", None)
    if factory is None or architecture.stem != "patchify-4":
        raise SettingsError(f"there are no ImageNet weights of convnext-{variant} with stem {architecture.stem}")
    try:
        body = factory(include_top=False, weights="imagenet", pooling="avg", include_preprocessing=False)
    except Exception as error:
        raise SettingsError(f"ImageNet weights of convnext-{variant} cannot be fetched ({error})") from error
    return from_keras_convnext([ops.convert_to_numpy(variable) for variable in body.weights], architecture)


def from_keras_convnext(arrays: Sequence[NDArray[Any]], architecture: Architecture) -> dict[str, NDArray[Any]]:
    """Return the weights of Keras' ConvNeXt, in its order, under our names: its grouped 7×7 kernels are depthwise ones.

    The first layer's three colours are summed, which is what it does to a grey picture.
    """
    from models.nets.architecture import array_shapes

    left = [np.asarray(array, np.float32) for array in arrays]
    result: dict[str, NDArray[Any]] = {}

    def take(shape: tuple[int, ...], kind: str) -> NDArray[Any]:
        for place, array in enumerate(left):
            changed = _our_layout(array, kind)
            if changed.shape == shape:
                left.pop(place)
                return changed
        raise ValueError(f"no array of shape {shape} for {kind} is left in Keras' {architecture.variant}")

    for name, shape in array_shapes(architecture).items():
        if not name.startswith("head.fc"):
            result[name] = take(shape, name)
    return result


def to_weights(model: keras.Model, backbone: str, size: int, name: str, heads: Heads = EMOTION) -> Weights:
    """Return a model as a set of weights, exported to ONNX by Keras, matrices in fp16, not calibrated."""
    return Weights(
        name=name,
        version="1",
        variant=backbone,
        stem="",
        input_size=size,
        channels=1,
        classes=EMOTIONS,
        temperature=1.0,
        threshold=0.0,
        crop=CropGeometry(size=size),
        onnx=_onnx_of(model),
        heads=heads,
    )


def read_torch(path: Path, model: keras.Model) -> dict[str, NDArray[Any]]:
    """Return a model's arrays with a body from a PyTorch state dict (.pth) of the same net, taken in order.

    Raises InputError when the file cannot be read or its tensors do not fit the body, SettingsError without PyTorch.
    """
    body = next((layer for layer in model.layers if isinstance(layer, keras.Model)), None)
    if body is None:
        raise InputError(f"{path} is for an application of Keras, and this net is a ConvNeXt: give a .zip or an .npz")
    try:
        import torch
    except ImportError as error:
        raise SettingsError(f"reading {path.name} needs PyTorch: pip install torch") from error
    try:
        state = torch.load(path, weights_only=True, map_location="cpu")
        found = [value.numpy() for name, value in state.items() if not name.endswith("num_batches_tracked")]
    except Exception as error:  # torch raises what unpickling meets
        raise InputError(f"{path} is no readable PyTorch state dict ({error})") from error
    variables = _in_torch_order(body)
    if len(found) < len(variables):
        raise InputError(f"{path} does not fit {body.name}: {len(found)} tensors for {len(variables)}")
    for variable, array in zip(variables, found, strict=False):
        changed = _keras_kernel(array, variable)
        if changed.shape != tuple(variable.shape):
            raise InputError(f"{path} does not fit {body.name}: {array.shape} for {variable.path}")
        variable.assign(changed)
    return named_arrays(model)


def _body(backbone: str, size: int, weights: str | None) -> keras.Model:
    about = BACKBONES[backbone]
    if not about.factory:
        return lite0.build(size)
    factory = getattr(keras.applications, about.factory)
    found = factory(include_top=False, weights=weights, input_shape=(size, size, 3), pooling="avg")
    body = keras.models.clone_model(found, clone_function=_ours)
    if weights is not None:
        body.set_weights(found.get_weights())
    return body


def _ours(layer: keras.layers.Layer) -> keras.layers.Layer:
    """Return a new layer like one of Keras', of our own kind where we have one."""
    kind, config = type(layer), layer.get_config()
    if kind is keras.layers.BatchNormalization:
        return BatchNorm.from_config({**config, "momentum": min(layer.momentum, MOST_MOMENTUM)})
    return (Depthwise if kind is keras.layers.DepthwiseConv2D else kind).from_config(config)


def _own(model: keras.Model) -> list[keras.Variable]:
    """Return what a model learned, without the states of its random generators."""
    return [variable for variable in model.weights if "seed_generator" not in variable.path]


def _in_torch_order(body: keras.Model) -> list[keras.Variable]:
    return [variable for layer in body.layers for variable in layer.weights]


def _keras_kernel(array: NDArray[Any], variable: keras.Variable) -> NDArray[Any]:
    if array.ndim != 4:
        return array
    return array.transpose((2, 3, 0, 1) if array.shape[1] == 1 and variable.shape[-1] == 1 else (2, 3, 1, 0))


def _our_layout(array: NDArray[Any], name: str) -> NDArray[Any]:
    if array.ndim != 4:
        return array
    changed = np.ascontiguousarray(array.transpose(3, 2, 0, 1))
    return changed.sum(axis=1, keepdims=True) if name == "stem.0.weight" else changed


def _folded(path: Path) -> onnx.ModelProto:
    """Return a model with norms folded into the layers before them, and without transpositions that undo each other.

    Keras computes with channels last, ONNX with channels first: PyTorch exports two transpositions for each layer, and
    OpenVINO keeps them. ONNX Runtime's basic optimisations, which use no operators of its own, leave few.
    """
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.optimized_model_filepath = str(path.with_name("folded.onnx"))
    options.log_severity_level = 3
    onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    return onnx.load(options.optimized_model_filepath)


def _onnx_of(model: keras.Model) -> bytes:
    """Return a model as ONNX with our names of input and output, matrices stored in fp16 and cast when loaded."""
    size = model.input_shape[1]
    model(np.zeros((1, size, size, 1), np.float32))  # Keras exports only what was called
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        with warnings.catch_warnings():  # tracing with PyTorch warns of each shape that it takes as constant
            warnings.simplefilter("ignore")
            model.export(path, format="onnx", verbose=False)
        found = _folded(path)
    graph = found.graph
    nodes = list(graph.node)
    if graph.input[0].name != INPUT:
        nodes.insert(0, helper.make_node("Identity", [INPUT], [graph.input[0].name]))
    if graph.output[0].name != OUTPUT:
        nodes.append(helper.make_node("Identity", [graph.output[0].name], [OUTPUT]))
    initializers = []
    for tensor in graph.initializer:
        array = numpy_helper.to_array(tensor)
        # A batch norm's vectors may stand there as [1, 1, 1, C]; rounding them costs more than they take up.
        if array.dtype == np.float32 and np.squeeze(array).ndim > 1 and np.abs(array).max(initial=0) < 65504:
            initializers.append(numpy_helper.from_array(array.astype(np.float16), f"{tensor.name}.half"))
            nodes.insert(0, helper.make_node("Cast", [f"{tensor.name}.half"], [tensor.name], to=TensorProto.FLOAT))
        else:
            initializers.append(tensor)
    faces = helper.make_tensor_value_info(INPUT, TensorProto.FLOAT, ["N", size, size, 1])
    logits = helper.make_tensor_value_info(OUTPUT, TensorProto.FLOAT, ["N", model.output_shape[1]])
    renamed = helper.make_graph(nodes, graph.name, [faces], [logits], initializers)
    whole = helper.make_model(
        renamed, opset_imports=found.opset_import, ir_version=found.ir_version, producer_name="mien"
    )
    onnx.checker.check_model(whole)
    return bytes(whole.SerializeToString())
