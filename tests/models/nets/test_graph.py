from __future__ import annotations

from dataclasses import replace

import numpy as np
import onnx
import pytest

from mien.errors import WeightsError
from models.nets import graph
from models.nets.architecture import FAMILY, STEMS, Architecture, array_shapes, sides
from models.runtimes.choose import open_runtime
from tests.support.weights import random_weights


@pytest.fixture(scope="module")
def faces() -> np.ndarray:
    return np.random.default_rng(1).uniform(0, 255, (3, 48, 48, 1)).astype(np.float32)


def test_the_graph_is_what_the_runtimes_are_promised() -> None:
    model = onnx.load_model_from_string(random_weights().onnx)
    assert model.opset_import[0].version >= 17
    (entry,), (result,) = model.graph.input, model.graph.output
    assert (entry.name, result.name) == ("faces", "logits")
    assert [part.dim_param or part.dim_value for part in entry.type.tensor_type.shape.dim] == ["N", 48, 48, 1]
    assert [part.dim_param or part.dim_value for part in result.type.tensor_type.shape.dim] == ["N", 8]


def test_matrices_are_stored_in_16_bits_under_their_canonical_names() -> None:
    tensors = {tensor.name: tensor for tensor in onnx.load_model_from_string(random_weights().onnx).graph.initializer}
    assert tensors["stages.0.blocks.1.dwconv.weight"].data_type == onnx.TensorProto.FLOAT16
    assert list(tensors["stages.0.blocks.1.dwconv.weight"].dims) == [40, 1, 7, 7]
    assert tensors["stages.0.blocks.1.gamma"].data_type == onnx.TensorProto.FLOAT


def test_what_is_written_is_read_back() -> None:
    architecture = Architecture()
    rng = np.random.default_rng(0)
    arrays = {name: rng.normal(0, 1, shape).astype(np.float16) for name, shape in array_shapes(architecture).items()}
    back = graph.read_arrays(graph.write(architecture, arrays))
    assert back.keys() == arrays.keys()
    for name, array in arrays.items():
        np.testing.assert_array_equal(back[name], array.astype(np.float32))


def test_a_graph_in_32_bits_keeps_every_bit() -> None:
    architecture = Architecture()
    rng = np.random.default_rng(0)
    arrays = {name: rng.normal(0, 1, shape).astype(np.float32) for name, shape in array_shapes(architecture).items()}
    back = graph.read_arrays(graph.write(architecture, arrays, half=False))
    np.testing.assert_array_equal(back["head.fc.weight"], arrays["head.fc.weight"])


@pytest.mark.parametrize("change", ["missing", "left over"])
def test_arrays_of_another_net_are_refused(change: str) -> None:
    arrays = {name: np.zeros(shape, np.float32) for name, shape in array_shapes(Architecture()).items()}
    if change == "missing":
        del arrays["stages.2.blocks.5.norm.bias"]
    else:
        arrays["stages.2.blocks.6.norm.bias"] = np.zeros(160, np.float32)
    with pytest.raises(WeightsError, match=r"stages\.2\.blocks"):
        graph.write(Architecture(), arrays)


@pytest.mark.parametrize("content", [b"", b"no graph", random_weights().onnx[:5000]])
def test_a_file_that_is_no_graph_of_ours_is_refused(content: bytes) -> None:
    with pytest.raises(WeightsError):
        graph.read_arrays(content)


def test_onnx_runtime_and_openvino_give_the_same_numbers(faces: np.ndarray) -> None:
    weights = random_weights()
    first = open_runtime(weights, "onnxruntime").logits(faces)
    second = open_runtime(weights, "openvino").logits(faces)
    assert np.abs(first).max() > 0.1
    np.testing.assert_allclose(first, second, atol=1e-4)


def test_exposure_and_contrast_do_not_change_the_answer(faces: np.ndarray) -> None:
    runtime = open_runtime(random_weights(), "onnxruntime")
    darker = (0.7 * faces + 12).astype(np.float32)
    np.testing.assert_allclose(runtime.logits(faces), runtime.logits(darker), atol=0.02)


def test_a_flat_picture_gives_finite_numbers() -> None:
    black = np.zeros((1, 48, 48, 1), np.float32)
    assert np.isfinite(open_runtime(random_weights(), "onnxruntime").logits(black)).all()


def test_a_stem_that_is_not_known_is_one_clear_error() -> None:
    with pytest.raises(WeightsError, match="choose one of"):
        graph.architecture_of(replace(random_weights(), stem="conv-9"))


@pytest.mark.parametrize("variant", ["giga", "mobilenet_v3_small", "EfficientNetV2B0"])
def test_a_net_that_is_no_convnext_says_what_takes_it(variant: str) -> None:
    with pytest.raises(WeightsError, match="the folder of its training"):
        graph.architecture_of(replace(random_weights(), variant=variant))


@pytest.mark.parametrize("stem", STEMS)
def test_sides_shrink_by_the_strides(stem: str) -> None:
    lengths = sides(Architecture("atto", stem, 48))
    assert lengths[0] == 48
    assert lengths[-1] == {"patchify-4": 2, "conv-4": 2, "patchify-2": 3, "conv-2": 3}[stem]


# Those of hundreds of millions of parameters take seconds and gigabytes.
VARIANTS = [pytest.param(name, marks=pytest.mark.slow if sum(FAMILY[name][1]) > 1500 else ()) for name in FAMILY]


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_variant_answers(variant: str) -> None:
    architecture = Architecture(variant, "patchify-4", 64)
    weights = random_weights(architecture)
    logits = open_runtime(weights, "onnxruntime").logits(np.zeros((1, 64, 64, 1), np.float32))
    assert logits.shape == (1, 8)
