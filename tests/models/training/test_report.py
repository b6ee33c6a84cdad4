"""What a training leaves for people: the page, the card and the plots say what the figures say."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np

from mien.types import EMOTIONS
from models.evaluation.evaluate import with_figures
from models.evaluation.score import score_probabilities
from models.labelled.ferplus import FaceSet
from models.nets import weights as weights_file
from models.pictures.picture import read_header
from models.training.report import worst_mistakes, write_report


def faces(count: int = 40) -> FaceSet:
    """Return faces of all emotions but contempt."""
    labels = np.array([row % 8 for row in range(count)], np.int64)
    labels[labels == EMOTIONS.index("contempt")] = EMOTIONS.index("happy")
    pictures = np.random.default_rng(0).integers(0, 255, (count, 48, 48), np.uint8)
    return FaceSet(pictures, np.eye(8, dtype=np.float32)[labels], labels, np.zeros(count, bool))


def opinions(labels: np.ndarray, wrong: int) -> np.ndarray:
    """Return probabilities that are right, but for the first few: those say fear, ever more surely."""
    shares = np.full((len(labels), 8), 0.02)
    shares[np.arange(len(labels)), labels] = 0.86
    for row in range(wrong):
        shares[row] = 0.02 - row / 1000
        shares[row, EMOTIONS.index("fear")] = 1 - 7 * (0.02 - row / 1000)
    return shares


def test_a_run_leaves_a_page_a_card_and_plots(tmp_path: Path) -> None:
    validation = faces()
    shares = opinions(validation.labels, 3)
    weights = replace(weights_file.load(), name="own", figures={})
    weights = with_figures(weights, "validation", score_probabilities(shares, validation.labels, 0.5).to_dict())
    columns = ("epoch", "step", "minutes", "train_loss", "nll", "accuracy", "macro_f1")
    with (tmp_path / "log.csv").open("w", newline="") as file:
        csv.writer(file).writerows([columns, (0, 10, 1, 2.0, 1.5, 0.4, 0.3), (1, 20, 2, 1.5, 1.1, 0.9, 0.8)])
    written = write_report(tmp_path, weights, 3_400_000, validation, shares, ["faces/: 400 <faces>"])
    assert {path.name for path in written} == {
        "report.html", "model_card.md", "curves.png", "confusion.png", "reliability.png", "coverage.png",
    }  # fmt: skip
    assert all(read_header(path.read_bytes()).width > 300 for path in written if path.suffix == ".png")
    page, card = (tmp_path / "report.html").read_text(), (tmp_path / "model_card.md").read_text()
    accuracy = weights.figures["validation"]["accuracy"]
    assert accuracy < 1
    assert f"{accuracy:.1%}" in page
    assert "400 &lt;faces&gt;" in page
    assert f"| accuracy | {accuracy:.2%} |" in card
    assert "not measured: contempt" in card
    assert "own" in card


def test_the_surest_mistake_comes_first() -> None:
    validation = faces()
    mistakes = worst_mistakes(validation, opinions(validation.labels, 4), most=2)
    assert [mistake.predicted for mistake in mistakes] == ["fear", "fear"]
    assert mistakes[0].confidence > mistakes[1].confidence
