"""How well one row of numbers follows another: AUROC of a reject score, CCC and RMSE of valence and arousal."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.evaluation.score import rounded

Floats = NDArray[np.float64]
Reals = NDArray[np.float32] | NDArray[np.float64]


def auroc(positives: Floats, negatives: Floats) -> float:
    """Return the chance that a positive has the higher score than a negative, ties counting half; NaN without both.

    The Mann-Whitney U statistic over the number of pairs (Hanley and McNeil, 1982).
    """
    if len(positives) == 0 or len(negatives) == 0:
        return float("nan")
    values, places = np.unique(np.concatenate([positives, negatives]), return_inverse=True)
    counts = np.bincount(places, minlength=len(values))
    # The mean rank, from 1, of all that share a value.
    ranks = np.cumsum(counts) - (counts - 1) / 2
    total = ranks[places[: len(positives)]].sum()
    pairs = len(positives) * len(negatives)
    return float((total - len(positives) * (len(positives) + 1) / 2) / pairs)


def ccc(truth: Floats, found: Floats) -> float:
    """Return the concordance correlation coefficient (Lin, 1989): 1 for equal values; NaN when neither varies."""
    spread = truth.var() + found.var() + (truth.mean() - found.mean()) ** 2
    covariance = ((truth - truth.mean()) * (found - found.mean())).mean()
    return float(2 * covariance / spread) if spread > 0 else float("nan")


def rmse(truth: Floats, found: Floats) -> float:
    """Return the root of the mean squared difference."""
    return float(np.sqrt(((truth - found) ** 2).mean()))


def va_agreement(truth: Reals, found: Reals) -> dict[str, Any]:
    """Return `n`, and CCC and RMSE of `valence` and `arousal`, over the rows of [N, 2] known in both; as JSON types."""
    known = ~np.isnan(truth).any(axis=1) & ~np.isnan(found).any(axis=1)
    figures: dict[str, Any] = {"n": int(known.sum())}
    for axis, name in enumerate(("valence", "arousal")):
        pair = (truth[known, axis].astype(np.float64), found[known, axis].astype(np.float64))
        figures[name] = {
            "ccc": rounded(ccc(*pair)) if known.any() else None,
            "rmse": rounded(rmse(*pair)) if known.any() else None,
        }
    return figures


def mean_ccc(truth: Reals, found: Reals) -> float:
    """Return the mean CCC of valence and arousal over the rows of [N, 2] known in both; NaN without any."""
    known = ~np.isnan(truth).any(axis=1) & ~np.isnan(found).any(axis=1)
    if not known.any():
        return float("nan")
    both = [ccc(truth[known, axis].astype(np.float64), found[known, axis].astype(np.float64)) for axis in (0, 1)]
    return float(np.mean(both))


def entropy(probabilities: Floats) -> Floats:
    """Return the entropy in nats of each row of probabilities [N, 8]."""
    return np.asarray(-(probabilities * np.log(np.maximum(probabilities, 1e-12))).sum(axis=1))
