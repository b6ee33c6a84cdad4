from __future__ import annotations

import struct

import cv2
import numpy as np
import pytest

from mien.pixels import Rgb
from mien.settings import Settings
from models.analyzer import PixelAnalyzer, open_analyzer
from models.pictures.photo import HUGE_PIXELS, pixels_in_memory, read_photo, shrink_of
from models.pictures.picture import Header, decode, encode_jpeg
from tests.support.media import demo_media


@pytest.fixture(scope="module")
def analyzer() -> PixelAnalyzer:
    return open_analyzer(Settings(runtime="openvino"))


def a_photo(width: int, height: int) -> bytes:
    return encode_jpeg(np.full((height, width, 3), 90, np.uint8))


def turned(jpeg: bytes, orientation: int) -> bytes:
    """The same file with an EXIF orientation."""
    tiff = b"II*\0" + struct.pack("<IHHHIII", 8, 1, 0x0112, 3, 1, orientation, 0)
    exif = b"Exif\0\0" + tiff
    return jpeg[:2] + b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif + jpeg[2:]


@pytest.mark.parametrize(
    ("width", "height", "shrink"),
    [
        (4032, 3024, 1),  # a phone
        (3840, 2160, 1),  # 4K
        (6000, 4000, 2),
        (8192, 5464, 4),
        (11600, 8700, 8),
        (20_000, 1500, 1),  # a panorama: its shorter side is short already
    ],
)
def test_only_huge_photos_are_scaled_down_and_never_below_what_a_small_face_needs(
    width: int, height: int, shrink: int
) -> None:
    header = Header("jpeg", width, height)
    assert shrink_of(header) == shrink
    assert shrink == 1 or width * height > HUGE_PIXELS
    assert shrink == 1 or min(width, height) / shrink >= 1080
    assert pixels_in_memory(header) == -(-width // shrink) * -(-height // shrink)
    assert pixels_in_memory(Header("png", width, height)) == width * height


def test_smaller_faces_need_more_pixels() -> None:
    assert shrink_of(Header("jpeg", 8192, 5464), smallest_face_px=48) == 4
    assert shrink_of(Header("jpeg", 8192, 5464), smallest_face_px=24) == 2


def test_a_photo_of_ordinary_size_is_decoded_as_everywhere_else() -> None:
    data = demo_media("multi_face.jpg").read_bytes()
    photo = read_photo(data)
    assert np.array_equal(photo.pixels, decode(data))
    assert photo.pixels.shape == (photo.height, photo.width, 3)


def test_a_huge_photo_keeps_the_size_of_the_original_upright() -> None:
    jpeg = a_photo(6001, 4003)
    for data, size, shape in [
        (jpeg, (6001, 4003), (2002, 3001, 3)),
        (turned(jpeg, 6), (4003, 6001), (3001, 2002, 3)),
        (cv2.imencode(".png", np.zeros((4003, 6001, 3), np.uint8))[1].tobytes(), (6001, 4003), (2002, 3001, 3)),
    ]:
        photo = read_photo(data)
        assert ((photo.width, photo.height), photo.pixels.shape) == (size, shape)


def test_a_huge_photo_says_what_the_whole_picture_says(analyzer: PixelAnalyzer) -> None:
    small = decode(demo_media("multi_face.jpg").read_bytes())
    huge: Rgb = np.asarray(cv2.resize(small, (6000, 4002), interpolation=cv2.INTER_CUBIC), np.uint8)
    data = encode_jpeg(huge, 90)
    photo = read_photo(data)
    assert photo.pixels.shape == (2001, 3000, 3)
    found = photo.in_original(analyzer.analyze(photo.pixels))
    whole = analyzer.analyze(decode(data))
    assert len(found) == len(whole) == 5
    in_order = [sorted(faces, key=lambda face: face.box) for faces in (found, whole)]
    for one, other in zip(*in_order, strict=True):
        assert one.box == pytest.approx(other.box, abs=0.004 * 4002)
        assert np.array(one.landmarks) == pytest.approx(np.array(other.landmarks), abs=0.004 * 4002)
        assert one.probabilities == pytest.approx(other.probabilities, abs=0.05)
        assert one.emotion == other.emotion
