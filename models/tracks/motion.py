"""How a face moves: the one prediction of where it will be, for matching faces and for where to look for one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mien.types import Box

MAX_COAST_NS = 200_000_000
"""A face that is not seen is expected to move on for so long and to stand still after; a turn is likelier by then."""

NEW_SPEED = 0.5
"""Part of the newest step in the speed: detections tremble by a pixel or two, and people turn round within 0.2 s."""

Corners = NDArray[np.float64]
"""[N, 4]: left, top, right, bottom in pixels."""


@dataclass(frozen=True, slots=True)
class Motion:
    """Where a face was last (corners [4]: left, top, right, bottom in pixels), when, and how its middle moved (px/s).

    Its size is expected to stay: of what changes from frame to frame most is trembling, and a window around an expected
    face that grows with it finds another box, which changes labels.
    """

    corners: NDArray[np.float64]
    speed: NDArray[np.float64]
    seen_ns: int

    @classmethod
    def begun(cls, corners: NDArray[np.float64], at_ns: int) -> Motion:
        """Return the motion of a face that was found for the first time: it stands still."""
        return cls(corners, np.zeros(2), at_ns)

    def expected(self, at_ns: int) -> NDArray[np.float64]:
        """Return the corners that the face should have at a moment."""
        coast_s = min(max(0, at_ns - self.seen_ns), MAX_COAST_NS) / 1e9
        moved: NDArray[np.float64] = self.corners + coast_s * np.tile(self.speed, 2)
        return moved

    def expected_box(self, at_ns: int) -> Box:
        """Return the box in which the face should be at a moment."""
        left, top, right, bottom = self.expected(at_ns).tolist()
        return left, top, right - left, bottom - top

    def seen(self, corners: NDArray[np.float64], at_ns: int) -> Motion:
        """Return the motion after the face was found again."""
        gap_ns = at_ns - self.seen_ns
        if not 0 < gap_ns <= MAX_COAST_NS:
            return Motion.begun(corners, at_ns)
        way = corners - self.corners
        step = (way[:2] + way[2:]) / 2 / (gap_ns / 1e9)
        return Motion(corners, self.speed + NEW_SPEED * (step - self.speed), at_ns)


def corners_of(boxes: Sequence[Box]) -> Corners:
    """Return the corners of boxes."""
    corners = np.array(boxes, np.float64).reshape(-1, 4)
    corners[:, 2:] += corners[:, :2]
    return corners
