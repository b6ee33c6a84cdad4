"""JPEGs whose headers are odd, with what libjpeg warns of put right, so that its other warnings mean damage.

Phones, cameras and converters write them; no pixel depends on what is changed here.
"""

from __future__ import annotations

from collections.abc import Iterator

_END = b"\xff\xd9"
_START_OF_SCAN = 0xDA
_SEQUENTIAL = frozenset({0xC0, 0xC1})
_BARE_MARKERS = frozenset({0x01, *range(0xD0, 0xD9)})
_ADOBE_TRANSFORMS = 2
_MOST_PADDING = 4096


def mended(data: bytes) -> bytes:
    """Return a JPEG with an end, a version of JFIF that is known, and parameters of a sequential scan (ITU-T T.81, B).

    A picture that lacks its end only is whole; one that was cut off is still found to be by whoever decodes it.
    """
    changed = bytearray(data)
    sequential = False
    for marker, start, length in _segments(data):
        if marker in _SEQUENTIAL:
            sequential = True
        elif marker == 0xE0 and data[start : start + 5] == b"JFIF\0" and length >= 7:
            changed[start + 5 : start + 7] = b"\x01\x02"
        elif marker == 0xEE and data[start : start + 5] == b"Adobe" and length >= 12:
            changed[start + 11] = min(changed[start + 11], _ADOBE_TRANSFORMS)
        elif marker == _START_OF_SCAN and sequential:
            _mend_scans(changed, start - 4)
    if not ends_as_jpeg(data):
        changed += _END
    return bytes(changed)


def _mend_scans(changed: bytearray, first: int) -> None:
    """Say of each scan that it holds all coefficients, as those of a sequential picture do whatever they say."""
    position = first
    while position >= 0:
        length = int.from_bytes(changed[position + 2 : position + 4], "big")
        if length >= 8 and position + 2 + length <= len(changed):
            changed[position + 2 + length - 3 : position + 2 + length] = b"\x00\x3f\x00"
        # Within the coded pixels these two bytes are nothing but a marker (B.1.1.5).
        position = changed.find(b"\xff\xda", position + 2)


def ends_as_jpeg(data: bytes) -> bool:
    """Return whether a JPEG has its end marker, behind which cameras may pad it."""
    return data.rfind(_END, max(0, len(data) - _MOST_PADDING)) >= 0


def _segments(data: bytes) -> Iterator[tuple[int, int, int]]:
    """Yield marker, start and length of what each segment up to the first scan holds."""
    position = 2
    while position + 4 <= len(data) and data[position] == 0xFF:
        marker = data[position + 1]
        if marker == 0xFF:
            position += 1
            continue
        if marker in _BARE_MARKERS:
            position += 2
            continue
        length = int.from_bytes(data[position + 2 : position + 4], "big")
        if length < 2:
            return
        yield marker, position + 4, length - 2
        if marker == _START_OF_SCAN:
            return
        position += 2 + length
