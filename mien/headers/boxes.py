"""The boxes of MP4, MOV and AVIF files (ISO/IEC 14496-12, 4.2): passed over by their sizes, never read."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import BinaryIO

_MOST_BOXES = 4096


def within(file: BinaryIO, end: int, *path: bytes) -> Iterator[int]:
    """Yield what `boxes` yields for boxes within boxes."""
    for inner in boxes(file, end, path[0]):
        if len(path) == 1:
            yield inner
        else:
            yield from within(file, inner, *path[1:])


def boxes(file: BinaryIO, end: int, wanted: bytes | None = None) -> Iterator[int]:
    """Yield the end of each box of a kind from the file's place on; the place is then the start of its content.

    Without a kind, of every box.
    """
    place = file.tell()
    for _ in range(_MOST_BOXES):
        if place + 8 > end:
            return
        file.seek(place)
        size, kind = struct.unpack(">I4s", file.read(8))
        least = 8
        if size == 1:
            (size,) = struct.unpack(">Q", file.read(8))
            least = 16
        elif size == 0:
            size = end - place
        if size < least or place + size > end:
            return
        if wanted in (kind, None):
            yield place + size
        place += size
