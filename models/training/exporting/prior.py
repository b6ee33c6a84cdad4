"""How much the head should favour frequent classes, found on validation and built into the head's bias: one number for
all classes, and one more for each that is still overlooked.

Training draws rare classes more often than life does, or not often enough; both show as a shift of the logits by the
logarithm of the classes' frequencies (Menon et al., "Long-tail learning via logit adjustment", 2021).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from models.evaluation.score import score
from models.nets.heads import logits_in

STRENGTHS = np.linspace(-0.6, 0.9, 61)
SLACK = 0.003
"""Accuracy that a better macro-F1 may cost: a third of a point."""

PROMISED_RECALL = 0.6
"""What other faces should show as well; a class of which that is not sure is favoured on its own, as far as `SLACK`
allows."""

STANDARD_ERRORS = 2.0
"""How sure that is: the recall of as many other faces differs by less in 19 of 20 cases."""

FLOOR_FACES = 50
"""Of fewer faces a recall says too little."""

OWN_STRENGTHS = np.linspace(0, 1.5, 61)


def shift(logits: NDArray[np.float32], labels: NDArray[np.int64]) -> NDArray[np.float32]:
    """Return what to add to the logits of the emotions [8]; what lies behind them in a net's outputs does not count.

    First, of all shifts by rarity within `SLACK` of the best accuracy, that of the best F1. Then each class below its
    floor (`floor_of`) is raised until it is there, or as near as `SLACK` of accuracy allows.
    """
    logits = logits_in(logits)
    sizes = np.bincount(labels, minlength=logits.shape[1]).astype(np.float64)
    rarity = -np.log(np.maximum(sizes, 1) / max(sizes.sum(), 1))
    rarity -= rarity.mean()
    tried = [(score(logits + strength * rarity, labels), strength) for strength in STRENGTHS]
    enough = max(found.accuracy for found, _ in tried) - SLACK
    _, _, best = max((found.macro_f1, -abs(at), at) for found, at in tried if found.accuracy >= enough)
    total = best * rarity
    enough = _accuracy(logits + total, labels) - SLACK
    floors = {int(each): floor_of(int(sizes[each])) for each in np.flatnonzero(sizes >= FLOOR_FACES)}
    for _ in floors:  # again, as what raises one class lowers others
        before = total.copy()
        for each, floor in floors.items():
            total[each] += _own(logits + total, labels, each, floor, enough)
        if np.array_equal(before, total):
            break
    return np.asarray(total, np.float32)


def floor_of(faces: int) -> float:
    """Return the least recall of so many faces from which as many others surely show `PROMISED_RECALL`."""
    recalls = np.arange(faces + 1) / faces
    surely = recalls - STANDARD_ERRORS * np.sqrt(2 * recalls * (1 - recalls) / faces)
    return float(recalls[np.argmax(surely >= PROMISED_RECALL)])


def _own(logits: NDArray[np.float64], labels: NDArray[np.int64], of: int, floor: float, enough: float) -> float:
    """Return by how much to raise one class: least of all that bring it to the floor, or nearest to it."""
    tried = []
    for strength in OWN_STRENGTHS:
        raised = logits + strength * (np.arange(logits.shape[1]) == of)
        if _accuracy(raised, labels) >= enough:
            recall = float((raised[labels == of].argmax(axis=1) == of).mean())
            tried.append((min(recall, floor), -strength))
    return -max(tried)[1] if tried else 0.0


def _accuracy(logits: NDArray[np.float64], labels: NDArray[np.int64]) -> float:
    return float((logits.argmax(axis=1) == labels).mean())
