"""OpenCV's Haar cascade `frontalface_alt2`: the classic baseline (Viola and Jones, 2001; Lienhart and Maydt, 2002).

Frontal faces only, no landmarks, several times slower than the nets: for comparison, and where nothing else runs.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from mien.errors import RuntimeMissing
from mien.pixels import Rgb
from mien.types import Box, Detection
from models.detect.windows import LARGEST_RATIO, Window, assign, may_be

CASCADE = "haarcascade_frontalface_alt2.xml"

WORK_SIDE_PX = 720
"""Larger frames are scaled down so that their shorter side has this size."""

WINDOW_TO_FACE = 0.85
"""The cascade's window has about this share of a face's height, forehead to chin."""

LEAST_WINDOW_PX = 20
"""The cascade was trained on windows of this side."""

# Side of the part of a frame around an expected face, in sides of the face, and how large the face is there at most.
_WINDOW_SIDES = 2.2
_FACE_ON_WINDOW_PX = 80


class Haar:
    """Finds upright frontal faces from `smallest_face_px` (in a frame 720 pixels high) up."""

    name = "haar"

    def __init__(self, smallest_face_px: int) -> None:
        """Raises RuntimeMissing when the installed OpenCV carries no cascades (OpenCV 5 does not)."""
        path = Path(cv2.__file__).parent / "data" / CASCADE
        if not hasattr(cv2, "CascadeClassifier") or not path.is_file():
            raise RuntimeMissing(f"detector 'haar' needs opencv-python-headless below 5 (found {cv2.__version__})")
        self._cascade = cv2.CascadeClassifier(str(path))
        self._smallest_face_px = smallest_face_px

    def detect(self, rgb: Rgb, smallest_face_px: int | None = None) -> tuple[Detection, ...]:
        """Return the faces of a picture, largest first, without landmarks; boxes are square, in its pixels."""
        scale = min(1.0, WORK_SIDE_PX / min(rgb.shape[:2]))
        grey = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)
        if scale < 1:
            grey = cv2.resize(grey, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        smallest_share = (smallest_face_px or self._smallest_face_px) / 720
        least = max(LEAST_WINDOW_PX, int(smallest_share * WINDOW_TO_FACE * min(grey.shape)))
        boxes = np.asarray(self._cascade.detectMultiScale(grey, minSize=(least, least)), np.float64).reshape(-1, 4)
        largest_first = boxes[np.argsort(-boxes[:, 2], kind="stable")] / scale
        return tuple(
            Detection(box=(float(x), float(y), float(width), float(height)), score=1.0)
            for x, y, width, height in largest_first
        )

    def near(self, rgb: Rgb, boxes: Sequence[Box]) -> tuple[Detection | None, ...]:
        """Return the face at each of the boxes where one is expected, or None; the cascade runs around them only."""
        return assign(boxes, [self._around(rgb, box) if may_be(box, rgb) else [] for box in boxes])

    def prepare(self, shapes: Sequence[tuple[int, int]], smallest_face_px: int) -> None:
        """Do nothing: a cascade takes frames of any shape."""

    def _around(self, rgb: Rgb, box: Box) -> list[Detection]:
        x, y, width, height = box
        face = max(LEAST_WINDOW_PX, width, height)
        side = round(_WINDOW_SIDES * face)
        canvas_side = min(side, round(_WINDOW_SIDES * _FACE_ON_WINDOW_PX))
        window = Window(round(x + (width - side) / 2), round(y + (height - side) / 2), side, canvas_side)
        grey = cv2.cvtColor(window.cut(rgb), cv2.COLOR_RGB2GRAY)
        least, most = (int(face * window.scale * factor) for factor in (1 / LARGEST_RATIO, LARGEST_RATIO))
        found = self._cascade.detectMultiScale(grey, minSize=(least, least), maxSize=(most, most))
        squares = np.asarray(found, np.float64).reshape(-1, 4) / window.scale
        return [
            Detection(box=(float(x) + window.left, float(y) + window.top, float(wide), float(high)), score=1.0)
            for x, y, wide, high in squares
        ]
