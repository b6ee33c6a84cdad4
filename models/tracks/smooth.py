"""The label of a face over time: smoothed probabilities, and a label that does not flicker."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from mien.types import EMOTIONS, UNCERTAIN

MARGIN = 0.05
"""How far, in probability, a challenger must be ahead (or the reject threshold be passed) before the label changes."""


@dataclass(frozen=True, slots=True)
class Smoothed:
    """Probabilities of one track up to a moment, in the order of `EMOTIONS`, and the label they give."""

    probabilities: tuple[float, ...]
    label: str
    at_ns: int

    @property
    def confidence(self) -> float:
        """The probability of the label; of the likeliest emotion when the label is `uncertain`."""
        if self.label == UNCERTAIN:
            return max(self.probabilities)
        return self.probabilities[EMOTIONS.index(self.label)]


def smooth(
    before: Smoothed | None, probabilities: Sequence[float], label: str, at_ns: int, time_ms: float, threshold: float
) -> Smoothed:
    """Return what a frame makes of its track.

    `probabilities` and `label` are the frame's own, which are taken as they are when nothing came `before`.
    Exponential smoothing by capture time: after `time_ms` the old has a weight of 1/e, whatever the frame rate.
    """
    if before is None:
        return Smoothed(tuple(probabilities), label, at_ns)
    gap_ms = max(0, at_ns - before.at_ns) / 1e6
    kept = math.exp(-gap_ms / time_ms) if time_ms > 0 else 0.0
    mixed = tuple(kept * old + (1 - kept) * new for old, new in zip(before.probabilities, probabilities, strict=True))
    return Smoothed(mixed, next_label(before.label, mixed, threshold), at_ns)


def next_label(current: str, probabilities: Sequence[float], threshold: float) -> str:
    """Return the label after `current`: `uncertain` below the threshold, the likeliest emotion above it.

    Within `MARGIN` of a change nothing changes.
    """
    top = max(probabilities)
    best = EMOTIONS[probabilities.index(top)]
    if current == UNCERTAIN:
        return best if top >= threshold + MARGIN else UNCERTAIN
    if top < threshold - MARGIN:
        return UNCERTAIN
    if top - probabilities[EMOTIONS.index(current)] <= MARGIN:
        return current
    return best if top >= threshold else UNCERTAIN


def decide(probabilities: Sequence[float], threshold: float) -> tuple[str, float]:
    """Return emotion and confidence: the likeliest one, or `uncertain` when even that is below the threshold."""
    confidence = max(probabilities)
    emotion = EMOTIONS[list(probabilities).index(confidence)] if confidence >= threshold else UNCERTAIN
    return emotion, confidence
