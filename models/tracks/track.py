"""Which face is which from frame to frame, by where it is: a track is never an identity.

Expected boxes (constant speed) are matched with found ones, nearest first. Libraries that do this by frame counts and
general filters were measured: the one that fits best takes 0.5 ms a frame, 0.7 s to import and 80 MB, most of it SciPy.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mien.types import Box

TRACK_TTL_NS = 1_000_000_000
"""A face that was not seen for this long is a new one when it comes back."""

MAX_COAST_NS = 200_000_000
"""A face that is not seen is expected to move on for so long and to stand still after; a turn is likelier by then."""

FARTHEST = 0.8
"""Longest way from where a face was expected to where it may be, in sides of the face."""

NEW_SPEED = 0.5
"""Part of the newest step in the speed: detections tremble by a pixel or two, and people turn round within 0.2 s."""

Corners = NDArray[np.float64]
"""[N, 4]: left, top, right, bottom in pixels."""


@dataclass(frozen=True, slots=True)
class Track:
    """Where a face was last, when, and how its corners moved (px/s)."""

    corners: NDArray[np.float64]
    speed: NDArray[np.float64]
    seen_ns: int

    def expected(self, at_ns: int) -> NDArray[np.float64]:
        """Return the corners that the face should have at a moment."""
        coast_s = min(max(0, at_ns - self.seen_ns), MAX_COAST_NS) / 1e9
        moved: NDArray[np.float64] = self.corners + coast_s * self.speed
        return moved

    def seen(self, corners: NDArray[np.float64], at_ns: int) -> Track:
        """Return the track after the face was found again."""
        gap_ns = at_ns - self.seen_ns
        if not 0 < gap_ns <= MAX_COAST_NS:
            return Track(corners, np.zeros(4), at_ns)
        step = (corners - self.corners) / (gap_ns / 1e9)
        return Track(corners, self.speed + NEW_SPEED * (step - self.speed), at_ns)


class FaceTracker:
    """The tracks of one camera or video, named at random."""

    def __init__(self) -> None:
        self._tracks: dict[str, Track] = {}

    def update(self, boxes: Sequence[Box], at_ns: int) -> list[str]:
        """Return the track of each box in a frame captured at `at_ns`. Frames come in the order of capture."""
        self._tracks = {
            name: track for name, track in self._tracks.items() if abs(at_ns - track.seen_ns) <= TRACK_TTL_NS
        }
        found = _corners(boxes)
        names = self._matched(found, at_ns)
        for index, name in enumerate(names):
            if name:
                self._tracks[name] = self._tracks[name].seen(found[index], at_ns)
            else:
                names[index] = secrets.token_hex(4)
                self._tracks[names[index]] = Track(found[index], np.zeros(4), at_ns)
        return names

    @property
    def live(self) -> frozenset[str]:
        """The tracks that may still go on."""
        return frozenset(self._tracks)

    def _matched(self, found: Corners, at_ns: int) -> list[str]:
        """Return the track that each found face goes on with, "" for a new face; the nearest pair goes first."""
        names, matched = list(self._tracks), [""] * len(found)
        if not names or not matched:
            return matched
        expected = np.stack([track.expected(at_ns) for track in self._tracks.values()])
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


def _corners(boxes: Sequence[Box]) -> Corners:
    corners = np.array(boxes, np.float64).reshape(-1, 4)
    corners[:, 2:] += corners[:, :2]
    return corners
