from __future__ import annotations

import csv
import importlib.util
import io
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from cli.compare import compare as command_compare
from cli.train import BackendName, PrecisionName
from cli.views.compare import show
from mien.errors import InputError
from mien.types import EMOTIONS
from models.comparing import compare as comparing
from models.comparing.compare import PLOT_NAME, ROWS_NAME, TABLE_NAME, Comparison, Row, measure, scatter
from models.comparing.timing import RUNTIMES
from models.nets import weights as weights_file
from models.training.plan import Listener, TrainingPlan
from models.training.request import TrainingRequest
from models.training.run import Finished
from tests.support.labelled_pictures import write_class_folders
from tests.support.paths import ROOT
from tests.support.tiny_faces import write_npz
from tests.support.weights import random_weights

TWO = {name: EMOTIONS.index(name) for name in ("happy", "sad")}


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


@pytest.mark.parametrize("width", [40, 80, 200])
def test_no_number_of_the_printed_tables_is_cut(width: int) -> None:
    text = io.StringIO()
    times = {"openvino": 123.45, "onnxruntime": 234.56, "tensorflow": None}
    large = Row("efficientnet-lite0", 224, 118.9, 0.3871, 0.447, 0.027, 118_400_000, 236.3, times, False)  # type: ignore[arg-type]
    found = Comparison((row("convnext-atto", 0.8646, 1.8, True), large), 20.0, 3, 40.0, "2 cores")
    show(found, Console(file=text, width=width))
    printed = text.getvalue()
    assert "…" not in printed
    for cell in ("efficientnet-lite0", "224 px", "118.9", "38.71%", "0.447", "0.027", "118.4 M", "236.3 MB", "234.56"):
        assert cell in printed
    if width == 80:
        assert max(map(len, printed.splitlines())) <= 80
    assert "best inside the budget is convnext-atto." in " ".join(printed.split())


@pytest.mark.parametrize("crops", [False, True])
def test_whether_the_pictures_are_crops_reaches_the_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, crops: bool
) -> None:
    trained: list[TrainingRequest] = []

    def train(data: Path, wanted: TrainingRequest, *_: object) -> Finished:
        trained.append(wanted)
        raise InputError("enough")

    monkeypatch.setattr(comparing, "_need_nets", lambda several: [10 for _ in several])
    monkeypatch.setattr(comparing, "train", train)
    with pytest.raises(InputError, match="enough"):
        command_compare(
            write_class_folders(tmp_path / "faces", TWO, each=24), crops, ["convnext-atto"],
            minutes_each=1, weights="none", size=32, batch=8,
            seed=1, faces=3, budget=40, backend=BackendName.TENSORFLOW, precision=PrecisionName.FLOAT32,
            out=tmp_path / "out",
        )  # fmt: skip
    assert [wanted.crops for wanted in trained] == [crops]


@pytest.mark.parametrize("name", [TABLE_NAME, ROWS_NAME, PLOT_NAME, "mobilenetv2", ""])
def test_what_cannot_be_written_is_refused_before_a_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(comparing, "_need_nets", lambda several: [10 for _ in several])
    monkeypatch.setattr(comparing, "train", lambda *_: pytest.fail("something was trained"))
    in_the_way = tmp_path / "out" / name
    if name.startswith("comparison"):
        in_the_way.mkdir(parents=True)
    else:
        in_the_way.parent.mkdir(exist_ok=True)
        in_the_way.write_text("no folder")

    def listen(name: str) -> Listener:
        return lambda event: None

    data = write_npz(tmp_path / "faces.npz", per_split=(16, 8, 8))
    found = comparing.compare(
        data, ["convnext-atto", "mobilenetv2"], TrainingRequest(), TrainingPlan(minutes=1), tmp_path / "out", listen
    )
    with pytest.raises(InputError, match="cannot be written"):
        next(found)


def mien_compare(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "cli", "compare", *map(str, arguments)]
    command += ["--size", "32", "--minutes-each", "0.02", "--batch", "16"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "80", "TF_CPP_MIN_LOG_LEVEL": "3"}
    return subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, timeout=300)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_comparison_goes_on_with_more_backbones_but_not_on_other_data(tmp_path: Path) -> None:
    data = write_npz(tmp_path / "faces.npz", per_split=(64, 32, 8))
    other = write_npz(tmp_path / "other.npz", per_split=(64, 32, 8), seed=1)
    out = ("--out", tmp_path / "out", "--backbone", "convnext-atto")
    first = mien_compare(data, *out)
    assert first.returncode == 0, first.stderr
    assert "epoch 1:" in first.stdout
    assert "…" not in first.stdout
    refused = mien_compare(other, *out)
    assert refused.returncode == 2
    told = f"mien: {tmp_path / 'out'} holds a comparison on other data: choose another --out"
    assert refused.stderr.splitlines()[-1] == told  # TensorFlow may greet above it
    more = mien_compare(data, *out, "--backbone", "mobilenetv2")
    assert more.returncode == 0, more.stderr
    first_part, second_part, *_ = more.stdout.split("mobilenetv2")
    assert "epoch 1:" not in first_part  # the first one was done already
    assert "epoch 1:" in second_part
    rows = list(csv.DictReader((tmp_path / "out" / ROWS_NAME).read_text().splitlines()))
    assert [found["backbone"] for found in rows] == ["convnext-atto", "mobilenetv2"]


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_later_backbone_that_is_unknown_is_refused_before_the_first_is_trained(tmp_path: Path) -> None:
    data = write_npz(tmp_path / "faces.npz", per_split=(64, 32, 8))
    done = mien_compare(data, "--backbone", "convnext-atto", "--backbone", "nonsense", "--out", tmp_path / "out")
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].startswith("mien: unknown backbone 'nonsense'")
    assert "Traceback" not in done.stderr
    assert "epoch" not in done.stdout
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_crops_are_compared_on_as_they_are(tmp_path: Path) -> None:
    data, out = (
        write_class_folders(tmp_path / "faces", TWO, each=24),
        ("--out", tmp_path / "out", "--backbone", "convnext-atto"),
    )
    done = mien_compare(data, *out, "--crops")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out" / ROWS_NAME).exists()
    assert not (tmp_path / "out" / "convnext-atto" / "unusable.csv").exists()


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
