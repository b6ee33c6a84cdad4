from __future__ import annotations

import csv
import json
import re
from pathlib import Path

import cv2
import numpy as np
import pytest

from mien.errors import InputError
from mien.jobs.outputs import EVALUATION_FILES
from mien.settings import Settings
from mien.types import EMOTIONS
from models.evaluation import plots
from models.evaluation.measure import EvaluationRequest, chosen_part, measure, recorded
from models.evaluation.page import page
from models.evaluation.report import Evaluation, plots_of, prepare_folder, rows_of, worst_mistakes, write_report
from models.evaluation.score import score
from models.labelled.data import read_labelled
from models.nets import weights as weights_file
from tests.support.labelled_pictures import write_class_folders
from tests.support.weights import random_weights

HAPPY, SAD, FEAR = (EMOTIONS.index(name) for name in ("happy", "sad", "fear"))


@pytest.fixture(scope="module")
def evaluation(tmp_path_factory: pytest.TempPathFactory) -> Evaluation:
    folder = tmp_path_factory.mktemp("data")
    write_class_folders(folder / "faces", {"happy": HAPPY, "sad": SAD, "fear": FEAR, "uncertain": 0}, each=6)
    (folder / "faces" / "sad" / "<b>&.png").write_bytes(b"")
    weights = weights_file.save(random_weights(), folder / "random.zip")
    wanted = EvaluationRequest(crops=True, corruptions=True)
    data = chosen_part(read_labelled(folder / "faces"), wanted)
    return measure(data, wanted, Settings(weights=weights, runtime="onnxruntime"))


def test_a_report_is_a_page_its_plots_figures_and_a_row_for_each_picture(
    evaluation: Evaluation, tmp_path: Path
) -> None:
    out = tmp_path / "a" / "report"
    prepare_folder(out)
    write_report(evaluation, out)
    assert {path.name for path in out.iterdir()} == set(EVALUATION_FILES)
    assert json.loads((out / "evaluation.json").read_text()) == evaluation.figures
    for path in out.glob("*.png"):
        pixels = cv2.imread(str(path))
        assert pixels is not None
        assert pixels.shape[0] > 200
        assert pixels.std() > 10
    with (out / "predictions.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 25
    scored = [row for row in rows if row["read"] and row["truth"] != "uncertain"]
    right = sum(row["read"] == row["truth"] for row in scored)
    assert evaluation.figures["accuracy"] == pytest.approx(right / len(scored), abs=1e-4)
    assert next(row["reason"] for row in rows if row["path"].endswith("<b>&.png")).startswith("not a picture")


def test_the_page_needs_nothing_else_and_takes_no_name_for_markup(evaluation: Evaluation, tmp_path: Path) -> None:
    write_report(evaluation, tmp_path)
    text = (tmp_path / "report.html").read_text()
    assert "<b>&.png" not in text
    assert "&lt;b&gt;&amp;.png" in text
    assert re.findall(r'(?:src|href)="(?!data:)', text) == []
    assert "http" not in text
    for word in ("apparent", "JPEG quality 20", "uncertain", "fear"):
        assert word in text


def test_the_worst_mistakes_come_first_and_are_wrong(evaluation: Evaluation) -> None:
    mistakes = worst_mistakes(evaluation, most=5)
    assert len(mistakes) == 5
    assert all(mistake.truth != mistake.predicted for mistake in mistakes)
    confidence = [mistake.confidence for mistake in mistakes]
    assert confidence == sorted(confidence, reverse=True)
    assert mistakes[0].crop.shape == (112, 112, 3)


def test_a_picture_that_vanished_since_is_left_out_of_the_gallery(
    evaluation: Evaluation, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = worst_mistakes(evaluation, most=1)[0]
    path = Path(first.path)
    content = path.read_bytes()
    path.unlink()
    assert worst_mistakes(evaluation, most=1)[0].path != first.path
    path.write_bytes(content)


def test_rows_say_why_there_is_no_reading(evaluation: Evaluation) -> None:
    text = rows_of(evaluation).decode()
    assert text.splitlines()[0].startswith("path,truth,read,label,confidence,anger")
    assert text.count("not a picture") == 1


def test_figures_of_a_manifest_name_no_files(evaluation: Evaluation) -> None:
    kept = recorded(evaluation.figures)
    assert kept["accuracy"] == evaluation.figures["accuracy"]
    assert not {"failures", "data", "curve"} & kept.keys()
    with pytest.raises(InputError, match="test-time augmentation"):
        recorded({**evaluation.figures, "tta": ["mirror"]})


def test_a_folder_that_cannot_be_written_is_an_error_before_anything_is_read(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="report cannot be written"):
        prepare_folder(tmp_path / "file" / "report")


def test_plots_bear_little_data() -> None:
    nothing = np.zeros((8, 8), np.int64)
    figures = [
        plots.confusion_matrix(nothing),
        plots.confusion_matrix(nothing, np.ones(8, np.int64)),
        plots.reliability(np.zeros((0, 8)), np.zeros(0, np.int64)),
        plots.reliability(np.eye(8)[[HAPPY]], np.array([HAPPY])),
        plots.coverage_curve([], 0.0, 0.0),
        plots.coverage_curve([{"coverage": 1.0, "accuracy": 1.0}], 0.1, 1.0),
        plots.gallery([]),
        plots.learning_curves([]),
        plots.learning_curves([{"epoch": 0, "train_loss": 2.0, "nll": 1.9, "accuracy": 0.3, "macro_f1": 0.1}]),
    ]
    for figure in figures:
        assert plots.png_of(figure).startswith(b"\x89PNG")


def test_the_same_numbers_give_the_same_picture() -> None:
    assert plots.png_of(plots.confusion_matrix(np.eye(8, dtype=np.int64))) == plots.png_of(
        plots.confusion_matrix(np.eye(8, dtype=np.int64))
    )


def test_figures_of_a_training_make_a_page_too(evaluation: Evaluation) -> None:
    scores = score(np.eye(8, dtype=np.float32)[[HAPPY, SAD, SAD]] * 4, np.array([HAPPY, SAD, FEAR]))
    figures = scores.to_dict()
    plain = evaluation.predictions.probabilities[0][evaluation.data.clear & evaluation.predictions.readable]
    images = plots_of(figures, plain[:3], np.array([HAPPY, SAD, FEAR]))
    assert list(images) == ["confusion", "reliability", "coverage"]
    text = page("Training", [], figures, images, [])
    assert "66.7%" in text
    assert "cannot be read" not in text


def test_a_page_without_mistakes_or_changes_leaves_these_parts_out(evaluation: Evaluation) -> None:
    figures = {key: value for key, value in evaluation.figures.items() if key != "corruptions"}
    text = page("Title <1>", ["a & b"], {**figures, "failures": [], "unreadable": 0}, {}, [])
    assert "Title &lt;1&gt;" in text
    assert "a &amp; b" in text
    for heading in ("Changed pictures", "Mistakes", "Files that cannot"):
        assert heading not in text
