from __future__ import annotations

import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from cli.evaluate import evaluate
from mien.errors import InputError, SettingsError
from models.nets import weights as weights_file
from tests.support.labelled_pictures import write_class_folders, write_portraits
from tests.support.tiny_faces import write_npz
from tests.support.weights import random_weights


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    return weights_file.save(random_weights(), tmp_path / "random.zip")


def run(*arguments: object) -> Result:
    app = typer.Typer()
    app.command()(evaluate)
    texts = [str(argument) for argument in arguments]
    return CliRunner().invoke(app, [*texts, "--runtime", "onnxruntime"], catch_exceptions=False)


def test_photos_are_cut_by_our_detector_and_the_answer_is_one_json_document(tmp_path: Path) -> None:
    folder = write_portraits(tmp_path / "faces")
    figures = json.loads(run(folder, "--json").stdout)
    assert (figures["n"], figures["no_face"], figures["unreadable"]) == (5, 1, 1)
    assert (figures["detector"], figures["split"], figures["tta"]) == ("blazeface", "all", [])
    assert figures["failures"][0]["path"].endswith("broken.jpg")
    wanted = {"accuracy", "macro_f1", "per_class", "ece", "nll", "coverage", "accuracy_at_coverage", "confusion"}
    assert wanted | {"reject_auroc", "curve", "va", "va_source"} <= figures.keys()


def test_what_is_asked_for_is_said(tmp_path: Path, weights: Path) -> None:
    path = write_npz(tmp_path / "faces.npz", per_split=(8, 8, 0))
    arguments = (path, "--weights", weights, "--split", "validation")
    figures = json.loads(run(*arguments, "--tta", "--corruptions", "--json").stdout)
    assert figures["tta"][0] == "mirror"
    assert len(figures["corruptions"]) == 8
    assert (figures["split"], figures["detector"], figures["n"]) == ("validation", "crops", 8)
    assert "test-time augmentation: mirror" in run(*arguments, "--tta").stdout
    text = run(*arguments, "--corruptions").stdout
    for word in ("JPEG quality 20", "surprise", "CCC"):
        assert word in text


def test_a_report_can_be_had(tmp_path: Path, weights: Path) -> None:
    folder = write_class_folders(tmp_path / "faces", {"happy": 4, "sad": 6})
    printed = run(folder, "--crops", "--weights", weights, "--report", tmp_path / "report")
    assert f"report: {tmp_path / 'report' / 'report.html'}" in printed.stdout.replace("\n", "")
    assert (tmp_path / "report" / "report.html").is_file()


def test_an_empty_split_is_one_clear_error_naming_the_file(tmp_path: Path) -> None:
    path = write_npz(tmp_path / "faces.npz", per_split=(8, 16, 0))
    with pytest.raises(InputError, match=r"the test split of .*faces\.npz is empty: it has train, validation"):
        run(path)


@pytest.mark.parametrize("flags", [("--out", "x"), ("--wait",), ("--enqueue", "--tta"), ("--enqueue", "--report", "x")])
def test_flags_that_do_not_go_together_are_refused(tmp_path: Path, flags: tuple[str, ...]) -> None:
    with pytest.raises(SettingsError, match="--enqueue"):
        run(tmp_path, *flags)


def test_figures_of_test_time_augmentation_are_not_recorded(tmp_path: Path, weights: Path) -> None:
    path = write_npz(tmp_path / "faces.npz", per_split=(8, 8, 8))
    with pytest.raises(InputError, match="test-time augmentation"):
        run(path, "--weights", weights, "--tta", "--record")
    assert weights_file.load(weights).figures == {}
