"""One evaluation from data to figures, in this process."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mien.errors import InputError
from mien.prior import Prior
from mien.settings import Settings
from models.classifier import Classifier
from models.detect.detector import detector_of
from models.evaluation.changes import CORRUPTIONS, MIRROR, SHIFTS, UNCHANGED
from models.evaluation.figures import figures_of, rule_of
from models.evaluation.predictions import Listener, Predictor
from models.evaluation.report import Evaluation
from models.labelled.data import LabelledData, default_split, part_of
from models.labelled.ferplus import Split
from models.nets import weights as weights_file
from models.nets.weights import Weights
from models.runtimes.choose import open_runtime

RECORDED = (
    *(
        "prior",
        "n",
        "accuracy",
        "uar",
        "macro_f1",
        "ece",
        "nll",
        "coverage",
        "accuracy_at_coverage",
        "per_class",
        "confusion",
    ),
    *("without_copies", "reject_auroc", "corruptions", "va_source", "va"),
)
"""The figures that a manifest keeps: those of the model, none of the files it was measured on."""


AS_TRAINED = "as trained"
"""The prior of weights that do not say which one their logits assume: they answer as they were trained to."""


@dataclass(frozen=True, slots=True)
class EvaluationRequest:
    """What to evaluate, and how: which `split` (None: the usual one), and whether pictures are `crops` of faces."""

    split: Split | None = None
    crops: bool = False
    tta: bool = False
    corruptions: bool = False


def chosen_part(data: LabelledData, wanted: EvaluationRequest) -> LabelledData:
    """Return the pictures to evaluate; raises InputError when the data has no such split, or it is empty."""
    return part_of(data, wanted.split or default_split(data))


def measure(
    data: LabelledData, wanted: EvaluationRequest, settings: Settings, listen: Listener = lambda _: None
) -> Evaluation:
    """Return what the weights, runtime and detector of the settings say about data, as `chosen_part` returned it.

    Raises WeightsError, RuntimeMissing, SettingsError, or InputError when not one picture could be read.
    """
    weights = weights_file.load(settings.weights).under(settings.emotion_prior)
    runtime = open_runtime(weights, settings.runtime, threads=settings.inference_threads, precision=settings.precision)
    crops = data.crops or wanted.crops
    detector = None if crops else detector_of(settings)
    changes = CORRUPTIONS if wanted.corruptions else ()
    views = (UNCHANGED, MIRROR, *SHIFTS) if wanted.tta else (UNCHANGED,)
    predictions = Predictor(Classifier(weights, runtime), detector).predict(
        data.pictures, (UNCHANGED, *changes), views, listen
    )
    rule = rule_of(weights)
    split = (wanted.split or default_split(data)) or "all"
    figures = {
        **head_of(weights, data, split, detector.name if detector else "crops", settings.emotion_prior),
        "runtime": runtime.name,
        "tta": [view.name for view in views[1:]],
        **figures_of(data, predictions, rule, changes),
    }
    return Evaluation(data, predictions, rule, figures, facts_of(figures))


def head_of(weights: Weights, data: LabelledData, split: str, detector: str, prior: Prior) -> dict[str, Any]:
    """Return what figures are headed with: weights, data, split, what found the faces (`crops`: nothing did), prior."""
    return {
        "weights": weights.name,
        "version": weights.version,
        "data": data.source,
        "split": split,
        "detector": detector,
        "prior": prior if weights.prior is not None else AS_TRAINED,
    }


def facts_of(figures: Mapping[str, Any]) -> list[str]:
    """Return sentences about what was evaluated, for the head of a report."""
    split = "" if figures["split"] == "all" else f", {figures['split']} split"
    finder = "our detector" if figures["detector"] == "auto" else f"the detector {figures['detector']}"
    cut = "pictures taken as faces cut out already" if figures["detector"] == "crops" else f"faces found by {finder}"
    facts = [
        f"{figures['weights']} {figures['version']} on {figures['data']}{split}: {figures['n']:,} pictures, {cut}.",
        "Scored over all eight emotions, nothing rejected, a picture without a face counted as wrong.",
    ]
    if figures["no_face"] and figures["accuracy_found"] is not None:
        facts.append(f"Of the faces that were found, {figures['accuracy_found']:.1%} were classified correctly.")
    if figures.get("tta"):
        facts.append(f"Test-time augmentation, averaged over one face: {', '.join(figures['tta'])}.")
    unclear = figures["reject"]["unclear"]
    if unclear:
        facts.append(f"{unclear:,} more pictures on which people did not agree tell how good the reject score is.")
    return facts


def recorded(figures: Mapping[str, Any]) -> dict[str, Any]:
    """Return the figures that a manifest keeps; raises InputError for those of test-time augmentation."""
    if figures["tta"]:
        raise InputError("figures of test-time augmentation are not those of the weights: leave --tta or --record out")
    return {key: figures[key] for key in RECORDED if key in figures}
