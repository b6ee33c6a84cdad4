"""OpenCV's Haar cascade `frontalface_alt2`: the classic baseline (Viola and Jones, 2001; Lienhart and Maydt, 2002).

Frontal faces only, no landmarks, several times slower than the nets: for comparison, and where nothing else runs.
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from mien.errors import RuntimeMissing
from mien.types import Detection
from models.picture import Picture

CASCADE = "haarcascade_frontalface_alt2.xml"

WORK_SIDE_PX = 720
"""Larger frames are scaled down so that their shorter side has this size."""

WINDOW_TO_FACE = 0.85
"""The cascade's window has about this share of a face's height, forehead to chin."""


class Haar:
    """Finds upright frontal faces from `smallest_face_px` (in a frame 720 pixels high) up."""

    name = "haar"

    def __init__(self, smallest_face_px: int) -> None:
        """Raises RuntimeMissing when the installed OpenCV carries no cascades (OpenCV 5 does not)."""
        path = Path(cv2.__file__).parent / "data" / CASCADE
        if not hasattr(cv2, "CascadeClassifier") or not path.is_file():
            raise RuntimeMissing(f"detector 'haar' needs opencv-python-headless below 5 (found {cv2.__version__})")
        self._cascade = cv2.CascadeClassifier(str(path))
        self._smallest_share = smallest_face_px / 720

    def detect(self, rgb: Picture) -> tuple[Detection, ...]:
        """Return the faces of an RGB picture, largest first, without landmarks; boxes are square, in its pixels."""
        scale = min(1.0, WORK_SIDE_PX / min(rgb.shape[:2]))
        grey = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)
        if scale < 1:
            grey = cv2.resize(grey, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        least = max(20, int(self._smallest_share * WINDOW_TO_FACE * min(grey.shape)))
        boxes = np.asarray(self._cascade.detectMultiScale(grey, minSize=(least, least)), np.float64).reshape(-1, 4)
        largest_first = boxes[np.argsort(-boxes[:, 2], kind="stable")] / scale
        return tuple(
            Detection(box=(float(x), float(y), float(width), float(height)), score=1.0)
            for x, y, width, height in largest_first
        )
