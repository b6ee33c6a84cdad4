"""A slow pan over a portrait: the demo camera of last resort, and faces for the test pattern."""

from __future__ import annotations

import importlib.util
import math
import time
from pathlib import Path
from typing import cast

import cv2

from mien.errors import UnknownSource
from mien.pixels import Bgr
from producer.sources.source import Grab, PacedSource

_SIZE = (640, 360)
_WINDOW = (400, 225)
_FPS = 25.0
_ROUND_S = 12.0


class AstronautPan(PacedSource):
    """A window of 16:9 that circles over the face of scikit-image's astronaut (NASA), 640x360, 25 fps."""

    def __init__(self, *, fps: float = 0.0) -> None:
        self._period_s = 1 / (fps or _FPS)
        self._number = 0
        self._picture: Bgr | None = None

    def open(self) -> None:
        """Load the picture; raises UnknownSource without scikit-image."""
        self._picture = astronaut()
        self._number = 0

    def read(self) -> Grab | None:
        """Return the next picture; there is no end."""
        if self._picture is None:
            return None
        position_s = self._number * self._period_s
        self._number += 1
        turn = 2 * math.pi * position_s / _ROUND_S
        width, height = _WINDOW
        left, top = round(56 + 50 * math.sin(turn)), round(30 + 26 * math.cos(turn))
        window = self._picture[top : top + height, left : left + width]
        picture = cast(Bgr, cv2.resize(window, _SIZE, interpolation=cv2.INTER_LINEAR))
        return Grab(time.monotonic_ns(), picture, *_SIZE, position_s)

    def pass_over(self, position_s: float) -> int:
        """Pass over pictures without drawing them."""
        passed = max(0, math.ceil(position_s / self._period_s) - self._number)
        self._number += passed
        return passed

    def close(self) -> None:
        """Forget the picture."""
        self._picture = None


def astronaut() -> Bgr:
    """Return the astronaut, 512x512; raises UnknownSource without scikit-image.

    The file is read out of the installed package, since importing scikit-image's readers takes half a second.
    """
    package = importlib.util.find_spec("skimage")
    folder = Path(package.origin).parent if package is not None and package.origin else Path()
    picture = cv2.imread(str(folder / "data" / "astronaut.png"), cv2.IMREAD_COLOR) if package else None
    if picture is None:
        raise UnknownSource("the astronaut's picture is not here: install scikit-image")
    return cast(Bgr, picture)


def portrait() -> Bgr:
    """Return the astronaut's head, 220x220; raises UnknownSource without scikit-image."""
    return astronaut()[0:220, 110:330]
