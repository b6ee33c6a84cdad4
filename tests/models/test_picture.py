"""Bytes become pixels by one strict policy, and what is no picture says so in one line."""

from __future__ import annotations

import struct
from pathlib import Path

import cv2
import numpy as np
import pytest

from mien.errors import PictureError
from models.picture import MAX_PIXELS, Picture, decode, encode_jpeg, read_header
from tests.media import astronaut, demo_media


def _encoded(rgb: Picture, suffix: str) -> bytes:
    return bytes(cv2.imencode(suffix, rgb[:, :, ::-1])[1].tobytes())


def _with_orientation(jpeg: bytes, orientation: int) -> bytes:
    entry = struct.pack(">HHIHH", 0x0112, 3, 1, orientation, 0)
    tiff = b"MM\0*" + struct.pack(">IH", 8, 1) + entry + struct.pack(">I", 0)
    exif = b"Exif\0\0" + tiff
    return jpeg[:2] + b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif + jpeg[2:]


def _declaring(jpeg: bytes, width: int, height: int) -> bytes:
    start = jpeg.index(b"\xff\xc0")
    return jpeg[: start + 5] + struct.pack(">HH", height, width) + jpeg[start + 9 :]


def test_a_jpeg_of_a_real_face_comes_back_as_it_was() -> None:
    rgb = astronaut()
    assert np.abs(decode(encode_jpeg(rgb, 95)).astype(int) - rgb).mean() < 3


@pytest.mark.parametrize("suffix", [".png", ".bmp", ".tif"])
def test_lossless_formats_come_back_exactly_as_rgb(suffix: str) -> None:
    assert np.array_equal(decode(_encoded(astronaut(), suffix)), astronaut())


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".bmp", ".gif", ".tif"])
def test_the_size_is_read_from_the_header(suffix: str) -> None:
    header = read_header(_encoded(astronaut()[:300, :400], suffix))
    assert (header.width, header.height) == (400, 300)


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".bmp", ".gif", ".tif"])
@pytest.mark.parametrize("share", [0.01, 0.5, 0.99])
def test_a_truncated_picture_is_refused(suffix: str, share: float) -> None:
    data = _encoded(astronaut(), suffix)
    with pytest.raises(PictureError) as caught:
        decode(data[: int(len(data) * share)])
    assert "\n" not in str(caught.value)


def test_a_damaged_png_is_refused() -> None:
    data = bytearray(_encoded(astronaut(), ".png"))
    data[len(data) // 2] ^= 0xFF
    with pytest.raises(PictureError, match="checksum"):
        decode(bytes(data))


@pytest.mark.parametrize("data", [b"", b"hello", b"\xff\xd8", b"\xff\xd8\xff\xe0junk", b"%PDF-1.7 not a picture"])
def test_what_is_no_picture_is_refused(data: bytes) -> None:
    with pytest.raises(PictureError):
        decode(data)


def test_thirty_thousand_pixels_squared_are_refused_from_the_header() -> None:
    bomb = _declaring(encode_jpeg(astronaut()), 30_000, 30_000)
    assert read_header(bomb).width == 30_000
    with pytest.raises(PictureError, match="30000×30000"):
        decode(bomb, MAX_PIXELS)


def test_the_limit_is_on_pixels() -> None:
    jpeg = encode_jpeg(astronaut())
    assert decode(jpeg, 512 * 512).shape == (512, 512, 3)
    with pytest.raises(PictureError, match="more than the 262143 allowed"):
        decode(jpeg, 512 * 512 - 1)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_photo_is_turned_upright_as_opencv_turns_it(orientation: int) -> None:
    jpeg = _with_orientation(encode_jpeg(astronaut()[:300, :400]), orientation)
    expected = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
    assert expected is not None
    turned = decode(jpeg)
    assert turned.shape == expected.shape
    assert np.abs(turned.astype(int) - expected[:, :, ::-1]).mean() < 1


def test_a_grey_jpeg_becomes_rgb() -> None:
    grey = cv2.cvtColor(astronaut(), cv2.COLOR_RGB2GRAY)
    rgb = decode(bytes(cv2.imencode(".jpg", grey)[1].tobytes()))
    assert rgb.shape == (512, 512, 3)
    assert np.array_equal(rgb[:, :, 0], rgb[:, :, 2])


def test_padding_of_a_webcam_is_forgiven() -> None:
    jpeg = encode_jpeg(astronaut())
    padded = jpeg[:-2] + b"\0" * 7 + jpeg[-2:]
    assert np.array_equal(decode(padded), decode(jpeg))


def test_a_real_photo_file_is_read() -> None:
    path: Path = demo_media("multi_face.jpg")
    assert decode(path.read_bytes()).shape == (667, 1000, 3)
