"""Runtimes: the same numbers from each, whatever the batch, and a clear word when one is missing."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys

import numpy as np
import pytest

from mien.errors import RuntimeMissing
from mien.settings import Precision, RuntimeName
from models.classifier import calibrated
from models.nets import weights as weights_file
from models.nets.weights import Weights
from models.runtimes import choose as runtime_module
from models.runtimes.choose import open_runtime
from models.runtimes.interface import PADDED_SIZES, ClassifierRuntime, Faces, in_chunks, padded


@pytest.fixture(scope="module")
def weights() -> Weights:
    return weights_file.load()


@pytest.fixture(scope="module")
def crops(weights: Weights) -> Faces:
    random = np.random.default_rng(0)
    shape = (11, weights.input_size, weights.input_size, weights.channels)
    return random.uniform(0, 255, shape).astype(np.float32)


@pytest.fixture(params=["openvino", "onnxruntime"], scope="module")
def runtime(request: pytest.FixtureRequest, weights: Weights) -> ClassifierRuntime:
    return open_runtime(weights, request.param)


def test_openvino_and_onnx_runtime_agree(weights: Weights, crops: Faces) -> None:
    one, other = (
        calibrated(open_runtime(weights, name).logits(crops), weights.temperature)
        for name in ("openvino", "onnxruntime")
    )
    assert np.abs(one - other).max() < 1e-4


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
def test_tensorflow_agrees_too(weights: Weights, crops: Faces) -> None:
    pytest.importorskip("tensorflow", reason="TensorFlow is not installed")
    rebuilt = calibrated(open_runtime(weights, "tensorflow").logits(crops), weights.temperature)
    served = calibrated(open_runtime(weights, "onnxruntime").logits(crops), weights.temperature)
    assert np.abs(rebuilt - served).max() < 1e-4


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
@pytest.mark.parametrize(("precision", "shortened"), [("auto", True), ("bf16", True), ("fp32", False)])
def test_fp32_is_not_shortened_on_a_gpu(precision: Precision, shortened: bool, weights: Weights) -> None:
    tensorflow = pytest.importorskip("tensorflow", reason="TensorFlow is not installed")
    chosen = tensorflow.config.experimental
    try:
        open_runtime(weights, "tensorflow", precision=precision)
        assert chosen.tensor_float_32_execution_enabled() is shortened
    finally:
        chosen.enable_tensor_float_32_execution(True)


@pytest.mark.slow
def test_tensorflow_is_refused_where_keras_computes_with_something_else() -> None:
    pytest.importorskip("tensorflow", reason="TensorFlow is not installed")
    program = (
        "from models.nets import weights; from models.runtimes import choose;"
        " choose.open_runtime(weights.load(), 'tensorflow')"
    )
    environment = {**os.environ, "KERAS_BACKEND": "openvino"}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "RuntimeMissing: the tensorflow runtime needs Keras on TensorFlow, here it is on openvino" in done.stderr


def test_bf16_stays_within_a_hundredth(weights: Weights, crops: Faces) -> None:
    fast, exact = (
        calibrated(open_runtime(weights, "openvino", precision=precision).logits(crops), weights.temperature)
        for precision in ("bf16", "fp32")
    )
    assert np.abs(fast - exact).max() < 0.01


def test_what_a_face_gets_does_not_depend_on_its_batch(runtime: ClassifierRuntime, crops: Faces) -> None:
    together = runtime.logits(crops)
    alone = np.concatenate([runtime.logits(crops[index : index + 1]) for index in range(len(crops))])
    assert together.shape == (11, 8)
    assert np.abs(together - alone).max() < 1e-4


def test_no_faces_are_no_logits(runtime: ClassifierRuntime, crops: Faces) -> None:
    assert runtime.logits(crops[:0]).shape == (0, 8)


def test_results_are_kept_when_the_next_batch_comes(runtime: ClassifierRuntime, crops: Faces) -> None:
    first = runtime.logits(crops[:2])
    before = first.copy()
    runtime.logits(crops[2:4])
    assert np.array_equal(first, before)


def test_auto_opens_an_installed_runtime_without_tensorflow(weights: Weights, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runtime_module, "_has_gpu", lambda: False)
    assert open_runtime(weights).name in ("openvino", "onnxruntime")


@pytest.mark.parametrize("name", ["openvino", "onnxruntime", "tensorflow"])
def test_a_runtime_that_is_not_installed_is_named(
    name: RuntimeName, weights: Weights, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    with pytest.raises(RuntimeMissing, match=name):
        open_runtime(weights, name)


@pytest.mark.parametrize("count", [0, 1, 3, 7, 64, 65, 130])
def test_chunks_and_padding_keep_every_row_in_order(count: int) -> None:
    faces = np.arange(count, dtype=np.float32).reshape(count, 1, 1, 1)
    sizes: list[int] = []

    def run(batch: Faces) -> Faces:
        sizes.append(len(batch))
        return np.repeat(batch.reshape(-1, 1), 8, axis=1)

    assert np.array_equal(in_chunks(faces, (4, 2, 1), run)[:, 0], np.arange(count))
    assert set(sizes) <= {1, 2, 4}
    sizes.clear()
    assert np.array_equal(padded(faces, run)[:, 0], np.arange(count))
    assert set(sizes) <= set(PADDED_SIZES)
