"""The report of an evaluation in a folder: figures, a row for each picture, plots, and one page."""

from __future__ import annotations

import csv
import importlib
import io
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from numpy.typing import NDArray

from mien.errors import InputError, PictureError
from mien.files import atomic_file
from mien.jobs.outputs import FIGURES, PREDICTIONS, REPORT, plot_name
from mien.pixels import Grey, Rgb
from mien.types import EMOTIONS, UNCERTAIN
from models.align import Square, cut
from models.evaluation.figures import Rule, curve, settled
from models.evaluation.page import page
from models.evaluation.predictions import Predictions
from models.labelled.data import LabelledData
from models.labelled.names import UNCLEAR
from models.pictures.picture import encode_jpeg

if TYPE_CHECKING:
    from models.evaluation.plots import Mistake

MISTAKES = 24
CROP_PX = 112
# Around a face's box, so that hair and chin are seen.
_CROP_SCALE = 1.4


@dataclass(frozen=True, slots=True)
class Evaluation:
    """All that a report tells: data, what was predicted, how it was decided, the figures, and words about it all."""

    data: LabelledData
    predictions: Predictions
    rule: Rule
    figures: Mapping[str, Any]
    facts: Sequence[str]


def prepare_folder(folder: Path) -> None:
    """Make the folder for a report, before hours are spent on it.

    Raises RuntimeMissing without matplotlib, InputError when the folder cannot be written.
    """
    importlib.import_module("models.evaluation.plots")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"the report cannot be written to {folder}: {error.strerror or error}") from error
    if not os.access(folder, os.W_OK | os.X_OK):
        raise InputError(f"the report cannot be written to {folder}: no permission")


def write_report(evaluation: Evaluation, folder: Path) -> None:
    """Write evaluation.json, predictions.csv, report.html and its plots as PNG; each replaces an older one when whole.

    Raises RuntimeMissing without matplotlib, InputError when the folder cannot be written.
    """
    from models.evaluation import plots

    figures, data, predictions = evaluation.figures, evaluation.data, evaluation.predictions
    scored = data.clear & ~np.isnan(predictions.probabilities[0, :, 0])
    images = plots_of(figures, settled(predictions.probabilities[0][scored]), data.labels[scored])
    mistakes = worst_mistakes(evaluation)
    title = "How well apparent emotions are classified"
    files = {plot_name(name): png for name, png in images.items()}
    files[plot_name("mistakes")] = plots.png_of(plots.gallery(mistakes))
    files[FIGURES] = (json.dumps(figures, indent=1) + "\n").encode()
    files[PREDICTIONS] = rows_of(evaluation)
    files[REPORT] = page(title, evaluation.facts, figures, images, items_of(mistakes)).encode(errors="replace")
    write_all(folder, files)


def write_all(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write files by name, each of which replaces an older one when it is whole.

    Raises InputError when the folder cannot be written.
    """
    try:
        for name, content in files.items():
            with atomic_file(folder / name, synced=False) as file:
                file.write(content)
    except OSError as error:
        raise InputError(f"{folder} cannot be written: {error.strerror or error}") from error


def plots_of(
    figures: Mapping[str, Any], probabilities: NDArray[np.float64], labels: NDArray[np.int64]
) -> dict[str, bytes]:
    """Return confusion, reliability and coverage as PNG, from `figures_of` and the N faces that were found.

    `probabilities` [N, 8], `labels` [N]. Raises RuntimeMissing without matplotlib.
    """
    from models.evaluation import plots

    confusion = np.array(figures["confusion"])
    totals = np.array([figures["per_class"].get(name, {"n": 0})["n"] for name in EMOTIONS])
    points = figures["curve"] if "curve" in figures else curve(probabilities, labels)
    drawn = {
        "confusion": plots.confusion_matrix(confusion, totals - confusion.sum(axis=1)),
        "reliability": plots.reliability(probabilities, labels),
        "coverage": plots.coverage_curve(points, figures["coverage"], figures["accuracy_at_coverage"]),
    }
    return {name: plots.png_of(figure) for name, figure in drawn.items()}


def worst_mistakes(evaluation: Evaluation, most: int = MISTAKES) -> list[Mistake]:
    """Return the wrongly classified faces that the classifier was surest of; pictures are read again for it."""
    from models.evaluation.plots import Mistake

    data, probabilities = evaluation.data, evaluation.predictions.probabilities[0]
    predicted, confidence = np.nan_to_num(probabilities).argmax(axis=1), probabilities.max(axis=1)
    wrong = np.flatnonzero(data.clear & ~np.isnan(confidence) & (predicted != data.labels))
    mistakes: list[Mistake] = []
    for row in wrong[np.argsort(-confidence[wrong], kind="stable")]:
        if len(mistakes) == most:
            break
        try:
            crop = _crop(data.pictures.read(int(row)), evaluation.predictions.boxes[row])
        except PictureError:  # gone since it was read
            continue
        truth, seen = EMOTIONS[data.labels[row]], EMOTIONS[predicted[row]]
        mistakes.append(Mistake(crop, truth, seen, float(confidence[row]), data.pictures.name(int(row))))
    return mistakes


def items_of(mistakes: Sequence[Mistake]) -> list[tuple[bytes, str, str]]:
    """Return mistakes as a page shows them: the face as JPEG, what it was classified as, and its path."""
    return [
        (jpeg_of(each.crop), f"{each.truth}, classified as {each.predicted} ({each.confidence:.0%})", each.path)
        for each in mistakes
    ]


def rows_of(evaluation: Evaluation) -> bytes:
    """Return a CSV with a row for each picture: path, truth, what was predicted and how surely, or why not."""
    text = io.StringIO(newline="")
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(("path", "truth", "read", "label", "confidence", *EMOTIONS, "reason"))
    data, predictions = evaluation.data, evaluation.predictions
    for row, label in enumerate(data.labels):
        truth = UNCERTAIN if label == UNCLEAR else EMOTIONS[label]
        shares = predictions.probabilities[0, row]
        if np.isnan(shares[0]):
            reason = predictions.failures.get(row, "no face was found")
            rows.writerow((data.pictures.name(row), truth, *[""] * (3 + len(EMOTIONS)), reason))
            continue
        confidence = float(shares.max())
        predicted = EMOTIONS[int(shares.argmax())]
        named = predicted if confidence >= evaluation.rule.threshold else UNCERTAIN
        numbers = [f"{share:.6f}" for share in (confidence, *shares)]
        rows.writerow((data.pictures.name(row), truth, predicted, named, *numbers, ""))
    return text.getvalue().encode(errors="backslashreplace")


def _crop(picture: Rgb | Grey, box: NDArray[np.float32]) -> Rgb | Grey:
    """Return the surroundings of a face; all of a picture that the box covers."""
    x, y, width, height = (float(value) for value in box)
    covers = width >= picture.shape[1] and height >= picture.shape[0]
    side = max(width, height, 1.0) * (1.0 if covers else _CROP_SCALE)
    return cut(picture, Square(x + width / 2, y + height / 2, side), CROP_PX)


def jpeg_of(crop: Rgb | Grey) -> bytes:
    """Return a cut-out face as a JPEG for a page."""
    rgb = crop if crop.ndim == 3 else np.asarray(cv2.cvtColor(crop, cv2.COLOR_GRAY2RGB), np.uint8)
    return encode_jpeg(rgb, 85)
