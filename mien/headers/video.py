"""What kind of video some bytes are and how large its pictures are, read from its header: nothing is decoded."""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from mien.errors import PictureError
from mien.headers.boxes import boxes, within

KINDS = {"mp4": ".mp4", "matroska": ".mkv", "avi": ".avi"}
"""The kinds that are accepted (MOV and 3GP count as MP4, WebM as Matroska), and the ending of a stored file."""

MAGIC_BYTES = 16
_BOXES = (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip")
# Still pictures in the same container (ISO/IEC 23008-12, HEIF; AVIF specification).
_STILL_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1", b"avif", b"avis")
_MOST_PARTS = 4096
_UNKNOWN_SIZE = -1
# Matroska element ids (RFC 9559).
_SEGMENT, _CLUSTER, _TRACKS, _TRACK, _VIDEO = 0x18538067, 0x1F43B675, 0x1654AE6B, 0xAE, 0xE0
_WIDTH, _HEIGHT = 0xB0, 0xBA


@dataclass(frozen=True, slots=True)
class VideoHeader:
    """Kind (a key of `KINDS`) and declared size of its pictures in pixels."""

    kind: str
    width: int
    height: int


def video_kind(head: bytes) -> str:
    """Return the kind that the first 16 bytes of a file show; raises PictureError on anything else."""
    if head[4:8] in _BOXES and not (head[4:8] == b"ftyp" and head[8:12] in _STILL_BRANDS):
        return "mp4"
    if head.startswith(b"\x1a\x45\xdf\xa3"):
        return "matroska"
    if head[:4] == b"RIFF" and head[8:12] == b"AVI ":
        return "avi"
    raise PictureError("this is not an MP4, MOV, WebM, MKV or AVI video")


def read_video_header(file: BinaryIO) -> VideoHeader:
    """Return kind and size of the video in `file`, which must be seekable and is read from its start.

    Raises PictureError on what is not a video, has no video track, or ends before its size is told.
    """
    file.seek(0)
    kind = video_kind(file.read(MAGIC_BYTES))
    end = file.seek(0, io.SEEK_END)
    file.seek(0)
    try:
        width, height = _READERS[kind](file, end)
    except struct.error:
        raise PictureError("the video is cut off within its header") from None
    if width <= 0 or height <= 0:
        raise PictureError("the file has no video track, or is cut off before it says how large its pictures are")
    return VideoHeader(kind, width, height)


def _mp4_size(file: BinaryIO, end: int) -> tuple[int, int]:
    """Return the size of the largest video track, as its pictures are stored.

    Not as they are shown, which the track's own header says: decoding takes the stored ones.
    """
    sizes = [(0, 0)]
    for media in within(file, end, b"moov", b"trak", b"mdia"):
        start = file.tell()
        if _is_video(file, media):
            file.seek(start)
            sizes += _stored_sizes(file, media)
    return max(sizes, key=lambda size: size[0] * size[1])


def _is_video(file: BinaryIO, media: int) -> bool:
    """Read the handler of a track (ISO/IEC 14496-12, 8.4.3)."""
    for _ in boxes(file, media, b"hdlr"):
        file.seek(8, io.SEEK_CUR)
        return file.read(4) == b"vide"
    return False


def _stored_sizes(file: BinaryIO, media: int) -> Iterator[tuple[int, int]]:
    """Yield the size in each sample description of a video track (ISO/IEC 14496-12, 12.1.3)."""
    for descriptions in within(file, media, b"minf", b"stbl", b"stsd"):
        file.seek(8, io.SEEK_CUR)
        for _ in boxes(file, descriptions):
            file.seek(24, io.SEEK_CUR)
            width, height = struct.unpack(">HH", file.read(4))
            yield width, height


def _matroska_size(file: BinaryIO, end: int) -> tuple[int, int]:
    """Return the size of the first video track."""
    numbers = {_WIDTH: 0, _HEIGHT: 0}
    for _ in range(_MOST_PARTS):
        if file.tell() + 2 > end or all(numbers.values()):
            break
        element = _element_id(file)
        size = _element_size(file)
        if element in (_SEGMENT, _TRACKS, _TRACK, _VIDEO):
            continue  # what is in them comes next
        if element == _CLUSTER or size == _UNKNOWN_SIZE:
            break
        if element in numbers and size <= 8:
            numbers[element] = int.from_bytes(file.read(size), "big")
        else:
            file.seek(size, io.SEEK_CUR)
    return numbers[_WIDTH], numbers[_HEIGHT]


def _element_id(file: BinaryIO) -> int:
    """Return an element's id: 1 to 4 bytes, as many as the first byte has leading zeros, plus one."""
    (first,) = struct.unpack(">B", file.read(1))
    more = 8 - first.bit_length()
    if more > 3:
        raise PictureError("the video's header is damaged")
    return int.from_bytes(bytes([first]) + file.read(more), "big")


def _element_size(file: BinaryIO) -> int:
    """Return an element's size: 1 to 8 bytes, the marker bit taken off; all ones is an unknown size."""
    (first,) = struct.unpack(">B", file.read(1))
    more = 8 - first.bit_length()
    if more > 7:
        raise PictureError("the video's header is damaged")
    bits = 7 * (more + 1)
    value = int.from_bytes(bytes([first]) + file.read(more), "big") & ((1 << bits) - 1)
    return _UNKNOWN_SIZE if value == (1 << bits) - 1 else value


def _avi_size(file: BinaryIO, _end: int) -> tuple[int, int]:
    """Return width and height of the main header, which is the first thing in the file (AVIMAINHEADER)."""
    head = file.read(72)
    if head[12:16] != b"LIST" or head[20:28] != b"hdrlavih":
        raise PictureError("the AVI's header is damaged")
    width, height = struct.unpack("<II", head[64:72])
    return width, height


_READERS = {"mp4": _mp4_size, "matroska": _matroska_size, "avi": _avi_size}
