"""Valence and arousal: the emotions as points on a circle, and the way back to a name.

The points are those of the classic valence/arousal plane (Russell, 1980) with the coordinates used for these eight
emotions by the project's predecessor. What is computed here is a projection of the probabilities, not a measurement:
weights with a head for the two measure them (`models.nets.heads`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from mien.types import EMOTIONS, Point

POINTS: dict[str, Point] = {
    "anger": (-0.46, 0.89),
    "contempt": (-0.65, 0.76),
    "disgust": (-0.81, 0.58),
    "fear": (-0.14, 0.99),
    "happy": (0.98, 0.19),
    "neutral": (0.0, 0.0),
    "sad": (-0.90, -0.44),
    "surprise": (0.43, 0.90),
}
"""Valence (unpleasant to pleasant) and arousal (calm to excited) of each emotion, each from -1 to 1."""

NEUTRAL_RADIUS = 0.2
"""Points nearer to the centre than this show no emotion."""


def project(probabilities: Sequence[float]) -> Point:
    """Return valence and arousal: the points of the emotions, weighted by eight probabilities in their order."""
    valence = sum(share * POINTS[name][0] for share, name in zip(probabilities, EMOTIONS, strict=True))
    arousal = sum(share * POINTS[name][1] for share, name in zip(probabilities, EMOTIONS, strict=True))
    return valence, arousal


def project_all(probabilities: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return valence and arousal [N, 2] of probabilities [N, 8], as `project` gives them one by one."""
    return np.asarray(probabilities @ np.array([POINTS[name] for name in EMOTIONS]))


def emotion_at(valence: float, arousal: float) -> str:
    """Return the emotion whose ray from the centre is nearest in angle, or neutral near the centre.

    A ray has one side. The nearest *line* through the centre would give the opposite emotion for every point on the
    far side: (-0.90, -0.17) is sad, and lies on the line of happy.
    """
    if math.hypot(valence, arousal) < NEUTRAL_RADIUS:
        return "neutral"
    angle = math.atan2(arousal, valence)

    def turn(name: str) -> float:
        """Angle between the point and an emotion's ray, in radians from 0 to π."""
        apart = abs(angle - math.atan2(POINTS[name][1], POINTS[name][0]))
        return min(apart, 2 * math.pi - apart)

    return min((name for name in EMOTIONS if name != "neutral"), key=turn)
