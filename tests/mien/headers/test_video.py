from __future__ import annotations

import io
import struct
from pathlib import Path

import numpy as np
import pytest

from mien.errors import PictureError
from mien.headers.video import read_video_header, video_kind
from tests.dashboard.results import mp4, sound_only, video


def encoded(container: str, codec: str) -> bytes:
    return video(0.2, 96, 64, container, codec)


@pytest.mark.parametrize(
    ("container", "codec", "kind"),
    [("mp4", "mpeg4", "mp4"), ("mov", "mpeg4", "mp4"), ("matroska", "mpeg4", "matroska"),
     ("webm", "libvpx", "matroska"), ("avi", "mpeg4", "avi")],
)  # fmt: skip
def test_kind_and_size_are_read_from_the_header(container: str, codec: str, kind: str) -> None:
    data = encoded(container, codec)
    header = read_video_header(io.BytesIO(data))
    assert (header.kind, header.width, header.height) == (kind, 96, 64)


def test_the_size_stands_at_the_end_of_an_mp4_that_was_not_made_for_the_web() -> None:
    data = mp4(1.0, 64, 48)
    assert data.index(b"moov") > data.index(b"mdat")
    assert read_video_header(io.BytesIO(data)).width == 64
    with pytest.raises(PictureError, match="cut off"):
        read_video_header(io.BytesIO(data[: len(data) // 2]))


@pytest.mark.parametrize("container", ["mp4", "mov"])
def test_a_track_has_the_size_that_is_stored_and_not_the_one_that_is_shown(container: str) -> None:
    data = bytearray(encoded(container, "mpeg4"))
    shown = data.index(b"tkhd") + 4 + 76
    data[shown : shown + 8] = struct.pack(">HHHH", 30000, 0, 30000, 0)
    header = read_video_header(io.BytesIO(data))
    assert (header.width, header.height) == (96, 64)
    stored = data.index(b"stsd") + 4 + 40
    data[stored : stored + 4] = struct.pack(">HH", 30000, 20000)
    data[shown : shown + 8] = struct.pack(">HHHH", 96, 0, 64, 0)
    header = read_video_header(io.BytesIO(data))
    assert (header.width, header.height) == (30000, 20000)


def test_a_file_with_sound_only_has_no_video_track() -> None:
    with pytest.raises(PictureError, match="no video track"):
        read_video_header(io.BytesIO(sound_only()))


@pytest.mark.parametrize(
    "head",
    [
        b"",
        b"\xff\xd8\xff\xe0" + bytes(20),
        b"%PDF-1.4 and more text",
        bytes(4) + b"ftypheic" + bytes(8),
        b"RIFF0000WAVE",
    ],
)
def test_anything_else_is_no_video(head: bytes) -> None:
    with pytest.raises(PictureError, match="not an MP4"):
        video_kind(head)


def test_no_damage_raises_anything_else_or_takes_long(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    for data in (mp4(0.4), encoded("matroska", "mpeg4"), encoded("avi", "mpeg4")):
        for _ in range(150):
            damaged = bytearray(data[: rng.integers(8, len(data))])
            for _ in range(rng.integers(1, 12)):
                damaged[rng.integers(0, min(len(damaged), 600))] = rng.integers(0, 256)
            try:
                read_video_header(io.BytesIO(bytes(damaged)))
            except PictureError:
                continue


def test_boxes_that_claim_to_be_huge_are_left_alone() -> None:
    huge = struct.pack(">I4sQ", 1, b"ftyp", 1 << 62) + bytes(100)
    with pytest.raises(PictureError):
        read_video_header(io.BytesIO(huge))
