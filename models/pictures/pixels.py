"""From pixels of any kind to RGB of 8 bits: grey, 16 bits, inverted, CMYK, transparent.

Transparency is laid over white: a cut-out portrait is meant to be seen on a page, and what the transparent pixels hold
below is whatever a program left there, often black, which would draw a hard edge around hair.
"""

from __future__ import annotations

import struct
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from mien.errors import PictureError
from mien.headers.picture import PictureHeader
from mien.pixels import Grey, Rgb
from models.pictures.orientation import png_chunk, tiff_values

# TIFF 6.0, section 8, and section 18 for extra samples.
_PHOTOMETRIC, _EXTRA_SAMPLES = 262, 338
_WHITE_IS_ZERO = 0
_ASSOCIATED, _UNASSOCIATED = 1, 2
# Rows that are worked on at once, where the arithmetic needs more room than the picture.
_ROWS = 256


def to_rgb(pixels: NDArray[Any], data: bytes, header: PictureHeader | None) -> Rgb:
    """Return RGB of decoded pixels in OpenCV's order: grey, BGR or BGRA, 8 or 16 bits.

    `data` and `header` are the file's; without a header the alpha of four channels is believed as it is. Raises
    PictureError for pixels that have no scale, such as floating point ones.
    """
    if pixels.dtype not in (np.uint8, np.uint16):
        raise PictureError(f"the picture has pixels of {pixels.dtype}: save it with 8 or 16 bits")
    deep = pixels.dtype == np.uint16
    tags = tiff_values(data) if header is not None and header.kind == "tiff" else {}
    pixels = eight_bits(pixels)
    if deep and tags.get(_PHOTOMETRIC) == _WHITE_IS_ZERO:  # of 8 bits OpenCV turns it round itself
        pixels = 255 - pixels
    if pixels.ndim == 2:
        return _grey(pixels, data, header)
    if pixels.shape[2] == 4:
        alpha = _alpha(pixels, tags, header)
        rgb = cv2.cvtColor(pixels, cv2.COLOR_BGRA2RGB)
        if alpha is not None:
            # OpenCV's TIFF of 8 bits has the colours multiplied by alpha already, whatever the file had.
            over_white(rgb, alpha, multiplied=bool(tags) and (not deep or tags.get(_EXTRA_SAMPLES) == _ASSOCIATED))
        return np.asarray(rgb, np.uint8)
    return np.asarray(cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB), np.uint8)


def eight_bits(pixels: NDArray[Any]) -> NDArray[np.uint8]:
    """Return pixels of 16 bits scaled to 8, rounded, so that 65535 becomes 255; those of 8 as they are."""
    if pixels.dtype == np.uint8:
        return pixels
    return np.asarray(cv2.convertScaleAbs(pixels, alpha=1 / 257), np.uint8).reshape(pixels.shape)


def over_white(rgb: Rgb, alpha: Grey, *, multiplied: bool = False) -> None:
    """Lay a picture over white, in place; `multiplied`: its colours are multiplied by alpha already."""
    for top in range(0, rgb.shape[0], _ROWS):
        part = rgb[top : top + _ROWS]
        weight = alpha[top : top + _ROWS, :, None].astype(np.uint16)
        if weight.min() == 255:
            continue
        weighted = part if multiplied else (part * weight + 127) // 255
        part[:] = np.minimum(weighted + (255 - weight), 255)


def cmyk_to_rgb(cmyk: NDArray[np.uint8]) -> Rgb:
    """Return RGB of inverted CMYK [height, width, 4], as Adobe and every other program writes JPEGs.

    RGB = C'K', M'K', Y'K' with C' = 1 - C and so on: what Pillow computes. An ICC profile is not looked at.
    """
    rgb = np.empty((*cmyk.shape[:2], 3), np.uint8)
    for top in range(0, cmyk.shape[0], _ROWS):
        part = cmyk[top : top + _ROWS].astype(np.uint16)
        rgb[top : top + _ROWS] = (part[:, :, :3] * part[:, :, 3:] + 127) // 255
    return rgb


def _alpha(pixels: NDArray[np.uint8], tags: dict[int, int], header: PictureHeader | None) -> Grey | None:
    """Return how opaque each pixel is; None when all are, or when the fourth channel is something else."""
    if tags and tags.get(_EXTRA_SAMPLES) not in (_ASSOCIATED, _UNASSOCIATED):
        return None
    alpha = pixels[:, :, 3]
    low = int(alpha.min())
    # Many programs leave the fourth byte of a BMP at zero; Pillow, too, takes such a picture for opaque.
    if low == 255 or (header is not None and header.kind == "bmp" and not alpha.any()):
        return None
    return alpha


def _grey(pixels: Grey, data: bytes, header: PictureHeader | None) -> Rgb:
    rgb: Rgb = np.asarray(cv2.cvtColor(pixels, cv2.COLOR_GRAY2RGB), np.uint8)
    key = png_chunk(data, b"tRNS") if header is not None and header.kind == "png" and data[25] == 0 else b""
    if len(key) == 2:  # one grey stands for "transparent" (PNG specification, section 11.3.2.1)
        most = (1 << data[24]) - 1
        rgb[pixels == round(struct.unpack(">H", key)[0] * 255 / most)] = 255
    return rgb
