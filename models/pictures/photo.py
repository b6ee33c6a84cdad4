"""A photo as it is analysed: whole when it has an ordinary size, scaled down when it is huge.

What a face is worth does not grow with the camera: beyond a size at which the smallest face that can be found has more
pixels than the classifier looks at, all others cost time and memory and change nothing that could be measured.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Literal

import cv2
import numpy as np

from mien.limits import PHOTO_PIXELS, SMALLEST_FACE_PX
from mien.pixels import Rgb
from mien.types import Face
from models.pictures.orientation import orientation_of
from models.pictures.picture import Header, decode, read_header

HUGE_PIXELS = 16_000_000
"""Photos with more pixels are scaled down; phones and 4K cameras stay below and are read as they are."""

SHORT_SIDE_PX = 1080
"""Least shorter side of a photo that was scaled down, when `smallest_face_px` is 48.

A face of 48 px in a frame of 720 has 72 px in one of 1080: one and a half times the side of the classifier's crops.
"""

Shrink = Literal[1, 2, 4, 8]
_TURNED = frozenset({5, 6, 7, 8})  # EXIF orientations that swap width and height
# libjpeg scales by these while it decodes; by others it takes longer than for the whole picture.
_SHRINKS: tuple[Shrink, ...] = (8, 4, 2)


@dataclass(frozen=True, slots=True)
class Photo:
    """The pixels to analyse and draw on, RGB and upright, and the size of the original, upright too."""

    pixels: Rgb = field(repr=False)
    width: int
    height: int

    def in_original(self, faces: Iterable[Face]) -> tuple[Face, ...]:
        """Return faces found in `pixels` with boxes and landmarks in pixels of the original."""
        height, width = self.pixels.shape[:2]
        if (width, height) == (self.width, self.height):
            return tuple(faces)
        across, down = self.width / width, self.height / height
        return tuple(_scaled(face, across, down) for face in faces)


def read_photo(data: bytes, max_pixels: int = PHOTO_PIXELS, smallest_face_px: int = SMALLEST_FACE_PX) -> Photo:
    """Return the photo in `data`; raises PictureError as `models.pictures.picture.decode` does.

    The pixels of a photo of more than `HUGE_PIXELS` have a half, a quarter or an eighth of its sides.
    """
    header = read_header(data)
    shrink = shrink_of(header, smallest_face_px)
    pixels = decode(data, max_pixels, shrink=shrink)
    if shrink == 1:
        return Photo(pixels, pixels.shape[1], pixels.shape[0])
    turned = orientation_of(data, header) in _TURNED
    width, height = (header.height, header.width) if turned else (header.width, header.height)
    small = _part(width, shrink), _part(height, shrink)
    if pixels.shape[1::-1] != small:  # only libjpeg scales while it decodes
        pixels = np.asarray(cv2.resize(pixels, small, interpolation=cv2.INTER_AREA), np.uint8)
    return Photo(pixels, width, height)


def shrink_of(header: Header, smallest_face_px: int = SMALLEST_FACE_PX) -> Shrink:
    """Return by how much the sides of a photo are scaled down for analysis: 1, 2, 4 or 8."""
    if header.width * header.height <= HUGE_PIXELS:
        return 1
    least = SHORT_SIDE_PX * max(1.0, SMALLEST_FACE_PX / smallest_face_px)
    return next((shrink for shrink in _SHRINKS if min(header.width, header.height) >= shrink * least), 1)


def pixels_in_memory(header: Header, smallest_face_px: int = SMALLEST_FACE_PX) -> int:
    """Return how many pixels there are at once while a photo is decoded."""
    shrink = shrink_of(header, smallest_face_px) if header.kind == "jpeg" else 1
    return _part(header.width, shrink) * _part(header.height, shrink)


def _part(side: int, shrink: int) -> int:
    return -(-side // shrink)


def _scaled(face: Face, across: float, down: float) -> Face:
    x, y, width, height = face.box
    return replace(
        face,
        box=(x * across, y * down, width * across, height * down),
        landmarks=tuple((x * across, y * down) for x, y in face.landmarks),
    )
