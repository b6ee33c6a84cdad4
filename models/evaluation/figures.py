"""The figures of an evaluation: what a classifier's probabilities are worth against what people saw."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from mien.errors import InputError
from mien.types import VaSource
from models.circumplex import project_all
from models.evaluation.agreement import auroc, entropy, va_agreement
from models.evaluation.changes import Change
from models.evaluation.groups import group_figures
from models.evaluation.persons import baseline_figures
from models.evaluation.predictions import Predictions
from models.evaluation.score import rounded, score_probabilities
from models.labelled.data import LabelledData
from models.nets.weights import Weights

RejectScore = Literal["confidence", "entropy"]
CURVE_POINTS = 20
FAILURES_LISTED = 1000


@dataclass(frozen=True, slots=True)
class Rule:
    """How the weights decide: a face is `uncertain` when its top probability is below `threshold`.

    `reject` is the score by which faces are rejected first; `va` says where valence and arousal come from.
    """

    threshold: float
    reject: RejectScore = "confidence"
    va: VaSource = "projected"


def rule_of(weights: Weights) -> Rule:
    """Return how a set of weights decides."""
    return Rule(weights.threshold, va=weights.va_source)


def figures_of(
    data: LabelledData, predictions: Predictions, rule: Rule, changes: Sequence[Change] = ()
) -> dict[str, Any]:
    """Return the figures as JSON types.

    Scored are readable pictures with an emotion; one without a face counts as wrong. Of `predictions`, the first row of
    probabilities is of the faces as they are, the others of `changes`, in their order. Raises InputError when not one
    picture could be read.
    """
    scored = data.clear & predictions.readable
    if not scored.any():
        first = next(iter(predictions.failures.items()), None)
        why = f": {data.pictures.name(first[0])}: {first[1]}" if first else ""
        raise InputError(f"none of the {len(data)} pictures of {data.source} could be read{why}")
    plain = settled(predictions.probabilities[0])
    figures = score_probabilities(plain[scored], data.labels[scored], rule.threshold).to_dict()
    found = scored & ~np.isnan(plain[:, 0])
    correct = plain[found].argmax(axis=1) == data.labels[found]
    figures["accuracy_found"] = rounded(float(correct.mean())) if found.any() else None
    figures["unreadable"] = len(predictions.failures)
    figures |= reject_figures(plain, data.labels, predictions.readable, rule)
    figures["curve"] = curve(plain[scored], data.labels[scored])
    figures["va_source"] = rule.va
    measured = predictions.points if rule.va == "measured" else None
    figures["va"] = va_figures(data, project_all(plain) if measured is None else measured.round(4), rule)
    if data.copies is not None and (data.copies & scored).any() and (~data.copies & scored).any():
        kept = scored & ~data.copies
        rest = score_probabilities(plain[kept], data.labels[kept], rule.threshold).to_dict()
        figures["without_copies"] = {key: rest[key] for key in ("n", "accuracy", "uar", "macro_f1")}
    if data.person is not None:
        figures["with_baseline"] = baseline_figures(plain, data.person, data.labels, scored)
    if data.group is not None:
        figures["groups"] = group_figures(plain[scored], data.labels[scored], data.group[scored])
    if changes:
        figures["corruptions"] = [
            _changed(change.name, settled(predictions.probabilities[1 + number][scored]), data.labels[scored], figures)
            for number, change in enumerate(changes)
        ]
    figures["failures"] = [
        {"path": data.pictures.name(row), "reason": reason}
        for row, reason in sorted(predictions.failures.items())[:FAILURES_LISTED]
    ]
    return figures


def settled(probabilities: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return probabilities as results show them: six digits, and none below the last of these.

    So a job, which stores them so, gives the same figures as an evaluation that keeps them in memory.
    """
    return np.maximum(probabilities.round(6), 1e-6)


def reject_figures(
    probabilities: NDArray[np.float64], labels: NDArray[np.int64], readable: NDArray[np.bool_], rule: Rule
) -> dict[str, Any]:
    """Return how well a reject score tells pictures that people did not agree on from clear ones.

    `reject_auroc` is that of the score which the weights use; both are under `reject`. Faces that were not found have
    no score. None where the data has no unclear pictures.
    """
    found = readable & ~np.isnan(probabilities[:, 0])
    clear, unclear = probabilities[found & (labels >= 0)], probabilities[found & (labels < 0)]
    scores = {
        "confidence": auroc(1 - unclear.max(axis=1, initial=0), 1 - clear.max(axis=1, initial=0)),
        "entropy": auroc(entropy(unclear), entropy(clear)),
    }
    return {
        "reject_auroc": rounded(scores[rule.reject]),
        "reject": {
            "score": rule.reject,
            "unclear": len(unclear),
            **{name: rounded(value) for name, value in scores.items()},
        },
    }


def curve(
    probabilities: NDArray[np.float64], labels: NDArray[np.int64], points: int = CURVE_POINTS
) -> list[dict[str, float]]:
    """Return accuracy against coverage: the surest part of N pictures, from a `points`-th of them to all with a face.

    Each point has the threshold on confidence that gives it. Pictures without a face (NaN) are never covered.
    """
    found = ~np.isnan(probabilities[:, 0])
    if not found.any():
        return []
    confidence = probabilities[found].max(axis=1)
    correct = probabilities[found].argmax(axis=1) == labels[found]
    order = np.argsort(-confidence, kind="stable")
    right = np.cumsum(correct[order])
    counts = sorted({max(1, round(len(order) * part / points)) for part in range(1, points + 1)})
    return [
        {
            "coverage": round(count / len(labels), 4),
            "accuracy": round(float(right[count - 1] / count), 4),
            "threshold": round(float(confidence[order[count - 1]]), 4),
        }
        for count in counts
    ]


def va_figures(data: LabelledData, found: NDArray[np.float64], rule: Rule) -> dict[str, Any] | None:
    """Return CCC and RMSE of valence and arousal [N, 2] over the faces found, None when the data has no such truth.

    `source` says whether the weights measure the two or project them from probabilities, `truth` where those of the
    data come from.
    """
    if data.valence is None or data.arousal is None:
        return None
    truth = np.stack([data.valence, data.arousal], axis=1).astype(np.float64)
    return {"source": rule.va, "truth": data.va_truth, **va_agreement(truth, found)}


def _changed(
    name: str, probabilities: NDArray[np.float64], labels: NDArray[np.int64], figures: dict[str, Any]
) -> dict[str, Any]:
    scores = score_probabilities(probabilities, labels)
    return {
        "name": name,
        "accuracy": round(scores.accuracy, 4),
        "fall_points": round(100 * (figures["accuracy"] - scores.accuracy), 2),
        "macro_f1": rounded(scores.macro_f1),
    }
