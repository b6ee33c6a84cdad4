"""A picture is the same pixels however it is given."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest

from mien.errors import PictureError
from mien.inputs.fetch import Fetcher
from mien.limits import PHOTO_PIXELS
from mien.pixels import Rgb
from models.pictures.given import name_of, photo_of
from models.pictures.picture import encode_jpeg
from tests.support.media import astronaut

if TYPE_CHECKING:
    from models.pictures.given import GivenPicture

Image = pytest.importorskip("PIL.Image", reason="Pillow is not installed")


def rgb_of(given: GivenPicture, max_pixels: int = PHOTO_PIXELS, fetcher: Fetcher | None = None) -> Rgb:
    return photo_of(given, max_pixels, fetcher=fetcher).pixels


@pytest.fixture
def png(tmp_path: Path) -> Path:
    path = tmp_path / "face.png"
    cv2.imwrite(str(path), astronaut()[:, :, ::-1])
    return path


def test_a_path_bytes_pixels_and_pil_are_the_same_picture(png: Path) -> None:
    for given in (png, str(png), png.read_bytes(), astronaut(), Image.open(png), Image.open(png).convert("RGBA")):
        np.testing.assert_array_equal(rgb_of(given), astronaut())


def test_an_address_into_an_archive_is_a_picture_too(png: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "outer.zip", "w") as archive:
        archive.write(png, "inner.png")
    address = f"zip://inner.png::{tmp_path / 'outer.zip'}"
    with Fetcher() as fetcher:
        np.testing.assert_array_equal(rgb_of(address, fetcher=fetcher), astronaut())
    assert name_of(address) == str(tmp_path / "outer.zip" / "inner.png")


def test_grey_and_transparent_arrays_become_rgb() -> None:
    grey = np.array([[0, 100, 255]], np.uint8)
    expected = np.dstack([grey] * 3)
    np.testing.assert_array_equal(rgb_of(grey), expected)
    np.testing.assert_array_equal(rgb_of(grey[:, :, None]), expected)
    rgba = np.dstack([expected, np.array([[255, 0, 51]], np.uint8)])
    np.testing.assert_array_equal(rgb_of(rgba), [[[0, 0, 0], [255, 255, 255], [255, 255, 255]]])
    rgba[0, 2] = (55, 155, 255, 51)
    np.testing.assert_array_equal(rgb_of(rgba)[0, 2], [215, 235, 255])


def test_views_of_arrays_are_taken() -> None:
    bgr = astronaut()[:, :, ::-1]
    turned = rgb_of(bgr[:, :, ::-1])
    assert turned.flags.c_contiguous
    np.testing.assert_array_equal(turned, astronaut())


def test_pil_pictures_are_turned_upright_and_converted() -> None:
    sideways = Image.fromarray(np.rot90(astronaut()))
    sideways.getexif()[0x0112] = 6  # to be turned clockwise
    file = io.BytesIO()
    sideways.save(file, "PNG", exif=sideways.getexif())
    np.testing.assert_array_equal(rgb_of(Image.open(file)), astronaut())
    assert rgb_of(Image.new("CMYK", (4, 3))).shape == (3, 4, 3)
    assert rgb_of(Image.new("1", (4, 3), 1)).min() == 255
    deep = Image.fromarray(np.full((2, 2), 0x80FF, np.uint16))
    np.testing.assert_array_equal(rgb_of(deep), np.full((2, 2, 3), 0x80))
    pale = Image.new("P", (2, 2))
    pale.info["transparency"] = 0
    np.testing.assert_array_equal(rgb_of(pale), np.full((2, 2, 3), 255))


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        (np.zeros((4, 4, 3)), "float64 .* turn it into uint8"),
        (np.zeros((4, 4, 2), np.uint8), r"uint8 \[4, 4, 2\].*wanted is"),
        (np.zeros((0, 4, 3), np.uint8), "wanted is"),
        (np.zeros((2, 4, 4, 3), np.uint8), "wanted is"),
        (b"", "is empty"),
        ("no/such.jpg", "no/such.jpg: the file does not exist"),
        ("http-ish://somewhere/a.jpg", "no way to read"),
        (17, "a int is not a picture"),
    ],
)
def test_what_is_no_picture_says_so(given: object, reason: str) -> None:
    with pytest.raises(PictureError, match=reason):
        rgb_of(given)  # type: ignore[arg-type]


def test_a_picture_of_too_many_pixels_is_refused_before_it_is_decoded(png: Path) -> None:
    with pytest.raises(PictureError, match=r"face.png: .*512×512"):
        rgb_of(png, 512 * 511)


def test_names_hold_no_password() -> None:
    assert name_of("https://ann:secret@example.org/a.jpg?key=1") == "https://example.org/a.jpg"
    assert name_of(Path("a.jpg")) == "a.jpg"
    assert name_of(astronaut()) == name_of(b"...") == ""


def test_a_huge_file_is_scaled_down_as_in_jobs_and_keeps_its_size() -> None:
    photo = photo_of(encode_jpeg(np.full((4400, 4400, 3), 90, np.uint8)))
    assert (photo.width, photo.height) == (4400, 4400)
    assert photo.pixels.shape == (1100, 1100, 3)
