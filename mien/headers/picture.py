"""What kind of picture some bytes are and how large it says it is, read from its header: nothing is decoded.

The dashboard checks uploads by it, and the decoder checks every picture by it before it asks for memory.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from mien.errors import PictureError

KINDS = {
    "jpeg": ".jpg",
    "png": ".png",
    "webp": ".webp",
    "bmp": ".bmp",
    "tiff": ".tif",
    "gif": ".gif",
    "heif": ".heic",
    "avif": ".avif",
}
"""The kinds that are accepted, and the ending under which a file of that kind is stored."""

NAMES = {
    "jpeg": "JPEG",
    "png": "PNG",
    "webp": "WebP",
    "bmp": "BMP",
    "tiff": "TIFF",
    "gif": "GIF",
    "heif": "HEIC",
    "avif": "AVIF",
}
"""How people call the kinds."""

MAGIC_BYTES = 16
# JPEG: SOF0 to SOF15 without DHT (C4), JPG (C8) and DAC (CC); ITU-T T.81, table B.1.
_FRAME_MARKERS = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_BARE_MARKERS = frozenset({0x01, *range(0xD0, 0xD9)})
_TIFF_WIDTH, _TIFF_HEIGHT = 256, 257
_SEGMENTS = 4096
# ISO/IEC 23008-12, annex B: brands of still pictures and of sequences.
_HEIF_BRANDS = frozenset({b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1", b"mif2", b"mif3"})
_AVIF_BRANDS = frozenset({b"avif", b"avis"})
_LONGEST_META = 8 << 20
# The EXIF orientation that turning by `irot` (quarters, counter-clockwise) and then mirroring by `imir` (0 swaps top
# and bottom, 1 left and right; -1 nothing) amounts to.
_TURNS = {
    (0, -1): 1,
    (0, 1): 2,
    (2, -1): 3,
    (0, 0): 4,
    (2, 1): 4,
    (2, 0): 2,
    (1, 0): 5,
    (3, 1): 5,
    (3, -1): 6,
    (1, 1): 7,
    (3, 0): 7,
    (1, -1): 8,
}


class HeaderTruncated(PictureError):
    """The bytes end before the size of the picture is known."""


@dataclass(frozen=True, slots=True)
class PictureHeader:
    """Kind (a key of `KINDS`) and declared size in pixels as stored, before any turn.

    `channels` is known for JPEG only, where 4 means CMYK; `orientation`, as EXIF counts, for AVIF only.
    """

    kind: str
    width: int
    height: int
    channels: int = 0
    orientation: int = 1

    @property
    def format(self) -> str:
        """How people call the kind."""
        return NAMES[self.kind]


def picture_kind(head: bytes) -> str:
    """Return the kind that the first bytes of a file show, 16 or more; raises PictureError on anything else."""
    if head.startswith(b"\xff\xd8\xff"):
        return "jpeg"
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return "png"
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "webp"
    if head.startswith((b"II*\x00", b"MM\x00*", b"II+\x00", b"MM\x00+")):
        return "tiff"
    if head.startswith((b"GIF87a", b"GIF89a")):
        return "gif"
    # Two letters are a weak sign: a BMP also has four reserved bytes of zero (MS docs, BITMAPFILEHEADER).
    if head.startswith(b"BM") and head[6:10] == b"\x00\x00\x00\x00":
        return "bmp"
    if head[4:8] == b"ftyp":
        brands = _brands(head)
        if brands & _AVIF_BRANDS:
            return "avif"
        if brands & _HEIF_BRANDS:
            return "heif"
    raise PictureError(f"not a picture: {_what_else(head)}, wanted is {', '.join(NAMES.values())}")


def read_header(file: BinaryIO) -> PictureHeader:
    """Return kind and size of the picture in `file`, which must be seekable and is read from its start.

    Raises PictureError on what is not a picture, HeaderTruncated when it ends before its size is told.
    """
    file.seek(0)
    kind = picture_kind(file.read(256))
    file.seek(0)
    header = _READERS[kind](file)
    if header.width <= 0 or header.height <= 0:
        raise PictureError(f"the {header.format} picture says it is {header.width}×{header.height} pixels large")
    return header


def header_of(data: bytes) -> PictureHeader:
    """Return `read_header` of a picture in memory."""
    return read_header(io.BytesIO(data))


def _what_else(head: bytes) -> str:
    """Say what a file is that is no picture."""
    if not head:
        return "the file is empty"
    known = {
        b"%PDF": "a PDF document",
        b"PK\x03\x04": "a zip archive or an office document",
        b"\x1f\x8b": "a compressed file",
        b"\x00\x00\x00\x0cjP  ": "a JPEG 2000 picture",
        b"\xff\x0a": "a JPEG XL picture",
        b"8BPS": "a Photoshop document",
    }
    for magic, what in known.items():
        if head.startswith(magic):
            return f"the file is {what}"
    if head[4:8] == b"ftyp":
        return "the file is a video"
    if head.lstrip()[:5].lower() in (b"<svg ", b"<?xml", b"<html", b"<!doc"):
        return "the file is a text of markup"
    return f"the file starts with {head[:8]!r}"


def _take(file: BinaryIO, size: int) -> bytes:
    piece = file.read(size)
    if len(piece) < size:
        raise HeaderTruncated("the picture is truncated within its header: fetch it again")
    return piece


def _jpeg(file: BinaryIO) -> PictureHeader:
    _take(file, 2)
    for _ in range(_SEGMENTS):
        lead, marker = _take(file, 2)
        if lead != 0xFF:
            raise PictureError("the JPEG picture is damaged in its header: fetch it again")
        while marker == 0xFF:  # fill bytes
            marker = _take(file, 1)[0]
        if marker in _BARE_MARKERS:
            continue
        (length,) = struct.unpack(">H", _take(file, 2))
        if marker in _FRAME_MARKERS:
            _, height, width, channels = struct.unpack(">BHHB", _take(file, 6))
            return PictureHeader("jpeg", width, height, channels)
        if marker in (0xD9, 0xDA) or length < 2:
            raise PictureError("the JPEG picture is damaged: it does not say how large it is")
        file.seek(length - 2, io.SEEK_CUR)
    raise PictureError("the JPEG picture's header has too many segments")


def _png(file: BinaryIO) -> PictureHeader:
    head = _take(file, 24)
    if head[12:16] != b"IHDR":
        raise PictureError("the PNG picture is damaged in its header: fetch it again")
    return PictureHeader("png", *struct.unpack(">II", head[16:24]))


def _webp(file: BinaryIO) -> PictureHeader:
    """Read the first chunk (RFC 9649, sections 2.5 to 2.7)."""
    head = _take(file, 30)
    chunk, body = head[12:16], head[20:]
    if chunk == b"VP8X":
        return PictureHeader("webp", *(1 + int.from_bytes(body[at : at + 3], "little") for at in (4, 7)))
    if chunk == b"VP8L" and body[0] == 0x2F:
        bits = int.from_bytes(body[1:5], "little")
        return PictureHeader("webp", 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF))
    if chunk == b"VP8 " and body[3:6] == b"\x9d\x01\x2a":
        return PictureHeader("webp", *(side & 0x3FFF for side in struct.unpack("<HH", body[6:10])))
    raise PictureError("the WebP picture is damaged in its header: fetch it again")


def _bmp(file: BinaryIO) -> PictureHeader:
    head = _take(file, 26)
    (size,) = struct.unpack("<I", head[14:18])
    if size == 12:
        width, height = struct.unpack("<HH", head[18:22])
    elif size >= 40:
        width, height = struct.unpack("<ii", head[18:26])
    else:
        raise PictureError("the BMP picture is damaged in its header: fetch it again")
    return PictureHeader("bmp", width, abs(height))


def _gif(file: BinaryIO) -> PictureHeader:
    """Read the logical screen (GIF89a, section 18)."""
    return PictureHeader("gif", *struct.unpack("<HH", _take(file, 10)[6:]))


def _tiff(file: BinaryIO) -> PictureHeader:
    """Read the first directory (TIFF 6.0, section 2; BigTIFF has the same with wider fields)."""
    start = _take(file, 8)
    order = "<" if start.startswith(b"II") else ">"
    big = struct.unpack_from(f"{order}H", start, 2)[0] == 43
    (offset,) = struct.unpack(f"{order}Q", _take(file, 8)) if big else struct.unpack_from(f"{order}I", start, 4)
    if offset >= 1 << 63:
        raise PictureError("the TIFF picture is damaged in its header: fetch it again")
    file.seek(offset)
    (entries,) = struct.unpack(f"{order}{'Q' if big else 'H'}", _take(file, 8 if big else 2))
    sizes: dict[int, int] = {}
    for _ in range(min(entries, _SEGMENTS)):
        entry = _take(file, 20 if big else 12)
        tag, kind = struct.unpack_from(f"{order}HH", entry)
        if tag in (_TIFF_WIDTH, _TIFF_HEIGHT):  # SHORT, LONG or LONG8
            letter = {3: "H", 4: "I", 16: "Q" if big else "I"}.get(kind, "I")
            (sizes[tag],) = struct.unpack_from(f"{order}{letter}", entry, 12 if big else 8)
    if len(sizes) < 2:
        raise PictureError("the TIFF picture is damaged: it does not say how large it is")
    return PictureHeader("tiff", sizes[_TIFF_WIDTH], sizes[_TIFF_HEIGHT])


def _heif(file: BinaryIO) -> PictureHeader:
    """Read the properties of the primary item (ISO/IEC 23008-12, sections 6.5 and 9.3; ISO/IEC 14496-12, 8.11)."""
    kind = picture_kind(file.read(256))
    file.seek(0)
    meta = _meta(file)[4:]
    boxes = dict(_boxes(meta))
    properties = dict(_boxes(boxes.get(b"iprp", b"")))
    known = list(_boxes(properties.get(b"ipco", b"")))
    primary = boxes.get(b"pitm", b"")
    try:
        item = struct.unpack_from(">H" if primary[0] == 0 else ">I", primary, 4)[0]
        mine = [
            known[index - 1] for index in _associations(properties.get(b"ipma", b""), item) if 0 < index <= len(known)
        ]
        width, height = next(struct.unpack_from(">II", body, 4) for name, body in mine if name == b"ispe")
        turn = next((body[0] & 3 for name, body in mine if name == b"irot"), 0)
        mirror = next((body[0] & 1 for name, body in mine if name == b"imir"), -1)
    except (struct.error, IndexError, StopIteration) as error:
        raise PictureError(f"the {NAMES[kind]} picture is damaged: it does not say how large it is") from error
    # A grid's tiles are smaller than itself; whatever is larger than it says would be decoded, too.
    sizes = [struct.unpack_from(">II", body, 4) for name, body in known if name == b"ispe" and len(body) >= 12]
    largest = max(sizes, key=lambda size: size[0] * size[1])
    if largest[0] * largest[1] > width * height:
        width, height = largest
    return PictureHeader(kind, width, height, orientation=_TURNS[turn, mirror] if kind == "avif" else 1)


def _meta(file: BinaryIO) -> bytes:
    for _ in range(_SEGMENTS):
        size, name = struct.unpack(">I4s", _take(file, 8))
        head = 8
        if size == 1:
            (size,) = struct.unpack(">Q", _take(file, 8))
            head = 16
        if name == b"meta":
            if not head + 4 <= size <= _LONGEST_META:
                raise PictureError(f"the picture is damaged: a header of {size} bytes")
            return _take(file, size - head)
        if not head <= size < 1 << 62:
            break
        file.seek(size - head, io.SEEK_CUR)
    raise PictureError("the picture is damaged: it does not say how large it is")


def _boxes(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield the name and the body of each box that is whole."""
    position = 0
    while position + 8 <= len(data):
        size, name = struct.unpack_from(">I4s", data, position)
        if size < 8 or position + size > len(data):
            return
        yield name, data[position + 8 : position + size]
        position += size


def _associations(ipma: bytes, item: int) -> list[int]:
    """Return the numbers of an item's properties, from 1."""
    version, wide = ipma[0], ipma[3] & 1
    (count,) = struct.unpack_from(">I", ipma, 4)
    position = 8
    for _ in range(count):
        (which,) = struct.unpack_from(">H" if version < 1 else ">I", ipma, position)
        position += 2 if version < 1 else 4
        many = ipma[position]
        position += 1
        step = 2 if wide else 1
        body = ipma[position : position + many * step]
        position += many * step
        if which == item:
            return [
                int.from_bytes(body[at : at + step], "big") & (0x7FFF if wide else 0x7F)
                for at in range(0, len(body), step)
            ]
    return []


def _brands(head: bytes) -> set[bytes]:
    size = min(int.from_bytes(head[:4], "big"), len(head))
    return {head[8:12], *(head[at : at + 4] for at in range(16, size - 3, 4))}


_READERS = {
    "jpeg": _jpeg, "png": _png, "webp": _webp, "bmp": _bmp, "tiff": _tiff, "gif": _gif, "heif": _heif, "avif": _heif,
}  # fmt: skip
