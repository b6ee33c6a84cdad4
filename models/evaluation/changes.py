"""Changes made to faces before the net sees them: what cameras do to a picture, and the views of one face.

A change moves the square that is cut, or alters the pixels of the crop. Lengths are those of a 48-pixel crop and scale
with it. What is random follows from the row of the picture, so that two runs change a picture alike.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import cv2
import numpy as np

from mien.errors import PictureError
from mien.pixels import Crop
from models.align import Square

REFERENCE_PX = 48


def _stay(square: Square, _: np.random.Generator) -> Square:
    return square


def _keep(crop: Crop) -> Crop:
    return crop


@dataclass(frozen=True, slots=True)
class Change:
    """What is done to a face: `move` says which square of the picture is cut, `alter` changes its pixels."""

    name: str
    move: Callable[[Square, np.random.Generator], Square] = _stay
    alter: Callable[[Crop], Crop] = _keep


def _jpeg(quality: int) -> Callable[[Crop], Crop]:
    def alter(crop: Crop) -> Crop:
        whole, data = cv2.imencode(".jpg", crop[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])
        back = cv2.imdecode(data, cv2.IMREAD_UNCHANGED) if whole else None
        if back is None:
            raise PictureError("a crop could not be written as JPEG")
        return np.ascontiguousarray(back.reshape(crop.shape)[..., ::-1], np.uint8)

    return alter


def _blur(sigma_px: float) -> Callable[[Crop], Crop]:
    def alter(crop: Crop) -> Crop:
        sigma = sigma_px * crop.shape[0] / REFERENCE_PX
        return np.asarray(cv2.GaussianBlur(crop, (0, 0), sigma), np.uint8).reshape(crop.shape)

    return alter


def _light(factor: float) -> Callable[[Crop], Crop]:
    def alter(crop: Crop) -> Crop:
        return np.asarray((crop.astype(np.float32) * factor).clip(0, 255).round(), np.uint8)

    return alter


def _half(crop: Crop) -> Crop:
    height, width = crop.shape[:2]
    small = cv2.resize(crop, (max(1, width // 2), max(1, height // 2)), interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR), np.uint8).reshape(crop.shape)


def _jitter(share: float) -> Callable[[Square, np.random.Generator], Square]:
    def move(square: Square, rng: np.random.Generator) -> Square:
        right, down, wider = rng.uniform(-share, share, 3)
        return replace(
            square, x=square.x + right * square.side, y=square.y + down * square.side, side=square.side * (1 + wider)
        )

    return move


def _turn(degrees: float) -> Callable[[Square, np.random.Generator], Square]:
    return lambda square, _: replace(square, angle=square.angle + math.radians(degrees))


def _shift(right: float, down: float) -> Callable[[Square, np.random.Generator], Square]:
    """Return a move by shares of the side along the axes of the square itself."""

    def move(square: Square, _: np.random.Generator) -> Square:
        cos, sin = math.cos(square.angle), math.sin(square.angle)
        return replace(
            square,
            x=square.x + square.side * (right * cos - down * sin),
            y=square.y + square.side * (right * sin + down * cos),
        )

    return move


UNCHANGED = Change("unchanged")

CORRUPTIONS = (
    Change("JPEG quality 20", alter=_jpeg(20)),
    Change("blur, sigma 1 px of 48", alter=_blur(1.0)),
    Change("brightness +25 %", alter=_light(1.25)),
    Change("brightness -25 %", alter=_light(0.75)),
    Change("box jitter 10 %", move=_jitter(0.1)),
    Change("rotation +15°", move=_turn(15)),
    Change("rotation -15°", move=_turn(-15)),
    Change("half resolution", alter=_half),
)
"""What a classifier has to bear: `box jitter` moves and scales the square evenly within ±10 % of its side."""

MIRROR = Change("mirror", alter=lambda crop: np.ascontiguousarray(crop[:, ::-1]))

SHIFTS = tuple(
    Change(f"shift {right:+d} {down:+d}", move=_shift(right / REFERENCE_PX, down / REFERENCE_PX))
    for right, down in ((-1, 0), (1, 0), (0, -1), (0, 1))
)
"""The square a pixel of 48 to each side."""
