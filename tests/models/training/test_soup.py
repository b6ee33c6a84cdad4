"""The mean of several nets' weights: of runs, and of files that a training starts from."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from mien.errors import InputError, WeightsError
from mien.types import EMOTIONS
from models.nets import graph
from models.nets import weights as weights_file
from models.training import checkpoint
from models.training.exporting import fidelity
from models.training.exporting.soup import mean_of
from models.training.run import best_arrays, export
from tests.support.labelled_pictures import write_class_folders
from tests.support.paths import ROOT
from tests.support.tiny_faces import write_npz

HAPPY, SAD = (EMOTIONS.index(name) for name in ("happy", "sad"))


def kept(folder: Path, dtype: str = "f4", **arrays: object) -> Path:
    several = {name: np.asarray(array, dtype) for name, array in arrays.items()}
    checkpoint.save_arrays(folder / checkpoint.BEST_NAME, several)
    return folder


def test_of_several_runs_each_array_is_averaged(tmp_path: Path) -> None:
    one = kept(tmp_path / "one", stem=[1, 2], head=[[4]])
    two = kept(tmp_path / "two", "f2", head=[[2]], stem=[3, 2])
    both = best_arrays([one, two])
    assert {name: array.tolist() for name, array in both.items()} == {"stem": [2, 2], "head": [[3]]}
    assert {array.dtype for array in both.values()} == {np.dtype(np.float32)}
    assert best_arrays([one])["stem"].tolist() == [1, 2]


@pytest.mark.parametrize("other", [{"stem": [1, 2, 3]}, {"stem": [1, 2], "more": [1]}, {"root": [1, 2]}])
def test_weights_of_different_nets_have_no_mean(tmp_path: Path, other: dict[str, list[int]]) -> None:
    runs = [kept(tmp_path / "one", stem=[1, 2]), kept(tmp_path / "two", "f4", **other)]
    with pytest.raises(InputError, match=r"two and .*one are weights of different nets"):
        best_arrays(runs)


def test_a_mean_lies_between_where_it_started_from() -> None:
    shipped = graph.read_arrays(weights_file.load().onnx)
    moved = {name: array + np.float32(0.5) for name, array in shipped.items()}
    mean = mean_of([("shipped", shipped), ("moved", moved)])
    assert all(np.allclose(mean[name], shipped[name] + 0.25, atol=1e-6) for name in shipped)


def command(*arguments: object) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    line = [sys.executable, "-m", "cli", *map(str, arguments)]
    return subprocess.run(line, env=environment, cwd=ROOT, capture_output=True, text=True, timeout=280, check=False)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_two_runs_become_one_file_and_the_start_of_a_third(tmp_path: Path) -> None:
    data = write_npz(tmp_path / "faces.npz", per_split=(64, 500, 32))
    one, two = tmp_path / "one", tmp_path / "two"
    short = ("--head-share", 0, "--epochs", 1, "--batch", 32)
    start = ("--weights", weights_file.default_path(), "--learning-rate", 1e-4)
    for seed, folder in enumerate((one, two)):
        run = command("train", data, *short, *start, "--seed", seed, "--out", folder)
        assert run.returncode == 0, run.stderr
    run = command("export", one, data, "--soup", two, "--to", tmp_path / "soup.zip")
    assert run.returncode == 0, run.stderr
    best = [folder / checkpoint.BEST_NAME for folder in (one, two)]
    again = ("--weights", best[0], "--weights", best[1], "--learning-rate", 1e-9)
    run = command("train", data, *short, *again, "--out", tmp_path / "three")
    assert run.returncode == 0, run.stderr
    mean = best_arrays([one, two])
    soup = graph.read_arrays(weights_file.load(tmp_path / "soup.zip").onnx)
    third = best_arrays([tmp_path / "three"])
    for name, array in mean.items():
        assert np.allclose(third[name], array, atol=1e-5), name
        if not name.startswith("head"):  # the head is shifted for rare emotions
            assert np.allclose(soup[name], array, rtol=2e-3, atol=1e-3), name


@pytest.mark.slow
def test_a_file_is_no_run_to_average(tmp_path: Path) -> None:
    data = write_npz(tmp_path / "faces.npz", per_split=(32, 64, 32))
    run = command("export", weights_file.default_path(), data, "--soup", tmp_path, "--to", tmp_path / "soup.zip")
    assert run.returncode != 0
    assert "is no folder of a training" in run.stderr
    assert not (tmp_path / "soup.zip").exists()


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_an_export_is_judged_by_pictures_that_the_run_did_not_learn_from(tmp_path: Path) -> None:
    write_class_folders(tmp_path / "faces", {"happy": HAPPY, "sad": SAD}, each=60)
    run = tmp_path / "run"
    short = ("--crops", "--head-share", 0, "--epochs", 1, "--batch", 16, "--seed", 7)
    done = command("train", tmp_path / "faces", *short, "--weights", weights_file.default_path(), "--out", run)
    assert done.returncode == 0, done.stderr
    done = command("export", run, tmp_path / "faces", "--crops", "--to", tmp_path / "again.zip")
    assert done.returncode == 0, done.stderr
    before, after = (weights_file.load(path) for path in (run / "ferplus-atto.zip", tmp_path / "again.zip"))
    assert after.figures["validation"] == before.figures["validation"]
    assert after.temperature == before.temperature


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
def test_an_export_that_misses_a_bound_leaves_the_older_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("keras", reason="Keras is not installed")
    data = write_npz(tmp_path / "faces.npz", per_split=(32, 64, 32))
    older = weights_file.save(weights_file.load(), tmp_path / "older.zip")
    content = older.read_bytes()
    monkeypatch.setattr(fidelity, "HALF", fidelity.Bounds(0.0, 0.0, 1.0))
    with pytest.raises(WeightsError, match="off at most"):
        export(weights_file.default_path(), data, older, "ferplus-atto", tmp_path / "openvino")
    assert older.read_bytes() == content
    assert {path.name for path in tmp_path.iterdir()} == {"faces.npz", "older.zip"}
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(InputError, match="taken is a file: give a folder"):
        export(weights_file.default_path(), data, older, "ferplus-atto", tmp_path / "taken")
