"""The test pattern: a camera that is always there, moves, and never gives the same picture twice."""

from __future__ import annotations

import math
import time
from typing import cast
from urllib.parse import parse_qsl, urlsplit

import cv2
import numpy as np

from mien.address import Address
from mien.errors import UnknownSource
from mien.pixels import Bgr
from producer.sources.astronaut import portrait
from producer.sources.source import Grab, PacedSource

_LIMITS = {"width": (64, 3840), "height": (48, 2160), "fps": (0.1, 240.0), "faces": (0, 16)}
_USUAL = {"width": 1280.0, "height": 720.0, "fps": 25.0, "faces": 0.0}
_WHITE = (255, 255, 255)


class Pattern(PacedSource):
    """A sliding colour field with a moving ball, the frame's number and the time; `faces` faces wander over it."""

    def __init__(self, *, width: int, height: int, fps: float, faces: int = 0) -> None:
        self._width = width
        self._height = height
        self._period_s = 1 / fps
        self._faces = faces
        self._number = 0
        self._field = np.empty((0, 0, 3), np.uint8)
        self._face = np.empty((0, 0, 3), np.uint8)

    @classmethod
    def from_address(cls, address: Address, *, fps: float = 0.0) -> Pattern:
        """Read `test://pattern?width=640&height=360&fps=25&faces=2`; raises UnknownSource on anything else."""
        parts = urlsplit(address.secret())
        if parts.netloc != "pattern" or parts.path not in ("", "/"):
            raise UnknownSource(f"'{address}' is not known; there is test://pattern")
        values = dict(_USUAL)
        for name, text in parse_qsl(parts.query, keep_blank_values=True):
            values[name] = _number(name, text)
        return cls(
            width=int(values["width"]),
            height=int(values["height"]),
            fps=fps or values["fps"],
            faces=int(values["faces"]),
        )

    def open(self) -> None:
        """Start at frame 0."""
        self._number = 0
        self._field = _colour_field(2 * self._width, self._height)
        if self._faces:
            side = max(32, min(self._height // 2, self._width // (self._faces + 1)))
            self._face = cast(Bgr, cv2.resize(portrait(), (side, side), interpolation=cv2.INTER_AREA))

    def read(self) -> Grab:
        """Return the next picture; there is no end."""
        picture = self._drawn(self._number)
        grab = Grab(time.monotonic_ns(), picture, self._width, self._height, self._number * self._period_s)
        self._number += 1
        return grab

    def pass_over(self, position_s: float) -> int:
        """Pass over pictures without drawing them."""
        passed = max(0, math.ceil(position_s / self._period_s) - self._number)
        self._number += passed
        return passed

    def close(self) -> None:
        """Nothing is held."""

    def _drawn(self, number: int) -> Bgr:
        shift = number * 2 % self._width
        picture = np.ascontiguousarray(self._field[:, shift : shift + self._width])
        for which in range(self._faces):
            self._paste_face(picture, number, which)
        turn = number * self._period_s
        radius = max(4, self._height // 20)
        ball = (
            round(self._width * (0.5 + 0.4 * math.sin(turn))),
            round(self._height * (0.85 + 0.08 * math.cos(1.7 * turn))),
        )
        cv2.circle(picture, ball, radius, _WHITE, -1, cv2.LINE_AA)
        self._write(picture, f"{number:06d}  {time.strftime('%H:%M:%S')}")
        return picture

    def _paste_face(self, picture: Bgr, number: int, which: int) -> None:
        side = self._face.shape[0]
        turn = number * self._period_s * 0.4 + which
        slot = self._width / self._faces
        x = round(which * slot + (slot - side) * (0.5 + 0.4 * math.sin(turn)))
        y = round((self._height - side) * (0.3 + 0.25 * math.cos(turn)))
        x = min(max(0, x), self._width - side)
        picture[y : y + side, x : x + side] = self._face

    def _write(self, picture: Bgr, text: str) -> None:
        scale = self._height / 480
        width = max(1, round(2 * scale))
        # At the bottom: the dashboard's own words lie over the top of a picture.
        place = (round(16 * scale), self._height - round(16 * scale))
        cv2.putText(picture, text, place, cv2.FONT_HERSHEY_SIMPLEX, scale, (0, 0, 0), 3 * width, cv2.LINE_AA)
        cv2.putText(picture, text, place, cv2.FONT_HERSHEY_SIMPLEX, scale, _WHITE, width, cv2.LINE_AA)


def _number(name: str, text: str) -> float:
    if name not in _LIMITS:
        raise UnknownSource(f"test://pattern has no {name!r}; it has {', '.join(_LIMITS)}")
    least, most = _LIMITS[name]
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not least <= value <= most:
        raise UnknownSource(f"test://pattern: {name}={text} is not a number from {least:g} to {most:g}")
    return value


def _colour_field(width: int, height: int) -> Bgr:
    """Return soft bars that repeat after half the width, so that sliding over them never jumps."""
    angle = np.linspace(0, 4 * np.pi, width, endpoint=False, dtype=np.float32)
    shade = np.linspace(0.35, 1.0, height, dtype=np.float32)[:, None, None]
    bars = np.stack([np.sin(angle + turn) for turn in (0.0, 2.1, 4.2)], axis=-1)[None]
    return cast(Bgr, (shade * (110 + 70 * bars)).astype(np.uint8))
