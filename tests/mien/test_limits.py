"""Every room refuses by the same limits and in the same words."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import pytest

from mien.bus.plan import SavingsPlan
from mien.errors import PictureError, PictureTooLarge, VideoError
from mien.limits import PHOTO_PIXELS, SMALLEST_FACE_PX, VIDEO_PIXELS, check_pixels
from mien.settings import Settings
from models.detect.detector import open_detector
from models.labelled.data import FilePictures, read_labelled
from models.pictures.given import photo_of
from models.pictures.photo import read_photo
from models.pictures.picture import decode
from models.video.probe import probe
from worker.jobs.pictures import Limits

TAKES: list[Callable[..., Any]] = [
    SavingsPlan, open_detector, FilePictures, read_labelled, photo_of, read_photo, decode, Limits,
]  # fmt: skip


@pytest.mark.parametrize("takes", TAKES)
def test_what_is_not_given_is_what_the_settings_say(takes: Callable[..., Any]) -> None:
    settings, defaults = Settings(), inspect.signature(takes).parameters
    usual = {"max_pixels": settings.photo_max_pixels, "smallest_face_px": settings.smallest_face_px}
    given = {name: defaults[name].default for name in usual if name in defaults}
    assert {name: usual[name] for name in given} == {
        name: value if value is not inspect.Parameter.empty else usual[name] for name, value in given.items()
    }
    assert given


def test_the_settings_have_the_limits() -> None:
    settings = Settings()
    assert (settings.photo_max_pixels, settings.video_max_pixels) == (PHOTO_PIXELS, VIDEO_PIXELS)
    assert settings.smallest_face_px == SMALLEST_FACE_PX
    assert inspect.signature(probe).parameters["max_pixels"].default == settings.video_max_pixels


def test_as_many_pixels_as_are_allowed_pass_and_one_more_does_not() -> None:
    check_pixels(30, 40, 1200)
    with pytest.raises(PictureTooLarge, match=r"^the picture declares 30×40 pixels, more than the 1199 allowed"):
        check_pixels(30, 40, 1199)
    with pytest.raises(VideoError, match=r"^the video declares 30×40 pixels"):
        check_pixels(30, 40, 1199, "the video", VideoError)
    assert issubclass(PictureTooLarge, PictureError)
