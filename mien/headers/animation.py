"""How many pictures a GIF, WebP, PNG or AVIF holds, counted from its blocks: nothing is decoded.

Pillow counts the same, but opens a decoder for it: 35 to 55 ms for a still picture of 12 megapixels, here 0.2 ms at
most (25 ms for a GIF, whose blocks are short; Pillow 40 ms).
"""

from __future__ import annotations

import io
import struct
from contextlib import suppress

from mien.headers.boxes import within
from mien.headers.picture import PictureHeader


def pictures_in(data: bytes, header: PictureHeader) -> int:
    """Return how many pictures follow one another in a whole file; 1 for a kind that has no animations.

    A damaged file counts as far as it can be followed.
    """
    if header.kind == "gif":
        return _gif(data)
    if header.kind == "webp":
        return _webp(data)
    if header.kind == "png":
        return _png(data)
    if header.kind == "avif":
        return _avif(data)
    return 1


def _gif(data: bytes) -> int:
    """Count image descriptors (GIF89a, appendix A: the grammar)."""
    position = 13 + _table_bytes(data[10])
    count = 0
    while position < len(data):
        mark = data[position]
        if mark == 0x21:  # an extension: its label, then sub-blocks
            position = _behind_blocks(data, position + 2)
        elif mark == 0x2C and position + 10 <= len(data):
            count += 1
            position = _behind_blocks(data, position + 10 + _table_bytes(data[position + 9]) + 1)
        else:  # the trailer, or damage
            break
    return count


def _behind_blocks(data: bytes, position: int) -> int:
    while position < len(data) and data[position]:
        position += 1 + data[position]
    return position + 1


def _table_bytes(flags: int) -> int:
    return 3 << ((flags & 7) + 1) if flags & 0x80 else 0


def _webp(data: bytes) -> int:
    """Count the frames of the extended format (RFC 9649, section 2.7.1.1)."""
    if data[12:16] != b"VP8X" or not data[20] & 0x02:
        return 1
    position, count = 12, 0
    while position + 8 <= len(data):
        kind, length = struct.unpack_from("<4sI", data, position)
        count += kind == b"ANMF"
        position += 8 + length + (length & 1)
    return count


def _png(data: bytes) -> int:
    """Read the animation control chunk (PNG specification, third edition, section 11.3.5)."""
    position = 8
    while position + 20 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, position)
        if kind == b"acTL":
            return int(struct.unpack_from(">I", data, position + 8)[0])
        if kind == b"IDAT":
            break
        position += 12 + length
    return 1


def _avif(data: bytes) -> int:
    """Return the samples of the longest track (ISO/IEC 14496-12, 8.7.3); a still picture has no tracks."""
    file, counts = io.BytesIO(data), [1]
    with suppress(struct.error):
        for _ in within(file, len(data), b"moov", b"trak", b"mdia", b"minf", b"stbl", b"stsz"):
            file.seek(8, io.SEEK_CUR)
            counts += struct.unpack(">I", file.read(4))
    return max(counts)
