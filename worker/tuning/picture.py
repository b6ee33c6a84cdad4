"""The picture that costs are measured on: 1280×720, made up, as hard to decode and encode as a camera's."""

from __future__ import annotations

from functools import cache

import cv2
import numpy as np

from mien.pixels import Rgb
from mien.types import Box, Detection
from models.pictures.picture import encode_jpeg

WIDTH, HEIGHT = 1280, 720
_SEED = 20
_GRAIN = 1.2
"""Standard deviation of the noise: with it the JPEG has 86 kB at quality 88; those of people in rooms have 60 to 85."""

_TILE_PX = 80
_SHAPES = 12

FACES: tuple[Box, ...] = (
    (300.0, 200.0, 150.0, 180.0),
    (800.0, 220.0, 160.0, 190.0),
    (550.0, 100.0, 120.0, 150.0),
    (1050.0, 400.0, 140.0, 170.0),
)
"""Where faces are made up; what is done with a face costs the same when there is none."""


@cache
def picture() -> Rgb:
    """Return the picture, the same one every time; not to be changed."""
    random = np.random.default_rng(_SEED)
    ground = random.integers(30, 220, (9, 16, 3), dtype=np.uint8)
    rgb = np.asarray(cv2.resize(ground, (WIDTH, HEIGHT), interpolation=cv2.INTER_LINEAR), np.int16)
    for _ in range(_SHAPES):
        x, y = int(random.integers(0, WIDTH)), int(random.integers(0, HEIGHT))
        colour = [float(value) for value in random.integers(0, 255, 3)]
        cv2.ellipse(rgb, (x, y), (int(random.integers(5, 90)), int(random.integers(5, 60))), 30, 0, 360, colour, 3)
    grain = np.rint(random.normal(0, _GRAIN, (_TILE_PX, _TILE_PX, 3))).astype(np.int16)
    rgb += np.tile(grain, (HEIGHT // _TILE_PX, WIDTH // _TILE_PX, 1))
    return np.clip(rgb, 0, 255).astype(np.uint8)


def jpeg(quality: int) -> bytes:
    """Return the picture as a camera sends it."""
    return encode_jpeg(picture(), quality)


def detections(count: int) -> list[Detection]:
    """Return up to four faces, with eyes, nose and mouth."""
    return [_detection(box) for box in FACES[:count]]


def _detection(box: Box) -> Detection:
    x, y, width, height = box
    points = ((0.3, 0.4), (0.7, 0.4), (0.5, 0.6), (0.5, 0.8))
    return Detection(box, 0.9, tuple((x + across * width, y + down * height) for across, down in points))
