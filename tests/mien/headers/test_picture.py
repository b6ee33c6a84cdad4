from __future__ import annotations

import io
import struct
from typing import Any

import pytest
from PIL import Image

from mien.errors import PictureError
from mien.headers.picture import KINDS, HeaderTruncated, header_of, picture_kind


def encoded(kind: str, width: int = 321, height: int = 77, **options: Any) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (width, height), (10, 200, 30)).save(out, kind, **options)
    return out.getvalue()


def heic(width: int = 322, height: int = 78) -> bytes:
    pillow_heif = pytest.importorskip("pillow_heif")
    out = io.BytesIO()
    pillow_heif.from_pillow(Image.new("RGB", (width, height), (10, 200, 30))).save(out)
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
        ("GIF", {}),
        ("TIFF", {}),
        ("TIFF", {"compression": "tiff_lzw"}),
        ("TIFF", {"big_tiff": True}),
        ("AVIF", {}),
    ],
)
def test_size_and_kind_come_from_the_header(kind: str, options: dict[str, Any]) -> None:
    header = header_of(encoded(kind, **options))
    assert (header.kind, header.width, header.height) == (kind.lower(), 321, 77)
    assert header.kind in KINDS


def test_a_heic_picture_says_what_it_is() -> None:
    header = header_of(heic())
    assert (header.kind, header.width, header.height, header.format) == ("heif", 322, 78, "HEIC")


@pytest.mark.parametrize(("mode", "channels"), [("L", 1), ("RGB", 3), ("CMYK", 4)])
def test_a_jpeg_says_how_many_channels_it_has(mode: str, channels: int) -> None:
    out = io.BytesIO()
    Image.new(mode, (8, 8)).save(out, "JPEG")
    assert header_of(out.getvalue()).channels == channels


def test_a_big_endian_tiff_is_read() -> None:
    entries = struct.pack(">HHIHH", 256, 3, 1, 640, 0) + struct.pack(">HHII", 257, 4, 1, 480)
    header = header_of(b"MM\x00*" + struct.pack(">IH", 8, 2) + entries)
    assert (header.kind, header.width, header.height) == ("tiff", 640, 480)


@pytest.mark.parametrize("data", [b"", b"hello, I am a text", b"BM and more text", b"<svg/>"])
def test_what_is_no_picture_is_refused(data: bytes) -> None:
    with pytest.raises(PictureError, match="not a picture"):
        picture_kind(data)


@pytest.mark.parametrize(
    ("head", "words"),
    [
        (b"%PDF-1.7\n%abc def", "a PDF document"),
        (b"PK\x03\x04" + b"\0" * 12, "a zip archive"),
        (b"\0\0\0\x18ftypisom\0\0\x02\0isomiso2", "a video"),
        (b"\0\0\0\x0cjP  \r\n\x87\n", "JPEG 2000"),
        (b"<html><body>404", "markup"),
        (b"", "is empty"),
    ],
)
def test_a_reason_names_what_the_file_is_instead(head: bytes, words: str) -> None:
    with pytest.raises(PictureError, match=words):
        picture_kind(head)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "BMP", "TIFF", "AVIF"])
def test_a_header_that_is_cut_off_says_so(kind: str) -> None:
    with pytest.raises(HeaderTruncated):
        header_of(encoded(kind)[: 40 if kind == "AVIF" else 20])


@pytest.mark.parametrize("kind", ["AVIF", "HEIC", "TIFF", "JPEG"])
def test_no_damage_of_a_header_is_anything_but_a_reason(kind: str) -> None:
    data = heic() if kind == "HEIC" else encoded(kind)
    reasons = []
    for at in range(min(len(data), 400)):
        for value in (0, 0xFF):
            damaged = bytearray(data)
            damaged[at] = value
            try:
                header_of(bytes(damaged))
            except PictureError as error:
                reasons.append(str(error))
    assert len(reasons) > 10
    assert all(reasons)


def test_a_huge_declared_size_is_read_without_decoding() -> None:
    data = bytearray(encoded("PNG"))
    data[16:24] = struct.pack(">II", 30000, 30000)
    assert header_of(bytes(data)).width == 30000
    large = bytearray(heic())
    at = large.index(b"ispe") + 8
    large[at : at + 8] = struct.pack(">II", 30000, 30000)
    assert header_of(bytes(large)).height == 30000


def test_a_damaged_jpeg_header_is_refused() -> None:
    with pytest.raises(PictureError):
        header_of(b"\xff\xd8\xff\xe0\x00\x04ab" + b"\x00" * 40)
