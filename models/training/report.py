"""What a training leaves for people: one page with curves and figures, its plots as PNG, and a model card."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mien.types import EMOTIONS
from models.evaluation import plots
from models.evaluation.page import page
from models.evaluation.report import MISTAKES, items_of, plots_of, write_all
from models.labelled.ferplus import FaceSet
from models.nets.weights import Weights
from models.training import runlog
from models.training.card import card_of

PAGE_NAME, CARD_NAME = "report.html", "model_card.md"


def write_report(
    folder: Path,
    weights: Weights,
    parameters: int,
    validation: FaceSet,
    probabilities: NDArray[np.float64],
    facts: Sequence[str],
) -> list[Path]:
    """Write report.html, model_card.md and the plots into a run's folder, and return their paths.

    `probabilities` [N, 8] are what the weights say about the validation faces, `facts` sentences about the run.
    Raises InputError when the folder cannot be written.
    """
    figures = weights.figures["validation"]
    epochs = runlog.read(folder)
    images = {"curves": plots.png_of(plots.learning_curves(epochs))} if epochs else {}
    images |= plots_of(figures, probabilities, validation.labels)
    files = {f"{name}.png": png for name, png in images.items()}
    title = f"Training of {weights.name}"
    mistakes = items_of(worst_mistakes(validation, probabilities))
    files[PAGE_NAME] = page(title, facts, figures, images, mistakes).encode(errors="replace")
    files[CARD_NAME] = card_of(weights, parameters, facts).encode(errors="replace")
    write_all(folder, files)
    return [folder / name for name in files]


def worst_mistakes(faces: FaceSet, probabilities: NDArray[np.float64], most: int = MISTAKES) -> list[plots.Mistake]:
    """Return the wrongly classified validation faces that the classifier was surest of."""
    predicted, confidence = probabilities.argmax(axis=1), probabilities.max(axis=1)
    wrong = np.flatnonzero(predicted != faces.labels)
    return [
        plots.Mistake(
            np.asarray(faces.pictures[row], np.uint8),
            EMOTIONS[faces.labels[row]],
            EMOTIONS[predicted[row]],
            float(confidence[row]),
            f"validation face {row}",
        )
        for row in wrong[np.argsort(-confidence[wrong], kind="stable")][:most]
    ]
