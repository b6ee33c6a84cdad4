"""JPEG: a JPEG is published unchanged, everything else is scaled to size and encoded."""

from __future__ import annotations

from typing import cast

import cv2
import numpy as np
import simplejpeg

from mien.errors import PictureError
from mien.headers.picture import header_of
from mien.limits import check_pixels
from mien.pixels import Bgr
from mien.settings import Settings
from producer.sources.source import Grab

LONGEST_JPEG = 32 * 1024 * 1024
"""Bytes; no camera sends more for one picture, and the bus must not take more."""


def jpeg_size(jpeg: bytes, most_pixels: int) -> tuple[int, int]:
    """Return width and height that the header of a JPEG declares; raises PictureError when it is none or too large."""
    if len(jpeg) > LONGEST_JPEG:
        raise PictureError(f"a JPEG of {len(jpeg)} bytes is larger than the limit of {LONGEST_JPEG}")
    header = header_of(jpeg)
    if header.kind != "jpeg":
        raise PictureError(f"this is not a JPEG but a {header.format}")
    check_pixels(header.width, header.height, most_pixels)
    return header.width, header.height


def as_jpeg(grab: Grab, settings: Settings) -> tuple[bytes, int, int]:
    """Return the JPEG of a grab, its width and its height.

    Pixels wider than `max_frame_width` are scaled down, and encoded with `jpeg_quality` and halved colour (4:2:0).
    """
    if isinstance(grab.picture, bytes):
        return grab.picture, grab.width, grab.height
    picture = scaled_down(grab.picture, settings.max_frame_width)
    jpeg = simplejpeg.encode_jpeg(
        np.ascontiguousarray(picture),
        quality=settings.jpeg_quality,
        colorspace="BGR",
        colorsubsampling="420",
        fastdct=True,
    )
    return cast(bytes, jpeg), picture.shape[1], picture.shape[0]


def scaled_down(picture: Bgr, widest: int) -> Bgr:
    """Return the picture at most `widest` pixels wide, in its own proportions."""
    height, width = picture.shape[:2]
    if width <= widest:
        return picture
    size = (widest, max(1, round(height * widest / width)))
    return cast(Bgr, cv2.resize(picture, size, interpolation=cv2.INTER_AREA))
