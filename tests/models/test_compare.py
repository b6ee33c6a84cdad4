from __future__ import annotations

import csv
import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from models import weights as weights_file
from models.training.compare import Comparison, Row, measure, scatter
from models.training.export import random_weights
from models.training.run import Finished
from models.training.timing import RUNTIMES
from tests.models.tiny_faces import write_npz

ROOT = Path(weights_file.__file__).parents[1]


def row(backbone: str, accuracy: float, ms: float, fits: bool) -> Row:
    times = {"openvino": ms, "onnxruntime": 2 * ms, "tensorflow": None}
    return Row(backbone, 48, 9.0, accuracy, 0.5, 0.02, 3_400_000, 6.3, times, fits)  # type: ignore[arg-type]


def test_the_best_is_the_most_accurate_inside_the_budget(tmp_path: Path) -> None:
    rows = (row("small", 0.80, 1.0, True), row("middle", 0.82, 5.0, True), row("large", 0.9, 30.0, False))
    found = Comparison(rows, 20.0, 3, 40.0, "2 cores")
    assert found.best is rows[1]
    table = found.to_markdown().splitlines()
    assert table[2].startswith("| small | 48 px | 9.0 | 80.00% |")
    assert "The best inside the budget is **middle**." in table[-1]
    assert len(list(csv.DictReader(found.to_csv().splitlines()))) == 3
    scatter(found, tmp_path / "plot.png")
    assert (tmp_path / "plot.png").read_bytes()[:4] == b"\x89PNG"


def test_a_net_is_timed_in_each_runtime_whatever_keras_trained_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KERAS_BACKEND", "openvino")
    figures = {"validation": {"accuracy": 0.1, "macro_f1": 0.1, "ece": 0.1}}
    weights = random_weights()
    object.__setattr__(weights, "figures", figures)
    path = weights_file.save(weights, tmp_path / "w.zip")
    finished = Finished(weights, path, np.zeros(8, np.float32), parameters=3_400_000)
    found = measure(finished, faces=3, budget_ms=40_000)
    assert 0 < found.fastest_ms < 1000
    assert {name for name, ms in found.ms_a_face.items() if ms is not None} == {
        name for name in RUNTIMES if importlib.util.find_spec(name)
    }
    assert found.fits
    assert not measure(finished, faces=3, budget_ms=1e-6).fits


@pytest.mark.slow
@pytest.mark.timeout(500)
def test_two_backbones_are_trained_and_compared(tmp_path: Path) -> None:
    data = write_npz(tmp_path / "faces.npz", per_split=(200, 64, 32))
    command = [
        sys.executable, "-c", "import typer; from cli.compare import compare; typer.run(compare)", str(data),
        "--backbone", "convnext-atto", "--backbone", "mobilenetv2", "--size", "32", "--minutes-each", "0.1",
        "--batch", "16", "--out", str(tmp_path / "out"),
    ]  # fmt: skip
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, timeout=400, check=True)
    rows = list(csv.DictReader((tmp_path / "out" / "comparison.csv").read_text().splitlines()))
    assert [found["backbone"] for found in rows] == ["convnext-atto", "mobilenetv2"]
    assert all(float(found["openvino_ms_a_face"]) > 0 for found in rows)
    assert all(float(found["passes"]) > 0 for found in rows)
    assert (tmp_path / "out" / "comparison.png").exists()
