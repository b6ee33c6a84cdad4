"""The mean of several nets' weights, which one net then has: a model soup (Wortsman et al., 2022).

It pays for runs that began with the same weights: their mean is mostly better than each, and costs nothing more to run.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mien.errors import InputError


def mean_of(several: Sequence[tuple[str, Mapping[str, NDArray[Any]]]]) -> dict[str, NDArray[np.float32]]:
    """Return the mean of the arrays of each name; `several` are pairs of what to call them and the weights.

    Raises InputError, naming the two, when one belongs to another net than the first.
    """
    first_name, first = several[0]
    shapes = {name: array.shape for name, array in first.items()}
    for name, arrays in several[1:]:
        if {key: array.shape for key, array in arrays.items()} != shapes:
            raise InputError(f"{name} and {first_name} are weights of different nets: they have no mean")
    return {
        key: np.mean([np.asarray(arrays[key], np.float64) for _, arrays in several], axis=0).astype(np.float32)
        for key in first
    }
