"""Labels that are probably wrong, found by what classifiers say that never saw the picture they speak of.

Confident learning (Northcutt, Jiang & Chuang, "Confident Learning: Estimating Uncertainty in Dataset Labels", 2021):
how sure a classifier usually is of an emotion decides how sure it must be to contradict a label.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Suspects:
    """Rows whose label is suspected, most suspicious first, the emotion suggested for each, and by how much.

    `margin` is the probability of the suggestion minus that of the label, 0 to 1.
    """

    rows: NDArray[np.int64]
    suggested: NDArray[np.int64]
    margin: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.rows)


def suspects_of(probabilities: NDArray[np.float64], labels: NDArray[np.int64], least_margin: float = 0.0) -> Suspects:
    """Return whose labels [N] the held-out probabilities [N, 8] contradict by at least `least_margin`.

    A label is contradicted when another emotion is as likely as it usually is for pictures that carry its name (the
    mean over them), and likelier than the label.
    """
    usual = usual_confidence(probabilities, labels)
    confident = np.where(probabilities >= usual, probabilities, -1.0)
    suggested = confident.argmax(axis=1)
    everyone = np.arange(len(labels))
    margin = confident[everyone, suggested] - probabilities[everyone, labels]
    rows = np.flatnonzero((suggested != labels) & (margin > 0) & (margin >= least_margin))
    rows = rows[np.argsort(-margin[rows], kind="stable")]
    return Suspects(rows, suggested[rows].astype(np.int64), margin[rows])


def usual_confidence(probabilities: NDArray[np.float64], labels: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return for each emotion [8] its mean probability over the pictures labelled so; above 1 where there are none."""
    usual = np.full(probabilities.shape[1], 2.0)
    for label in np.unique(labels):
        usual[label] = probabilities[labels == label, label].mean()
    return usual


def folds_of(labels: NDArray[np.int64], groups: NDArray[np.int64], count: int, seed: int) -> NDArray[np.int64]:
    """Return the fold, from 0, of each of N pictures: each label spread evenly, whole groups of copies together."""
    rng = np.random.default_rng(seed)
    folds = np.full(len(labels), -1, np.int64)
    heads, sizes = np.unique(groups, return_counts=True)
    size_of = dict(zip(heads.tolist(), sizes.tolist(), strict=True))
    filled = np.zeros((int(labels.max(initial=0)) + 1, count), np.int64)
    for head in rng.permutation(heads):
        label = labels[head]
        fold = int(filled[label].argmin())
        folds[groups == head] = fold
        filled[label, fold] += size_of[int(head)]
    return folds
