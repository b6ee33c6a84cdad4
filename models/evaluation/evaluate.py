"""What a set of weights says about faces that it has not seen. Any runtime serves; no TensorFlow is needed."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mien.settings import RuntimeName
from models.circumplex import project_all
from models.evaluation.agreement import va_agreement
from models.evaluation.calibrate import calibrate
from models.evaluation.score import score, softmax
from models.labelled.ferplus import FaceSet, prepare
from models.nets.heads import points_in
from models.nets.weights import Weights
from models.runtimes.choose import open_runtime
from models.runtimes.interface import ClassifierRuntime

BATCH = 64


def logits_of(runtime: ClassifierRuntime, faces: FaceSet, weights: Weights) -> NDArray[np.float32]:
    """Return a net's outputs [N, 8 or 10] for faces as it takes them, unchanged but for their size."""
    parts = [
        runtime.logits(prepare(faces.pictures[start : start + BATCH], weights.input_size, weights.channels))
        for start in range(0, len(faces), BATCH)
    ]
    return np.concatenate(parts)


def figures_of(logits: NDArray[np.float32], faces: FaceSet, weights: Weights) -> dict[str, Any]:
    """Return the figures of a net's outputs [N, 8 or 10] as JSON types: of all faces, and `without_copies` of training
    pictures.

    Nothing is rejected in `accuracy`; `coverage` and `accuracy_at_coverage` use the weights' threshold. `va` is there
    when the faces have valence and arousal: it tells how right those are that the weights measure, or project.
    """
    figures = score(logits, faces.labels, weights.temperature, weights.threshold).to_dict()
    kept = ~faces.copies
    if kept.any() and not kept.all():
        rest = score(logits[kept], faces.labels[kept], weights.temperature, weights.threshold).to_dict()
        figures["without_copies"] = {key: rest[key] for key in ("n", "accuracy", "macro_f1")}
    if faces.points is not None:
        found = points_in(logits)
        if found is None:
            found = project_all(softmax(logits, weights.temperature))
        agreement = va_agreement(faces.points, found)
        figures["va_source"] = weights.va_source
        figures["va"] = {"source": weights.va_source, "truth": faces.va_truth, **agreement}
    return figures


def evaluate(weights: Weights, faces: FaceSet, runtime: RuntimeName = "auto", threads: int = 1) -> dict[str, Any]:
    """Return `figures_of` what a runtime computes. Raises RuntimeMissing when it is not installed."""
    return figures_of(logits_of(open_runtime(weights, runtime, threads=threads), faces, weights), faces, weights)


def calibrated(weights: Weights, validation: FaceSet, runtime: RuntimeName = "auto", threads: int = 1) -> Weights:
    """Return the weights with temperature, threshold and validation figures found on what a runtime computes."""
    logits = logits_of(open_runtime(weights, runtime, threads=threads), validation, weights)
    found = calibrate(logits, validation.labels)
    tuned = replace(weights, temperature=round(found.temperature, 4), threshold=round(found.threshold, 4))
    return with_figures(tuned, "validation", figures_of(logits, validation, tuned))


def with_figures(weights: Weights, split: str, figures: dict[str, Any]) -> Weights:
    """Return the weights with the figures of one split in their manifest."""
    return replace(weights, figures={**weights.figures, split: figures})
