"""When a followed face is classified again: after a while, and sooner when it may show something else by now.

The constants hold `python -m bench agreement` at its targets: labels as with everything on every frame.
"""

from __future__ import annotations

import math

from mien.types import EMOTIONS, UNCERTAIN, Detection
from models.tracks.smooth import next_label
from worker.live.memory import Classified, Known

UNSETTLED_PART = 0.3
"""Part of the interval after which a face is classified whose label may be about to change.

At 25 fps an interval of up to 120 ms leaves no frame out then: when a label changes depends on each result before.
"""

MOVED_PART = 0.5
"""Part of the interval after which a face is classified that moved: labels are smoothed over several times as long."""

MOVED_SIDES = 0.25
"""A face that moved by so many of its sides since it was classified is classified again."""

RESIZED_RATIO = 1.15
TURNED = 0.06
"""How far the nose moved, seen from the eyes, in sides of the face; or the eyes' line turned, in radians times 3."""

SETTLED_MARGIN = 0.15
"""How far ahead the probability of a label must be, smoothed, to be settled."""


def part_to_wait(known: Known, threshold: float) -> float:
    """Return the part of the interval, 0 to 1, after which a face is classified again."""
    if known.classified is None or known.shown is None or known.shown.smoothed is None:
        return 0.0
    if not is_settled(known.shown.label, known.shown.smoothed, known.classified, threshold):
        return UNSETTLED_PART
    return MOVED_PART if has_moved(known.classified.found, known.found) else 1.0


def has_moved(before: Detection, now: Detection) -> bool:
    """Return whether a face moved, grew, or turned so much that it may look different."""
    (x, y, width, height), (old_x, old_y, old_width, old_height) = now.box, before.box
    side, old_side = max(width, height, 1.0), max(old_width, old_height, 1.0)
    way = math.hypot(x + width / 2 - old_x - old_width / 2, y + height / 2 - old_y - old_height / 2)
    if way > MOVED_SIDES * side or not 1 / RESIZED_RATIO < side / old_side < RESIZED_RATIO:
        return True
    if len(now.landmarks) < 3 or len(before.landmarks) < 3:
        return False
    return math.dist(_pose(before), _pose(now)) > TURNED


def is_settled(label: str, smoothed: tuple[float, ...], classified: Classified, threshold: float) -> bool:
    """Return whether the label will stay if the face shows what it last did."""
    probabilities = classified.face.probabilities
    if next_label(label, probabilities, threshold) != label:
        return False
    return min(_lead(label, smoothed, threshold), _lead(label, probabilities, threshold)) > SETTLED_MARGIN


def _lead(label: str, probabilities: tuple[float, ...], threshold: float) -> float:
    """Return how far probabilities are from another label."""
    top = max(probabilities)
    if label == UNCERTAIN:
        return threshold - top
    index = EMOTIONS.index(label)
    others = max(value for place, value in enumerate(probabilities) if place != index)
    return min(probabilities[index] - others, top - threshold)


def _pose(found: Detection) -> tuple[float, float, float]:
    """Return where the nose is from between the eyes, in sides of the face, and the tilt of the eyes' line."""
    (right_x, right_y), (left_x, left_y), (nose_x, nose_y) = found.landmarks[:3]
    side = max(*found.box[2:], 1.0)
    tilt = math.atan2(left_y - right_y, left_x - right_x)
    return (nose_x - (right_x + left_x) / 2) / side, (nose_y - (right_y + left_y) / 2) / side, tilt / 3
