"""From bytes to pixels and back: one decode policy for live frames, photos and jobs.

What a picture declares is read from its header and checked before a pixel is decoded, so that a small file cannot
claim gigabytes. JPEG goes through libjpeg-turbo, strictly: a truncated file is an error, not a half-grey face.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
import simplejpeg
from numpy.typing import NDArray

from mien.errors import PictureError

Picture = NDArray[np.uint8]
"""RGB, uint8 [height, width, 3], rows contiguous."""

Format = Literal["JPEG", "PNG", "WebP", "BMP", "GIF", "TIFF"]

MAX_PIXELS = 100_000_000
"""The default limit: larger than any camera's picture, 300 MB decoded."""

_PNG = b"\x89PNG\r\n\x1a\n"
# EXIF tag 0x0112, section 4.6.4 of the EXIF 2.3 standard: turns (counter-clockwise), then a flip left to right.
_ORIENTATIONS = {
    1: (0, False),
    2: (0, True),
    3: (2, False),
    4: (2, True),
    5: (3, True),
    6: (3, False),
    7: (1, True),
    8: (1, False),
}
_ORIENTATION_TAG = 0x0112
_WIDTH_TAG, _HEIGHT_TAG = 0x0100, 0x0101
_SHORT, _LONG = 3, 4


@dataclass(frozen=True, slots=True)
class Header:
    """What a file says about its picture: format, and size in pixels as stored (before any EXIF turn)."""

    format: Format
    width: int
    height: int
    colours: str = ""


def decode(data: bytes, max_pixels: int = MAX_PIXELS) -> Picture:
    """Return the picture in `data`, turned upright as its EXIF orientation says.

    Raises PictureError when the bytes are no picture, are truncated or damaged, or declare more than `max_pixels`.
    """
    header = read_header(data)
    if header.width * header.height > max_pixels:
        raise PictureError(
            f"the picture declares {header.width}×{header.height} pixels, more than the {max_pixels} allowed:"
            " scale it down first"
        )
    if header.format == "JPEG" and header.colours not in ("CMYK", "YCCK"):
        return _upright(_decode_jpeg(data), _jpeg_orientation(data))
    return _decode_other(data, header)


def encode_jpeg(rgb: Picture, quality: int = 88) -> bytes:
    """Return an RGB picture as JPEG bytes with 4:2:0 colours."""
    encoded: bytes = simplejpeg.encode_jpeg(
        np.ascontiguousarray(rgb), quality=quality, colorspace="RGB", colorsubsampling="420"
    )
    return encoded


def read_header(data: bytes) -> Header:
    """Return format and declared size without decoding; raises PictureError when there is no whole picture."""
    if data[:2] == b"\xff\xd8":
        return _jpeg_header(data)
    if data.startswith(_PNG):
        return _png_header(data)
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return _webp_header(data)
    if data[:2] == b"BM" and len(data) >= 26:
        if struct.unpack_from("<I", data, 2)[0] > len(data):
            raise PictureError("the BMP picture is truncated: fetch it again")
        width, height = struct.unpack_from("<ii", data, 18)
        return Header("BMP", abs(width), abs(height))
    if data[:6] in (b"GIF87a", b"GIF89a") and len(data) >= 10:
        if data.rstrip(b"\0")[-1:] != b";":
            raise PictureError("the GIF picture is truncated: fetch it again")
        return Header("GIF", *struct.unpack_from("<HH", data, 6))
    if data[:4] in (b"II*\0", b"MM\0*"):
        values = _tiff_values(data)
        return Header("TIFF", *_positive((values.get(_WIDTH_TAG, 0), values.get(_HEIGHT_TAG, 0)), "TIFF"))
    what = "is empty" if not data else f"starts with {data[:8]!r}"
    raise PictureError(f"not a picture: the file {what}, wanted is JPEG, PNG, WebP, BMP, TIFF or GIF")


def _jpeg_header(data: bytes) -> Header:
    try:
        height, width, colours, _ = simplejpeg.decode_jpeg_header(data, strict=False)
    except (ValueError, KeyError) as error:  # KeyError: the library's word for "no frame header came"
        raise PictureError(f"the JPEG picture is damaged or truncated ({_reason(error)}): fetch it again") from error
    return Header("JPEG", width, height, colours)


def _png_header(data: bytes) -> Header:
    """Walk the chunks (PNG specification, section 5): each must be whole, and IEND must come."""
    position, kind = len(_PNG), b""
    size = (0, 0)
    while kind != b"IEND":
        if position + 12 > len(data):
            raise PictureError("the PNG picture is truncated: fetch it again")
        length, kind = struct.unpack_from(">I4s", data, position)
        end = position + 12 + length
        if end > len(data):
            raise PictureError("the PNG picture is truncated: fetch it again")
        body = memoryview(data)[position + 4 : end - 4]
        if zlib.crc32(body) != struct.unpack_from(">I", data, end - 4)[0]:
            raise PictureError("the PNG picture is damaged (a checksum does not match): fetch it again")
        if kind == b"IHDR" and length >= 8:
            size = struct.unpack_from(">II", data, position + 8)
        position = end
    return Header("PNG", *_positive(size, "PNG"))


def _webp_header(data: bytes) -> Header:
    """Read the first chunk (RFC 9649, sections 2.5 to 2.7)."""
    if len(data) < 30 or struct.unpack_from("<I", data, 4)[0] + 8 > len(data):
        raise PictureError("the WebP picture is truncated: fetch it again")
    kind = data[12:16]
    if kind == b"VP8X":
        width, height = (int.from_bytes(data[at : at + 3], "little") + 1 for at in (24, 27))
    elif kind == b"VP8L":
        bits = struct.unpack_from("<I", data, 21)[0]
        width, height = (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    else:
        width, height = (side & 0x3FFF for side in struct.unpack_from("<HH", data, 26))
    return Header("WebP", *_positive((width, height), "WebP"))


def _positive(size: tuple[int, int], name: str) -> tuple[int, int]:
    if min(size) < 1:
        raise PictureError(f"the {name} picture declares {size[0]}×{size[1]} pixels: fetch it again")
    return size


def _decode_jpeg(data: bytes) -> Picture:
    try:
        return _rgb(data, strict=True)
    except ValueError as error:
        # Many webcams pad their pictures; libjpeg warns of it and loses nothing.
        if "extraneous bytes" in str(error):
            return _rgb(data, strict=False)
        raise PictureError(f"the JPEG picture is damaged or truncated ({_reason(error)}): fetch it again") from error


def _rgb(data: bytes, strict: bool) -> Picture:
    rgb: Picture = simplejpeg.decode_jpeg(data, colorspace="RGB", strict=strict)
    return rgb


def _decode_other(data: bytes, header: Header) -> Picture:
    try:
        bgr = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    except cv2.error:
        bgr = None
    if bgr is None:
        raise PictureError(f"the {header.format} picture is damaged or of an unusual kind: save it as JPEG or PNG")
    return np.ascontiguousarray(bgr[:, :, ::-1], np.uint8)


def _jpeg_orientation(data: bytes) -> int:
    """Return the EXIF orientation, 1 to 8; 1 when there is none or when it cannot be read."""
    position = 2
    while position + 4 <= len(data) and data[position] == 0xFF:
        marker, length = struct.unpack_from(">BH", data, position + 1)
        if marker == 0xDA:  # start of scan: the picture itself
            return 1
        if marker == 0xE1 and data[position + 4 : position + 10] == b"Exif\0\0":
            return _tiff_orientation(data[position + 10 : position + 2 + length])
        position += 2 + length
    return 1


def _tiff_orientation(tiff: bytes) -> int:
    value = _tiff_values(tiff).get(_ORIENTATION_TAG, 1)
    return value if value in _ORIENTATIONS else 1


def _tiff_values(tiff: bytes) -> dict[int, int]:
    """Return the first value of each short or long field of the first directory (TIFF 6.0, section 2), by its tag."""
    order = {b"II": "<", b"MM": ">"}.get(tiff[:2])
    if order is None or len(tiff) < 10:
        return {}
    start = struct.unpack_from(f"{order}I", tiff, 4)[0]
    if start + 2 > len(tiff):
        return {}
    values = {}
    for index in range(struct.unpack_from(f"{order}H", tiff, start)[0]):
        entry = start + 2 + 12 * index
        if entry + 12 > len(tiff):
            break
        tag, kind = struct.unpack_from(f"{order}HH", tiff, entry)
        if kind in (_SHORT, _LONG):
            values[tag] = int(struct.unpack_from(order + ("H" if kind == _SHORT else "I"), tiff, entry + 8)[0])
    return values


def _upright(rgb: Picture, orientation: int) -> Picture:
    turns, mirrored = _ORIENTATIONS[orientation]
    if orientation == 1:
        return rgb
    turned = np.rot90(rgb, turns)
    return np.ascontiguousarray(turned[:, ::-1] if mirrored else turned)


def _reason(error: Exception) -> str:
    return "no picture in it" if isinstance(error, KeyError) else " ".join(str(error).split())
