"""Keras is imported here: TensorFlow takes seconds, so all of it is slow."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from models.nets import graph
from models.nets.architecture import FAMILY, STEMS, Architecture, array_shapes
from models.runtimes.choose import open_runtime
from models.training.exporting.export import to_weights
from tests.support.weights import random_weights

if TYPE_CHECKING:
    import keras

pytestmark = [
    pytest.mark.slow,
    # TensorFlow's own imports warn.
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning"),
]


def answer(model: keras.Model, faces: np.ndarray) -> np.ndarray:
    return np.asarray(model.predict_on_batch(faces))


@pytest.mark.parametrize("variant", FAMILY)
def test_a_model_has_the_arrays_that_the_tables_say(variant: str) -> None:
    from models.nets import convnext

    architecture = Architecture(variant)
    arrays = convnext.named_arrays(convnext.build(architecture))
    assert {name: array.shape for name, array in arrays.items()} == array_shapes(architecture)


def test_frozen_layers_keep_their_arrays() -> None:
    from models.nets import convnext

    model = convnext.build(Architecture("atto"))
    before = convnext.named_arrays(model)
    for layer in model.layers:
        layer.trainable = layer.name == "head_fc"
    after = convnext.named_arrays(convnext.restore(model, before))
    assert after.keys() == before.keys() == array_shapes(Architecture("atto")).keys()
    assert all((after[name] == array).all() for name, array in before.items())


def test_atto_has_the_published_size() -> None:
    from models.nets import convnext

    backbone = convnext.build(Architecture("atto", "patchify-4", 64, channels=3)).count_params() - (320 * 8 + 8)
    # timm's convnext_atto: 3.70 M with its head of 1000 classes (321,000 parameters).
    assert backbone == pytest.approx(3.70e6 - 321_000, rel=0.01)


@pytest.mark.parametrize(("stem", "size"), [*((stem, 48) for stem in STEMS), ("patchify-4", 64), ("conv-4", 50)])
def test_keras_onnx_runtime_and_openvino_give_the_same_numbers(stem: str, size: int) -> None:
    weights = random_weights(Architecture("atto", stem, size))
    faces = np.random.default_rng(2).uniform(0, 255, (3, size, size, 1)).astype(np.float32)
    expected = answer(graph.rebuild(weights), faces)
    assert np.abs(expected).max() > 0.1
    np.testing.assert_allclose(open_runtime(weights, "onnxruntime").logits(faces), expected, atol=1e-4)
    np.testing.assert_allclose(open_runtime(weights, "openvino").logits(faces), expected, atol=1e-4)


def test_a_model_survives_the_way_to_a_file_and_back() -> None:
    from models.nets import convnext

    architecture = Architecture()
    model = convnext.build(architecture)
    faces = np.random.default_rng(3).uniform(0, 255, (4, 48, 48, 1)).astype(np.float32)
    rebuilt = graph.rebuild(to_weights(convnext.named_arrays(model), architecture, "test"))
    # 16 bits a matrix entry: close, not equal.
    np.testing.assert_allclose(answer(rebuilt, faces), answer(model, faces), atol=0.01)


def test_arrays_of_another_shape_do_not_fit() -> None:
    from models.nets import convnext

    with pytest.raises(ValueError, match="names do not fit"):
        convnext.restore(convnext.build(Architecture()), {"head.fc.weight": np.zeros((320, 8), np.float32)})


def test_drop_path_acts_in_training_only_and_keeps_the_mean() -> None:
    from models.nets import convnext

    layer = convnext.DropPath(0.4)
    branch = np.ones((4000, 1, 1, 2), np.float32)
    np.testing.assert_array_equal(np.asarray(layer(branch, training=False)), branch)
    dropped = np.asarray(layer(branch, training=True))
    assert set(np.unique(dropped.round(4))) == {np.float32(0.0), np.float32(1.6667)}
    assert dropped.mean() == pytest.approx(1.0, abs=0.06)


@pytest.fixture(scope="module")
def tiny() -> tuple[keras.Model, np.ndarray, np.ndarray]:
    """Keras' own ConvNeXt Tiny without a head, every weight random, two grey faces, and the features [2, 768]."""
    import keras

    from models.nets import convnext

    body = keras.applications.ConvNeXtTiny(
        include_top=False, weights=None, input_shape=(64, 64, 3), pooling="avg", include_preprocessing=False
    )
    rng = np.random.default_rng(5)
    for variable in body.weights:
        fan_in = np.prod(variable.shape[:-1])
        mean = 1.0 if variable.name == "gamma" else 0.0
        variable.assign(rng.normal(mean, 0.2 if fan_in == 1 else fan_in**-0.5, variable.shape).astype(np.float16))
    faces = rng.uniform(0, 255, (2, 64, 64, 1)).astype(np.float32)
    grey = np.asarray(convnext.PictureNorm()(faces))
    return body, faces, answer(body, np.repeat(grey, 3, axis=-1))


@pytest.mark.parametrize("runtime", ["keras", "onnxruntime", "openvino", "tensorflow"])
def test_tiny_of_keras_says_the_same_in_every_runtime(
    runtime: str, tiny: tuple[keras.Model, np.ndarray, np.ndarray]
) -> None:
    from models.training.backbones.applications import from_keras_convnext

    body, pictures, features = tiny
    architecture = Architecture("tiny", "patchify-4", 64)
    rng = np.random.default_rng(6)
    arrays = from_keras_convnext([np.asarray(variable) for variable in body.weights], architecture)
    assert len(arrays) == len(body.weights)
    arrays |= {"head.fc.weight": rng.normal(0, 0.1, (768, 8)), "head.fc.bias": rng.normal(0, 0.1, 8)}
    arrays = {name: array.astype(np.float16) for name, array in arrays.items()}
    expected = features @ arrays["head.fc.weight"].astype(np.float32) + arrays["head.fc.bias"].astype(np.float32)
    weights = to_weights(arrays, architecture, "tiny")
    if runtime == "keras":
        found = answer(graph.rebuild(weights), pictures)
    else:
        found = open_runtime(weights, runtime).logits(pictures)  # type: ignore[arg-type]
    assert np.ptp(expected, axis=0).max() > 0.1  # the two faces are told apart
    # The stem sums the three colours before 16 bits round it, Keras after: close, not equal.
    np.testing.assert_allclose(found, expected, atol=5e-3)
