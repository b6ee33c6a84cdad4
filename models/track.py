"""Which face is which from frame to frame, by where it is: a track is never an identity."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from typing import Any

import numpy as np
from norfair.distances import VectorizedDistance
from norfair.tracker import Detection, Tracker
from numpy.typing import NDArray

from mien.types import Box

TRACK_TTL_NS = 1_000_000_000
"""A face that was not seen for this long is a new one when it comes back."""

TICK_NS = 40_000_000
"""One step of the motion model: a frame at 25 fps."""

MAX_COAST_TICKS = 5
"""A face that is not seen is expected to move on for so long and to stand still after; a turn is likelier by then."""

FARTHEST = 0.8
"""Longest way from where a face was expected to where it may be, in sides of the face."""

# norfair counts frames and this module counts time: its counters are set so high that they never decide.
_COUNTER_NEVER_ENDS = 1_000_000


class FaceTracker:
    """The tracks of one camera or video, named at random."""

    def __init__(self) -> None:
        self._tracker = Tracker(
            distance_function="euclidean",  # replaced below: the constructor takes no object of its own classes
            distance_threshold=FARTHEST,
            hit_counter_max=2 * _COUNTER_NEVER_ENDS,
            initialization_delay=0,
            past_detections_length=0,
        )
        self._tracker.distance_function = VectorizedDistance(normalised_distance)
        self._names: dict[int, str] = {}
        self._seen_ns: dict[int, int] = {}
        self._last_ns = 0
        self._frames = 0

    def update(self, boxes: Sequence[Box], at_ns: int) -> list[str]:
        """Return the track of each box in a frame captured at `at_ns`. Frames come in the order of capture."""
        self._expire(at_ns)
        self._coast(at_ns)
        self._frames += 1
        detections = [Detection(_corners(box), data=(self._frames, index)) for index, box in enumerate(boxes)]
        self._tracker.update(detections, period=_COUNTER_NEVER_ENDS)
        self._last_ns = at_ns
        tracks = [""] * len(boxes)
        for tracked in self._tracker.tracked_objects:
            frame, index = tracked.last_detection.data
            if frame == self._frames:
                self._seen_ns[tracked.id] = at_ns
                tracks[index] = self._names.setdefault(tracked.id, secrets.token_hex(4))
        return tracks

    @property
    def live(self) -> frozenset[str]:
        """The tracks that may still go on."""
        return frozenset(self._names.values())

    def _expire(self, at_ns: int) -> None:
        gone = {number for number, seen_ns in self._seen_ns.items() if abs(at_ns - seen_ns) > TRACK_TTL_NS}
        if gone:
            self._tracker.tracked_objects = [o for o in self._tracker.tracked_objects if o.id not in gone]
            for number in gone:
                del self._seen_ns[number], self._names[number]

    def _coast(self, at_ns: int) -> None:
        """Let the motion model make up for frames that did not come, and stand still for faces long unseen."""
        missing = round((at_ns - self._last_ns) / TICK_NS) - 1 if self._frames else 0
        for _ in range(min(missing, MAX_COAST_TICKS)):
            self._tracker.update()
        for tracked in self._tracker.tracked_objects:
            if at_ns - self._seen_ns[tracked.id] > MAX_COAST_TICKS * TICK_NS:
                _stop(tracked)


def normalised_distance(candidates: NDArray[np.float64], objects: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return how far faces are apart, in sides of a face: [candidates, objects].

    Both are [n, 4], left, top, right, bottom. The way between the centres, over the mean side, plus half of the
    difference in size (as the logarithm of the ratio), so that a face does not become the larger one behind it.
    """
    both = (candidates, objects)
    centres = [(corners[:, :2] + corners[:, 2:]) / 2 for corners in both]
    sides = [np.sqrt(np.prod(np.maximum(corners[:, 2:] - corners[:, :2], 1.0), axis=1)) for corners in both]
    ways = np.linalg.norm(centres[0][:, None] - centres[1][None], axis=2)
    mean_sides = (sides[0][:, None] + sides[1][None]) / 2
    ratios = np.abs(np.log(sides[0][:, None] / sides[1][None]))
    distances: NDArray[np.float64] = ways / mean_sides + ratios / 2
    return distances


def _corners(box: Box) -> NDArray[np.float64]:
    x, y, width, height = box
    return np.array([[x, y], [x + width, y + height]])


def _stop(tracked: Any) -> None:
    tracked.filter.x[tracked.dim_z :] = 0.0
