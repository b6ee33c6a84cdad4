"""What is JPEG goes on untouched, everything else is scaled to size and encoded."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from mien.errors import PictureError, PictureTooLarge
from mien.settings import Settings
from producer.sources.jpeg import as_jpeg, jpeg_size
from producer.sources.source import Grab
from tests.support import bombs


def test_a_jpeg_goes_on_untouched_however_wide() -> None:
    assert as_jpeg(Grab(0, b"bytes", 4000, 3000), Settings()) == (b"bytes", 4000, 3000)


def test_colours_stay_what_they_were() -> None:
    blue = np.zeros((40, 60, 3), np.uint8)
    blue[..., 0] = 200
    jpeg, width, height = as_jpeg(Grab(0, blue, 60, 40), Settings())
    assert (width, height) == jpeg_size(jpeg, 10**6) == (60, 40)
    picture = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
    assert picture is not None
    assert picture.mean(axis=(0, 1)) == pytest.approx([200, 0, 0], abs=4)


def test_pixels_that_are_too_wide_are_scaled_down_in_proportion() -> None:
    wide = np.zeros((1000, 4000, 3), np.uint8)
    jpeg, width, height = as_jpeg(Grab(0, wide, 4000, 1000), Settings(max_frame_width=1920))
    assert (width, height) == jpeg_size(jpeg, 10**7) == (1920, 480)


@pytest.mark.parametrize("data", [b"", b"\xff\xd8", b"\xff\xd8\xff\xe0 and then no more", b"\x89PNG\r\n\x1a\n"])
def test_what_is_no_jpeg_is_refused(data: bytes) -> None:
    with pytest.raises(PictureError):
        jpeg_size(data, 10**6)


def test_a_jpeg_that_declares_too_many_pixels_is_refused() -> None:
    with pytest.raises(PictureTooLarge, match="declares 30000×30000 pixels, more than the 100000000 allowed"):
        jpeg_size(bombs.jpeg(30000, 30000), 100_000_000)
