"""What a set of weights says about faces that it has not seen. Any runtime serves; no TensorFlow is needed."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mien.prior import NAMED, shift
from mien.settings import RuntimeName
from models.circumplex import project_all
from models.evaluation.agreement import va_agreement
from models.evaluation.calibrate import calibrate
from models.evaluation.score import score, softmax
from models.labelled.ferplus import FaceSet, prepare
from models.nets.heads import logits_in, points_in
from models.nets.weights import Calibration, Weights
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
    moved = logits_in(logits) + np.asarray(weights.shift, np.float32)
    figures = score(moved, faces.labels, weights.temperature, weights.threshold).to_dict()
    kept = ~faces.copies
    if kept.any() and not kept.all():
        rest = score(moved[kept], faces.labels[kept], weights.temperature, weights.threshold).to_dict()
        figures["without_copies"] = {key: rest[key] for key in ("n", "accuracy", "uar", "macro_f1")}
    if faces.points is not None:
        found = points_in(logits)
        if found is None:
            found = project_all(softmax(moved, weights.temperature))
        agreement = va_agreement(faces.points, found)
        figures["va_source"] = weights.va_source
        figures["va"] = {"source": weights.va_source, "truth": faces.va_truth, **agreement}
    return figures


def calibrated(weights: Weights, validation: FaceSet, runtime: RuntimeName = "auto", threads: int = 1) -> Weights:
    """Return the weights with temperature, threshold and validation figures found on what a runtime computes.

    Weights that say which prior their logits assume are calibrated for each named one, and get the figures of each.
    """
    logits = logits_of(open_runtime(weights, runtime, threads=threads), validation, weights)
    tuned = _calibrated_for(weights, calibrate(logits, validation.labels))
    tuned = with_figures(tuned, "validation", figures_of(logits, validation, tuned))
    if tuned.prior is None:
        return tuned
    found: dict[str, Calibration] = {}
    for name, shares in NAMED.items():
        moved = logits_in(logits) + np.asarray(shift(tuned.prior, shares), np.float32)
        found[name] = _rounded(calibrate(moved, validation.labels))
    tuned = replace(tuned, calibrations=found)
    for name in NAMED:
        figures = figures_of(logits, validation, tuned.under(name))
        tuned = with_figures(tuned, "validation", {"prior": name, **figures})
    return tuned


def _rounded(found: Calibration) -> Calibration:
    return Calibration(round(found.temperature, 4), round(found.threshold, 4))


def _calibrated_for(weights: Weights, found: Calibration) -> Weights:
    found = _rounded(found)
    return replace(weights, temperature=found.temperature, threshold=found.threshold)


def with_figures(weights: Weights, split: str, figures: dict[str, Any]) -> Weights:
    """Return the weights with the figures of one split in their manifest; those of each prior stand for themselves."""
    prior = figures.get("prior")
    key = f"{split}, {prior}" if prior in NAMED else split
    return replace(weights, figures={**weights.figures, key: figures})
