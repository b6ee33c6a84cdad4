from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from mien.errors import WeightsError
from models.nets import weights as weights_file
from models.runtimes.choose import open_runtime
from models.training.exporting.fidelity import BFLOAT16, FACES, HALF, Fidelity, check, fidelity, write_openvino
from tests.support.paths import ROOT
from tests.support.tiny_faces import write_npz
from tests.support.weights import random_weights


def test_the_largest_difference_and_the_share_of_equal_classes_are_counted() -> None:
    truth = np.array([[0.6, 0.4], [0.5, 0.5]])
    found = fidelity(truth, np.array([[0.6, 0.4], [0.44, 0.56]]))
    assert (found.n, found.same_top) == (2, 0.5)
    assert (found.largest, found.mean) == pytest.approx((0.06, 0.03))
    assert not found.within(BFLOAT16)
    assert Fidelity(500, 0.009, 0.001, 0.996).within(HALF)


def test_a_file_that_says_something_else_is_refused(tmp_path: Path) -> None:
    weights = random_weights()
    path = weights_file.save(weights, tmp_path / "w.zip")
    pictures = np.random.default_rng(0).uniform(0, 255, (20, 48, 48, 1)).astype(np.float32)
    logits = open_runtime(weights, "onnxruntime", threads=1).logits(pictures)
    found = check(logits, path, pictures, write_openvino(weights, tmp_path / "openvino"))
    assert set(found) == {
        "onnxruntime, fp16 file", "openvino, fp16 file", "openvino, bf16 hint", "openvino model"
    }  # fmt: skip
    with pytest.raises(WeightsError, match=r"onnxruntime, fp16 file is .* off at most"):
        check(logits + np.float32(3) * (np.arange(8) == 2), path, pictures)


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_an_export_is_compared_with_keras(tmp_path: Path) -> None:
    # As many faces as are compared at most: of fewer, a single one on the edge would be more than a share may move.
    data = write_npz(tmp_path / "faces.npz", per_split=(32, FACES, 32))
    command = [
        sys.executable, "-c", "import typer; from cli.export import export; typer.run(export)",
        str(weights_file.default_path()), str(data), "--to", str(tmp_path / "again.zip"),
        "--openvino", str(tmp_path / "openvino"), "--json",
    ]  # fmt: skip
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    run = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, timeout=240, check=True)
    document = json.loads(run.stdout)
    assert [Path(path).exists() for path in document["written"]] == [True] * 3
    assert document["check"]["openvino, fp16 file"]["largest"] <= 0.01
    assert {found["n"] for found in document["check"].values()} == {FACES}
