"""Figures by group of people, with intervals: whether a classifier is as right for some as for others."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

_Z = 1.959963984540054
"""Of the standard normal distribution, 95 % lie within this of its mean."""


def wilson(hits: int, n: int) -> tuple[float, float]:
    """Return the 95 % interval of a share of which `hits` of `n` were seen; 0 to 1 when n is 0.

    Source: Wilson, "Probable inference, the law of succession, and statistical inference" (1927). Unlike the share plus
    and minus its standard error it is right for few faces, and for shares near 0 and 1.
    """
    if n == 0:
        return 0.0, 1.0
    share, square = hits / n, _Z * _Z
    middle = (share + square / (2 * n)) / (1 + square / n)
    half = _Z / (1 + square / n) * math.sqrt(share * (1 - share) / n + square / (4 * n * n))
    # At 0 and 1 the bound is exact; the sum is off by a rounding error.
    low = 0.0 if hits == 0 else max(0.0, middle - half)
    return low, 1.0 if hits == n else min(1.0, middle + half)


def group_figures(
    probabilities: NDArray[np.float64], labels: NDArray[np.int64], groups: NDArray[np.str_]
) -> dict[str, Any]:
    """Return accuracy by group with its interval, and the largest gap between two groups, as JSON types.

    `probabilities` [N, 8] of the scored pictures, NaN without a face: these count as wrong. `labels`, `groups` [N].
    The gap comes with its own 95 % interval (Newcombe, "Interval estimation for the difference between independent
    proportions", 1998, method 10); one that holds 0 may be chance. None with a single group.
    """
    right = ~np.isnan(probabilities[:, 0]) & (np.nan_to_num(probabilities).argmax(axis=1) == labels)
    rows = []
    for name in np.unique(groups):
        inside = groups == name
        hits, n = int(right[inside].sum()), int(inside.sum())
        low, high = wilson(hits, n)
        recalls = [float(right[inside & (labels == each)].mean()) for each in np.unique(labels[inside])]
        rows.append(
            {
                "group": str(name),
                "n": n,
                "accuracy": round(hits / n, 4),
                "low": round(low, 4),
                "high": round(high, 4),
                "uar": round(float(np.mean(recalls)), 4),
            }
        )
    return {"rows": rows, "largest_gap": _gap(rows)}


def _gap(rows: list[dict[str, Any]]) -> dict[str, Any] | None:
    if len(rows) < 2:
        return None
    best, worst = max(rows, key=lambda row: row["accuracy"]), min(rows, key=lambda row: row["accuracy"])
    if best is worst:  # all are alike
        best, worst = rows[0], rows[1]
    gap = best["accuracy"] - worst["accuracy"]
    down = math.hypot(best["accuracy"] - best["low"], worst["high"] - worst["accuracy"])
    up = math.hypot(best["high"] - best["accuracy"], worst["accuracy"] - worst["low"])
    return {
        "accuracy": round(gap, 4),
        "low": round(gap - down, 4),
        "high": round(gap + up, 4),
        "best": best["group"],
        "worst": worst["group"],
    }
