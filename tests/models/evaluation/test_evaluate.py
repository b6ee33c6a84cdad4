from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from mien.errors import InputError
from models.evaluation.evaluate import calibrated, logits_of
from models.labelled.ferplus import face_set, read_npz
from models.nets import weights as weights_file
from models.nets.architecture import Architecture
from models.runtimes.choose import open_runtime
from models.training import checkpoint
from models.training.run import best_arrays
from tests.support.tiny_faces import write_npz
from tests.support.weights import evaluate, random_weights


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_npz(tmp_path_factory.mktemp("data") / "faces.npz", per_split=(32, 32, 24))


def test_figures_are_those_of_the_runtime(data: Path) -> None:
    faces = face_set(read_npz(data), "test")
    figures = {name: evaluate(random_weights(), faces, name) for name in ("onnxruntime", "openvino")}
    assert figures["openvino"]["confusion"] == figures["onnxruntime"]["confusion"]
    assert figures["openvino"]["n"] == 24
    assert sum(row["n"] for row in figures["openvino"]["per_class"].values()) == 24
    assert "without_copies" not in figures["openvino"]


def test_copies_are_scored_apart(data: Path) -> None:
    faces = face_set(read_npz(data), "test")
    half = replace(faces, copies=np.arange(24) < 12)
    assert evaluate(random_weights(), half, "onnxruntime")["without_copies"]["n"] == 12


def test_calibration_leaves_the_net_alone_and_names_the_wanted_part(data: Path) -> None:
    before = random_weights()
    after = calibrated(before, face_set(read_npz(data), "validation"), "onnxruntime")
    assert after.onnx == before.onnx
    assert after.figures["validation"]["coverage"] == pytest.approx(0.88, abs=0.05)
    assert after.figures["validation"]["accuracy"] == pytest.approx(
        evaluate(before, face_set(read_npz(data), "validation"), "onnxruntime")["accuracy"]
    )


def test_a_net_of_three_channels_sees_grey_as_three_equal_colours(data: Path) -> None:
    colour = random_weights(Architecture(channels=3))
    faces = face_set(read_npz(data), "test")
    runtime = open_runtime(colour, "onnxruntime")
    three = runtime.logits(np.repeat(faces.pictures[..., np.newaxis], 3, axis=3).astype(np.float32))
    assert logits_of(runtime, faces, colour) == pytest.approx(three, abs=1e-4)


def test_a_run_without_weights_cannot_be_finished(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=checkpoint.BEST_NAME):
        best_arrays([tmp_path])


def test_the_command_prints_one_json_document_and_can_record_it(tmp_path: Path, data: Path) -> None:
    import typer

    from cli.evaluate import evaluate as command

    app = typer.Typer()
    app.command()(command)
    path = weights_file.save(random_weights(), tmp_path / "random.zip")
    arguments = [str(data), "--weights", str(path), "--split", "test", "--runtime", "onnxruntime"]
    printed = CliRunner().invoke(app, [*arguments, "--json", "--record"], catch_exceptions=False)
    figures = json.loads(printed.stdout)
    assert figures["n"] == 24
    assert weights_file.load(path).figures["test"]["accuracy"] == figures["accuracy"]
    table = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert "accuracy" in table.stdout
    assert "surprise" in table.stdout
