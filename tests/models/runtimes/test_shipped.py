"""The weights that ship with mien, on real faces: needs FER+, whose pictures are not part of the project."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from models.evaluation.score import softmax
from models.labelled.ferplus import FerPlus, face_set, prepare, read_npz
from models.nets import graph
from models.nets import weights as weights_file
from models.runtimes.choose import open_runtime
from models.training.exporting import fidelity
from tests.support.weights import evaluate

pytestmark = [
    pytest.mark.slow,
    # TensorFlow's own imports warn.
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning"),
]


@pytest.fixture(scope="module")
def ferplus() -> FerPlus:
    path = os.environ.get("MIEN_TEST_FERPLUS")
    if not path or not Path(path).exists():
        pytest.skip("MIEN_TEST_FERPLUS names no npz")
    return read_npz(path)


def test_keras_and_both_runtimes_agree_on_500_real_faces(ferplus: FerPlus) -> None:
    weights = weights_file.load()
    faces = prepare(face_set(ferplus, "validation").pictures[:500], weights.input_size)
    expected = softmax(np.asarray(graph.rebuild(weights).predict_on_batch(faces)), weights.temperature)
    for runtime in (open_runtime(weights, "onnxruntime", threads=2), open_runtime(weights, "openvino", threads=2)):
        found = softmax(runtime.logits(faces), weights.temperature)
        assert np.abs(found - expected).max() <= 1e-4
        assert (found.argmax(axis=1) == expected.argmax(axis=1)).all()


def test_what_an_export_must_keep_the_shipped_file_keeps_on_real_faces(ferplus: FerPlus) -> None:
    weights = weights_file.load()
    faces = prepare(face_set(ferplus, "validation").pictures[: fidelity.FACES], weights.input_size)
    keras = np.asarray(graph.rebuild(weights).predict_on_batch(faces))
    assert "openvino, bf16 hint" in fidelity.check(keras, weights_file.default_path(), faces)


def test_the_figures_in_the_manifest_come_out_again(ferplus: FerPlus) -> None:
    weights = weights_file.load()
    for split in ("validation", "test"):
        figures = evaluate(weights, face_set(ferplus, split), threads=2)
        recorded = weights.figures[split]
        # Runtimes round differently: a face or two on the edge may change sides.
        for key in ("accuracy", "macro_f1", "ece", "nll", "coverage", "accuracy_at_coverage"):
            assert figures[key] == pytest.approx(recorded[key], abs=0.002), key
        assert figures["n"] == recorded["n"]
        assert figures["without_copies"]["accuracy"] == pytest.approx(recorded["without_copies"]["accuracy"], abs=0.002)
