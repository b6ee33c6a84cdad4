"""A validation split for data that has none: the same one each time, and never a copy on the other side."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from models.labelled.ferplus import standardised

PRINT_PX = 16
SAME_PRINT = 0.997
"""Two pictures whose 16-pixel prints correlate more than this count as one: scaled, saved again, or made darker.

Of 43 million pairs of pictures of FER+, 154 correlate above 0.9995 at 48 pixels. All of these do so here, and 8 others,
all above 0.98 there.
"""
_ROWS_AT_ONCE = 4096


def prints_of(pictures: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return what is compared of pictures [N, H, W] or [N, H, W, 3]: small, grey, of mean 0 and length 1, [N, 256]."""
    prints = np.empty((len(pictures), PRINT_PX, PRINT_PX), np.uint8)
    for row, picture in enumerate(pictures):
        grey = picture if picture.ndim == 2 else picture.mean(axis=2).astype(np.uint8)
        prints[row] = cv2.resize(grey, (PRINT_PX, PRINT_PX), interpolation=cv2.INTER_AREA)
    return standardised(prints)


def groups_of(prints: NDArray[np.float32], least: float = SAME_PRINT) -> NDArray[np.int64]:
    """Return for each of N prints the first one that it repeats, itself if none; copies of copies belong together.

    Compares all pairs: a minute for 50,000 pictures on two cores.
    """
    first = np.arange(len(prints), dtype=np.int64)

    def root(row: int) -> int:
        while first[row] != row:
            first[row] = first[first[row]]
            row = int(first[row])
        return row

    for start in range(0, len(prints), _ROWS_AT_ONCE):
        rows = prints[start : start + _ROWS_AT_ONCE]
        for other in range(start, len(prints), _ROWS_AT_ONCE):
            for left, right in np.argwhere(rows @ prints[other : other + _ROWS_AT_ONCE].T > least):
                one, two = root(start + int(left)), root(other + int(right))
                first[max(one, two)] = min(one, two)
    return np.array([root(row) for row in range(len(prints))], np.int64)


def held_out(
    labels: NDArray[np.int64], groups: NDArray[np.int64], names: Sequence[str], share: float = 0.1, seed: int = 0
) -> NDArray[np.bool_]:
    """Return which of N pictures are for validation: of each label about `share`, whole groups only.

    Depends on the seed and the names of the pictures, not on their order, so that adding pictures moves few others.
    """
    by_draw = sorted(range(len(labels)), key=lambda row: hashlib.sha256(f"{seed} {names[row]}".encode()).digest())
    chosen = np.zeros(len(labels), bool)
    for label in np.unique(labels):
        wanted = round(share * int((labels == label).sum()))
        for row in by_draw:
            if labels[row] != label or chosen[row]:
                continue
            if int((chosen & (labels == label)).sum()) >= wanted:
                break
            chosen |= groups == groups[row]
    return chosen
