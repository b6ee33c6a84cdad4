"""Which face is which from frame to frame, by where it is: a track is never an identity.

Expected boxes (constant speed) are matched with found ones, nearest first. Libraries that do this by frame counts and
general filters were measured: the one that fits best takes 0.5 ms a frame, 0.7 s to import and 80 MB, most of it SciPy.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from mien.types import Box
from models.tracks.motion import Corners, Motion, corners_of

TRACK_TTL_NS = 1_000_000_000
"""A face that was not seen for this long is a new one when it comes back."""

FARTHEST = 0.8
"""Longest way from where a face was expected to where it may be, in sides of the face."""


class FaceTracker:
    """The tracks of one camera or video, named at random."""

    def __init__(self) -> None:
        self._tracks: dict[str, Motion] = {}

    def update(self, boxes: Sequence[Box], at_ns: int) -> list[str]:
        """Return the track of each box in a frame captured at `at_ns`. Frames come in the order of capture."""
        self._tracks = {
            name: motion for name, motion in self._tracks.items() if abs(at_ns - motion.seen_ns) <= TRACK_TTL_NS
        }
        found = corners_of(boxes)
        names = self._matched(found, at_ns)
        for index, name in enumerate(names):
            if name:
                self._tracks[name] = self._tracks[name].seen(found[index], at_ns)
            else:
                names[index] = secrets.token_hex(4)
                self._tracks[names[index]] = Motion.begun(found[index], at_ns)
        return names

    @property
    def live(self) -> frozenset[str]:
        """The tracks that may still go on."""
        return frozenset(self._tracks)

    def expected(self, track: str, at_ns: int) -> Box:
        """Return where the face of a track should be at a moment. Raises KeyError when the track is over."""
        return self._tracks[track].expected_box(at_ns)

    def _matched(self, found: Corners, at_ns: int) -> list[str]:
        """Return the track that each found face goes on with, "" for a new face; the nearest pair goes first."""
        names, matched = list(self._tracks), [""] * len(found)
        if not names or not matched:
            return matched
        expected = np.stack([motion.expected(at_ns) for motion in self._tracks.values()])
        distances = normalised_distance(found, expected)
        rows, columns = np.nonzero(distances <= FARTHEST)
        taken: set[int] = set()
        for pair in np.argsort(distances[rows, columns], kind="stable"):
            row, column = int(rows[pair]), int(columns[pair])
            if not matched[row] and column not in taken:
                matched[row] = names[column]
                taken.add(column)
        return matched


def normalised_distance(candidates: Corners, objects: Corners) -> NDArray[np.float64]:
    """Return how far faces are apart, in sides of a face: [candidates, objects].

    Both are [n, 4], left, top, right, bottom. The way between the centres, over the mean side, plus half of the
    difference in size (as the logarithm of the ratio), so that a face does not become the larger one behind it.
    """
    both = (candidates, objects)
    centres = [(corners[:, :2] + corners[:, 2:]) / 2 for corners in both]
    sides = [np.sqrt(np.prod(np.maximum(corners[:, 2:] - corners[:, :2], 1.0), axis=1)) for corners in both]
    ways = np.sqrt(((centres[0][:, None] - centres[1][None]) ** 2).sum(axis=2))
    mean_sides = (sides[0][:, None] + sides[1][None]) / 2
    ratios = np.abs(np.log(sides[0][:, None] / sides[1][None]))
    distances: NDArray[np.float64] = ways / mean_sides + ratios / 2
    return distances
