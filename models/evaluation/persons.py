"""Figures with a personal baseline, where the data says whose face a picture shows."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.evaluation.score import rounded, score_probabilities
from models.tracks.baseline import Baseline, log_of


def with_baselines(
    probabilities: NDArray[np.float64], persons: NDArray[np.str_]
) -> tuple[NDArray[np.float64], dict[str, Baseline | None]]:
    """Return probabilities [N, 8] adjusted by the baseline of each picture's person [N], and the baseline of each.

    It is found from all pictures of the person in which there is a face (rows that are not NaN), without any label.
    """
    adjusted, found = probabilities.copy(), ~np.isnan(probabilities[:, 0])
    baselines: dict[str, Baseline | None] = {}
    for person in np.unique(persons):
        rows = np.flatnonzero(found & (persons == person))
        baseline = Baseline.of(log_of(probabilities[rows]))
        if baseline is not None:
            adjusted[rows] = baseline.adjust(probabilities[rows])
        baselines[str(person)] = baseline
    return adjusted, baselines


def baseline_figures(
    probabilities: NDArray[np.float64],
    persons: NDArray[np.str_],
    labels: NDArray[np.int64],
    scored: NDArray[np.bool_],
) -> dict[str, Any]:
    """Return the figures with a baseline for every person who has one, as JSON types.

    `probabilities` [N, 8] without it, NaN where no face was found; `scored` [N]: which pictures count. `persons` is how
    many have a baseline, `one_picture` and `never_at_rest` how many have none, and why: their pictures count as they
    are.
    """
    adjusted, baselines = with_baselines(probabilities, persons)
    scores = score_probabilities(adjusted[scored], labels[scored]).to_dict()
    found = ~np.isnan(probabilities[:, 0])
    without = [person for person, baseline in baselines.items() if baseline is None]
    few = sum(int((found & (persons == person)).sum()) < 2 for person in without)
    return {
        **{name: scores[name] for name in ("accuracy", "uar", "macro_f1", "ece", "nll")},
        "persons": len(baselines) - len(without),
        "one_picture": few,
        "never_at_rest": len(without) - few,
        "rows_changed": rounded(float((_best(adjusted[scored]) != _best(probabilities[scored])).mean())),
    }


def _best(probabilities: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the likeliest emotion of each row; -1 without a face."""
    found = ~np.isnan(probabilities[:, 0])
    return np.where(found, np.nan_to_num(probabilities).argmax(axis=1), -1)
