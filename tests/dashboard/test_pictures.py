from __future__ import annotations

import io
import struct
from typing import Any

import pytest
from PIL import Image

from dashboard.pictures import HeaderTruncated, header_of, picture_kind
from mien.errors import PictureError


def encoded(kind: str, width: int = 321, height: int = 77, **options: Any) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (width, height), (10, 200, 30)).save(out, kind, **options)
    return out.getvalue()


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("JPEG", {}),
        ("JPEG", {"progressive": True}),
        ("JPEG", {"exif": b"Exif\x00\x00" + b"\x00" * 30000, "icc_profile": b"\x01" * 120000}),
        ("PNG", {}),
        ("WEBP", {}),
        ("WEBP", {"lossless": True}),
        ("WEBP", {"exif": b"Exif\x00\x00MM"}),
        ("BMP", {}),
        ("TIFF", {}),
        ("TIFF", {"compression": "tiff_lzw"}),
    ],
)
def test_size_and_kind_come_from_the_header(kind: str, options: dict[str, Any]) -> None:
    header = header_of(encoded(kind, **options))
    assert (header.kind, header.width, header.height) == (kind.lower(), 321, 77)


def test_a_big_endian_tiff_is_read() -> None:
    entries = struct.pack(">HHIHH", 256, 3, 1, 640, 0) + struct.pack(">HHII", 257, 4, 1, 480)
    header = header_of(b"MM\x00*" + struct.pack(">IH", 8, 2) + entries)
    assert (header.kind, header.width, header.height) == ("tiff", 640, 480)


@pytest.mark.parametrize("data", [b"", b"GIF89a" + b"\x00" * 20, b"hello, I am a text", b"BM and more text", b"<svg/>"])
def test_what_is_no_picture_is_refused(data: bytes) -> None:
    with pytest.raises(PictureError):
        picture_kind(data)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "BMP", "TIFF"])
def test_a_header_that_is_cut_off_says_so(kind: str) -> None:
    with pytest.raises(HeaderTruncated):
        header_of(encoded(kind)[:20])


def test_a_huge_declared_size_is_read_without_decoding() -> None:
    data = bytearray(encoded("PNG"))
    data[16:24] = struct.pack(">II", 30000, 30000)
    assert header_of(bytes(data)).width == 30000


def test_a_damaged_jpeg_header_is_refused() -> None:
    with pytest.raises(PictureError):
        header_of(b"\xff\xd8\xff\xe0\x00\x04ab" + b"\x00" * 40)
