"""What kind of picture some bytes are and how large it says it is, read from its header: nothing is decoded."""

from __future__ import annotations

import io
import struct
from dataclasses import dataclass
from typing import BinaryIO

from mien.errors import PictureError

KINDS = {"jpeg": ".jpg", "png": ".png", "webp": ".webp", "bmp": ".bmp", "tiff": ".tif"}
"""The kinds that are accepted, and the ending under which a file of that kind is stored."""

MAGIC_BYTES = 16
# JPEG: SOF0 to SOF15 without DHT (C4), JPG (C8) and DAC (CC); ITU-T T.81, table B.1.
_FRAME_MARKERS = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_BARE_MARKERS = frozenset({0x01, *range(0xD0, 0xD9)})
_TIFF_WIDTH, _TIFF_HEIGHT = 256, 257
_SEGMENTS = 4096


class HeaderTruncated(PictureError):
    """The bytes end before the size of the picture is known."""


@dataclass(frozen=True, slots=True)
class PictureHeader:
    """Kind (a key of `KINDS`) and declared size in pixels."""

    kind: str
    width: int
    height: int


def picture_kind(head: bytes) -> str:
    """Return the kind that the first 16 bytes of a file show; raises PictureError on anything else."""
    if head.startswith(b"\xff\xd8\xff"):
        return "jpeg"
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return "png"
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "webp"
    if head.startswith((b"II*\x00", b"MM\x00*")):
        return "tiff"
    # Two letters are a weak sign: a BMP also has four reserved bytes of zero (MS docs, BITMAPFILEHEADER).
    if head.startswith(b"BM") and head[6:10] == b"\x00\x00\x00\x00":
        return "bmp"
    raise PictureError("this is not a JPEG, PNG, WebP, BMP or TIFF picture")


def read_header(file: BinaryIO) -> PictureHeader:
    """Return kind and size of the picture in `file`, which must be seekable and is read from its start.

    Raises PictureError on what is not a picture, HeaderTruncated when it ends before its size is told.
    """
    file.seek(0)
    head = file.read(MAGIC_BYTES)
    kind = picture_kind(head)
    file.seek(0)
    width, height = _READERS[kind](file)
    if width <= 0 or height <= 0:
        raise PictureError(f"the {kind} picture says it is {width}×{height} pixels large")
    return PictureHeader(kind, width, height)


def header_of(data: bytes) -> PictureHeader:
    """Return `read_header` of a picture in memory."""
    return read_header(io.BytesIO(data))


def _take(file: BinaryIO, size: int) -> bytes:
    piece = file.read(size)
    if len(piece) < size:
        raise HeaderTruncated("the picture is cut off within its header")
    return piece


def _jpeg_size(file: BinaryIO) -> tuple[int, int]:
    _take(file, 2)
    for _ in range(_SEGMENTS):
        lead, marker = _take(file, 2)
        if lead != 0xFF:
            raise PictureError("the JPEG's header is damaged")
        while marker == 0xFF:  # fill bytes
            marker = _take(file, 1)[0]
        if marker in _BARE_MARKERS:
            continue
        (length,) = struct.unpack(">H", _take(file, 2))
        if marker in _FRAME_MARKERS:
            _, height, width = struct.unpack(">BHH", _take(file, 5))
            return width, height
        if marker in (0xD9, 0xDA) or length < 2:
            raise PictureError("the JPEG does not say how large it is")
        file.seek(length - 2, io.SEEK_CUR)
    raise PictureError("the JPEG's header has too many segments")


def _png_size(file: BinaryIO) -> tuple[int, int]:
    head = _take(file, 24)
    if head[12:16] != b"IHDR":
        raise PictureError("the PNG's header is damaged")
    width, height = struct.unpack(">II", head[16:24])
    return width, height


def _webp_size(file: BinaryIO) -> tuple[int, int]:
    head = _take(file, 30)
    chunk, body = head[12:16], head[20:]
    if chunk == b"VP8X":
        return 1 + int.from_bytes(body[4:7], "little"), 1 + int.from_bytes(body[7:10], "little")
    if chunk == b"VP8L" and body[0] == 0x2F:
        bits = int.from_bytes(body[1:5], "little")
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    if chunk == b"VP8 " and body[3:6] == b"\x9d\x01\x2a":
        width, height = struct.unpack("<HH", body[6:10])
        return width & 0x3FFF, height & 0x3FFF
    raise PictureError("the WebP's header is damaged")


def _bmp_size(file: BinaryIO) -> tuple[int, int]:
    head = _take(file, 26)
    (size,) = struct.unpack("<I", head[14:18])
    if size == 12:
        width, height = struct.unpack("<HH", head[18:22])
    elif size >= 40:
        width, height = struct.unpack("<ii", head[18:26])
    else:
        raise PictureError("the BMP's header is damaged")
    return width, abs(height)


def _tiff_size(file: BinaryIO) -> tuple[int, int]:
    order = "<" if _take(file, 4).startswith(b"II") else ">"
    (offset,) = struct.unpack(f"{order}I", _take(file, 4))
    file.seek(offset)
    (entries,) = struct.unpack(f"{order}H", _take(file, 2))
    sizes: dict[int, int] = {}
    for _ in range(min(entries, _SEGMENTS)):
        entry = _take(file, 12)
        tag, kind = struct.unpack(f"{order}HH", entry[:4])
        if tag in (_TIFF_WIDTH, _TIFF_HEIGHT):  # SHORT or LONG (TIFF 6.0, section 8)
            sizes[tag] = struct.unpack(f"{order}H", entry[8:10])[0] if kind == 3 else struct.unpack(
                f"{order}I", entry[8:12])[0]  # fmt: skip
    if len(sizes) < 2:
        raise PictureError("the TIFF does not say how large it is")
    return sizes[_TIFF_WIDTH], sizes[_TIFF_HEIGHT]


_READERS = {"jpeg": _jpeg_size, "png": _png_size, "webp": _webp_size, "bmp": _bmp_size, "tiff": _tiff_size}
