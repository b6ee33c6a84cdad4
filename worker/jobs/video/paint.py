"""Faces drawn straight into the planes of a video frame, so that all other pixels stay as they came.

The overlay of `models.pictures.overlay` is drawn on an empty RGB canvas, and what it touched is put into the planes. A
frame turned into RGB and back would cost ten times as much and lose colour.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from mien.pixels import Rgb
from mien.types import Face
from models.pictures.overlay import draw_faces, drawn_in

Plane = NDArray[np.uint8]
Planes = tuple[Plane, Plane, Plane]
"""Y, Cb, Cr of a picture with 4:2:0 colours: [height, width], and twice half of that."""

# What nothing in the overlay is drawn in.
_CLEAR = 1

# Shares of red and blue in luma: ITU-R BT.709, BT.601 and BT.2020, by FFmpeg's numbers (AVColorSpace).
_BT601 = (0.299, 0.114)
_SHARES = {1: (0.2126, 0.0722), 9: (0.2627, 0.0593), 10: (0.2627, 0.0593)}
_FULL_RANGE = 2


@dataclass(frozen=True, slots=True)
class Matrix:
    """How RGB becomes Y, Cb, Cr: `rows` [3, 3] and `offsets` [3]."""

    rows: NDArray[np.float32]
    offsets: NDArray[np.float32]


def matrix_of(colour_space: int, colour_range: int) -> Matrix:
    """Return the matrix for a frame with FFmpeg's numbers of colour space and range; unknown ones are BT.601, limited.

    Source: ITU-R BT.601-7, section 2.5; 16 to 235 and 16 to 240 of 255 in limited range.
    """
    red, blue = _SHARES.get(colour_space, _BT601)
    luma = np.array([red, 1 - red - blue, blue])
    rows = np.stack([luma, (np.array([0, 0, 1]) - luma) / 2 / (1 - blue), (np.array([1, 0, 0]) - luma) / 2 / (1 - red)])
    is_full = colour_range == _FULL_RANGE
    scales = np.ones(3) if is_full else np.array([219, 224, 224]) / 255
    offsets = np.array([0 if is_full else 16, 128, 128])
    return Matrix((rows * scales[:, np.newaxis]).astype(np.float32), offsets.astype(np.float32))


class Painter:
    """Draws faces into frames of one size, both sides even; not for several threads at once."""

    def __init__(self, width: int, height: int, matrix: Matrix) -> None:
        self._canvas: Rgb = np.full((height, width, 3), _CLEAR, np.uint8)
        self._transform = np.column_stack([matrix.rows, matrix.offsets])

    def paint(self, planes: Planes, faces: Sequence[Face]) -> None:
        """Draw every face into the planes of a frame, in place, as `draw_faces` would."""
        if not faces:
            return
        height, width = self._canvas.shape[:2]
        draw_faces(self._canvas, faces)
        touched = drawn_in(faces, width, height)
        for left, top, right, bottom in touched:
            # Whole pairs of rows and columns: a colour sample belongs to 2×2 pixels.
            rows, columns = slice(top // 2 * 2, -(-bottom // 2) * 2), slice(left // 2 * 2, -(-right // 2) * 2)
            self._put(planes, rows, columns)
        for left, top, right, bottom in touched:
            self._canvas[top:bottom, left:right] = _CLEAR

    def _put(self, planes: Planes, rows: slice, columns: slice) -> None:
        part = self._canvas[rows, columns]
        # Nothing in the overlay has red at 1, so one channel tells what was drawn: 0 or 255.
        is_drawn = cv2.compare(np.ascontiguousarray(part[:, :, 0]), _CLEAR, cv2.CMP_NE)
        colours = cv2.transform(part, self._transform)
        cv2.copyTo(np.ascontiguousarray(colours[:, :, 0]), is_drawn, planes[0][rows, columns])
        half_rows, half_columns = (slice(side.start // 2, side.stop // 2) for side in (rows, columns))
        size = (half_columns.stop - half_columns.start, half_rows.stop - half_rows.start)
        shares = cv2.resize(is_drawn, size, interpolation=cv2.INTER_AREA).astype(np.float32) / 255
        # What was not drawn is 0 here and counts by its share as it is in the frame.
        chromas = cv2.resize(cv2.bitwise_and(colours, colours, mask=is_drawn), size, interpolation=cv2.INTER_AREA)
        for number, plane in enumerate(planes[1:], 1):
            old = plane[half_rows, half_columns]
            old[:] = np.rint(chromas[:, :, number] + (1 - shares) * old)
