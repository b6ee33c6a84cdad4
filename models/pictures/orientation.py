"""How a picture was held: the EXIF orientation in each format, and the turn that makes it upright.

Pillow says the same of the test pictures, in 135 µs for a live frame where this takes 5 µs; and for a PNG that has no
EXIF before its pixels, Pillow decodes them.
"""

from __future__ import annotations

import re
import struct
import zlib
from contextlib import suppress

import numpy as np

from mien.headers.picture import PictureHeader
from mien.pixels import Rgb

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
_SHORT, _LONG = 3, 4
_FILL = re.compile(rb"\xff+")
_BARE_MARKERS = frozenset({0x01, *range(0xD0, 0xD9)})  # those without a length: ITU-T T.81, table B.1
_PROFILE = b"Raw profile type exif\0"
_LONGEST_PROFILE = 1 << 20
_EXIF = b"Exif\0"
"""What EXIF begins with. A byte follows that should be 0; cameras write others, and it says nothing."""


def orientation_of(data: bytes, header: PictureHeader) -> int:
    """Return the EXIF orientation of a whole picture, 1 to 8; 1 when there is none or it cannot be read.

    TIFF and HEIC say 1: their decoders turn the picture themselves.
    """
    if header.kind == "jpeg":
        return _checked(tiff_values(_jpeg_exif(data)))
    if header.kind == "png":
        return _checked(tiff_values(png_chunk(data, b"eXIf") or _raw_profile(data)))
    if header.kind == "webp":
        return _checked(tiff_values(_webp_exif(data)))
    return header.orientation


def upright(rgb: Rgb, orientation: int) -> Rgb:
    """Return a picture turned as its orientation says."""
    turns, mirrored = _ORIENTATIONS[orientation]
    if orientation == 1:
        return rgb
    turned = np.rot90(rgb, turns)
    return np.ascontiguousarray(turned[:, ::-1] if mirrored else turned)


def tiff_values(tiff: bytes) -> dict[int, int]:
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


def png_chunk(data: bytes, wanted: bytes, beginning: bytes = b"") -> bytes:
    """Return the body of the first chunk of a PNG that is of a kind and begins so; nothing when there is none.

    Transparency stands before the pixels, what else is asked for may stand behind them.
    """
    position = 8
    while position + 12 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, position)
        if kind == wanted and data.startswith(beginning, position + 8):
            return data[position + 8 : position + 8 + length]
        if kind == b"IEND" or (kind == b"IDAT" and wanted == b"tRNS"):
            break
        position += 12 + length
    return b""


def _checked(values: dict[int, int]) -> int:
    value = values.get(_ORIENTATION_TAG, 1)
    return value if value in _ORIENTATIONS else 1


def _jpeg_exif(data: bytes) -> bytes:
    position = 2
    while position + 4 <= len(data) and data[position] == 0xFF:
        if data[position + 1] == 0xFF and (fill := _FILL.match(data, position)):  # ITU-T T.81, B.1.1.2
            position = fill.end() - 1
            continue
        marker, length = struct.unpack_from(">BH", data, position + 1)
        if marker == 0xDA:  # start of scan: the picture itself
            break
        if marker == 0xE1 and data.startswith(_EXIF, position + 4):
            return data[position + 10 : position + 2 + length]
        position += 2 if marker in _BARE_MARKERS else 2 + length
    return b""


def _raw_profile(data: bytes) -> bytes:
    """Return the EXIF that ImageMagick writes into a PNG: a text with its name, its length and itself as hex digits."""
    for kind in (b"zTXt", b"tEXt"):
        text = png_chunk(data, kind, _PROFILE).removeprefix(_PROFILE)
        with suppress(zlib.error, ValueError):
            if kind == b"zTXt":
                text = zlib.decompressobj().decompress(text[1:], _LONGEST_PROFILE)
            if len(lines := text.split(b"\n", 3)) == 4:
                return _without_name(bytes.fromhex(lines[3].decode("ascii")))
    return b""


def _webp_exif(data: bytes) -> bytes:
    """Return the EXIF chunk of the extended format (RFC 9649, section 2.7.1.5)."""
    if data[12:16] != b"VP8X" or not data[20] & 0x08:
        return b""
    position = 12
    while position + 8 <= len(data):
        kind, length = struct.unpack_from("<4sI", data, position)
        if kind == b"EXIF":
            return _without_name(data[position + 8 : position + 8 + length])
        position += 8 + length + (length & 1)
    return b""


def _without_name(exif: bytes) -> bytes:
    return exif[len(_EXIF) + 1 :] if exif.startswith(_EXIF) else exif
