"""The personal baseline: what one person's face says at rest, taken from all that it says; found without any label.

A face with low brows or hanging corners of the mouth looks angry or sad to a net whatever it shows, and a face that
shows little looks neutral throughout. What the net says of the most neutral moments of the same person is subtracted
from the logarithms of its probabilities, so that the rest stands out. Tools that sell this call it calibration.

>>> baseline = Baseline.of(log_of(probabilities), weights)
>>> adjusted = probabilities if baseline is None else baseline.adjust(probabilities)
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from mien.types import EMOTIONS

Floats = NDArray[np.float64]

REST_SHARE = 0.3
"""The most neutral part of what was seen of a person counts as the face at rest."""

STRENGTH = 0.75
"""How much of the difference between a person's face at rest and `REFERENCE` is taken away, when much was seen."""

HALF_SEEN = 2.0
"""After so many pictures half of that is taken away: n pictures take n / (n + 2) of it. A mean of few is uncertain."""

LEAST_SEEN = 2.0
"""Fewer pictures give no baseline: one picture cannot tell a face from what it shows."""

LEAST_NEUTRAL = 0.1
"""A person whose most neutral part is no more neutral than this was never seen at rest: there is no baseline."""

REST_NEUTRAL = 0.4
"""From this on the most neutral part counts as rest in full. In between, the less neutral it is the less is taken away:
who looks sad for most of a clip may rest so, or be shown so."""

LEAST_SHARE = 1e-4
"""Smaller probabilities count as this one: what lies below is noise, and its logarithm would outweigh all else."""

_NEUTRAL = EMOTIONS.index("neutral")

# Chosen on faces of FER+ validation that were made weaker and shifted by person, as posed pictures of few people are:
# 0 calls every second face at rest by an emotion, 3 and a typical neutral face as reference leave most faces neutral.
_NEUTRAL_AHEAD = 2.0

REFERENCE: tuple[float, ...] = tuple(_NEUTRAL_AHEAD if name == "neutral" else 0.0 for name in EMOTIONS)
"""What a face at rest should say, [8] in nats: neutral, ahead of all others alike (a probability of 0.51)."""


@dataclass(frozen=True, slots=True)
class Baseline:
    """What is taken from each log-probability of one person: `offset` [8], in nats, in the order of `EMOTIONS`.

    `seen` is how much it stands on, in pictures.
    """

    offset: Floats = field(repr=False)
    seen: float

    @classmethod
    def of(cls, log_probabilities: Floats, weights: Floats | None = None) -> Baseline | None:
        """Return the baseline of a person from N log-probabilities [N, 8]; None where it cannot be known.

        `weights` [N], 0 or more: how much each row counts, in pictures; 1 each unless given. Frames of a video count
        their seconds, because neighbouring ones say the same. None when fewer than `LEAST_SEEN` pictures were seen, or
        when the face never came near rest. No label is used.
        """
        counted = np.ones(len(log_probabilities)) if weights is None else np.asarray(weights, np.float64)
        seen = float(counted.sum())
        if seen < LEAST_SEEN:
            return None
        at_rest = _most_neutral(log_probabilities[:, _NEUTRAL], counted)
        rest = at_rest @ log_probabilities / at_rest.sum()
        nearness = min((float(np.exp(rest[_NEUTRAL])) - LEAST_NEUTRAL) / (REST_NEUTRAL - LEAST_NEUTRAL), 1.0)
        if nearness <= 0:
            return None
        return cls(STRENGTH * nearness * seen / (seen + HALF_SEEN) * (rest - np.array(REFERENCE)), seen)

    def adjust(self, probabilities: Floats) -> Floats:
        """Return probabilities [N, 8] or [8] of the same person with the face at rest taken away; rows sum to 1.

        Rows of NaN stay NaN.
        """
        moved = log_of(probabilities) - self.offset
        powers = np.exp(moved - moved.max(axis=-1, keepdims=True))
        adjusted: Floats = powers / powers.sum(axis=-1, keepdims=True)
        return adjusted


def log_of(probabilities: Floats) -> Floats:
    """Return the natural logarithms of probabilities, none below that of `LEAST_SHARE`."""
    return np.asarray(np.log(np.maximum(probabilities, LEAST_SHARE)), np.float64)


def _most_neutral(neutral: Floats, weights: Floats) -> Floats:
    """Return which part of each row's weight [N] belongs to the most neutral `REST_SHARE` of it all; of equals, the
    first."""
    order = np.argsort(-neutral, kind="stable")
    before = np.cumsum(weights[order]) - weights[order]
    kept = np.zeros(len(weights))
    # At least a whole picture: three tenths of two pictures are less than one.
    kept[order] = np.clip(max(REST_SHARE * weights.sum(), 1.0) - before, 0.0, weights[order])
    return kept
