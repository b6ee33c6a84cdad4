"""Keras is imported here: TensorFlow takes seconds, so all of it is slow."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from models import graph
from models.architecture import FAMILY, STEMS, Architecture, array_shapes
from models.runtime import open_runtime
from models.training.export import random_weights, to_weights

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
    from models import convnext

    architecture = Architecture(variant)
    arrays = convnext.named_arrays(convnext.build(architecture))
    assert {name: array.shape for name, array in arrays.items()} == array_shapes(architecture)


def test_atto_has_the_published_size() -> None:
    from models import convnext

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
    from models import convnext

    architecture = Architecture()
    model = convnext.build(architecture)
    faces = np.random.default_rng(3).uniform(0, 255, (4, 48, 48, 1)).astype(np.float32)
    rebuilt = graph.rebuild(to_weights(convnext.named_arrays(model), architecture, "test"))
    # 16 bits a matrix entry: close, not equal.
    np.testing.assert_allclose(answer(rebuilt, faces), answer(model, faces), atol=0.01)


def test_arrays_of_another_shape_do_not_fit() -> None:
    from models import convnext

    with pytest.raises(ValueError, match="names do not fit"):
        convnext.restore(convnext.build(Architecture()), {"head.fc.weight": np.zeros((320, 8), np.float32)})


def test_drop_path_acts_in_training_only_and_keeps_the_mean() -> None:
    from models import convnext

    layer = convnext.DropPath(0.4)
    branch = np.ones((4000, 1, 1, 2), np.float32)
    np.testing.assert_array_equal(np.asarray(layer(branch, training=False)), branch)
    dropped = np.asarray(layer(branch, training=True))
    assert set(np.unique(dropped.round(4))) == {np.float32(0.0), np.float32(1.6667)}
    assert dropped.mean() == pytest.approx(1.0, abs=0.06)
