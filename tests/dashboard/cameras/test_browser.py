from __future__ import annotations

import time
from collections.abc import Iterator

import numpy as np
import pytest
import simplejpeg

from dashboard.cameras.browser import BrowserCameras
from dashboard.problems import Refused
from mien.bus.bus import Bus
from mien.errors import PictureError, PictureTooLarge
from mien.settings import Settings
from mien.types import Camera, CameraState

JPEG = simplejpeg.encode_jpeg(np.zeros((48, 64, 3), np.uint8))


@pytest.fixture
def webcams(bus: Bus, settings: Settings) -> Iterator[BrowserCameras]:
    webcams = BrowserCameras(bus, settings)
    yield webcams
    webcams.close()


def names(bus: Bus) -> list[str]:
    return [camera.name for camera in bus.cameras()]


def test_a_tab_is_a_camera_like_any_other(webcams: BrowserCameras, bus: Bus) -> None:
    opened = webcams.open()
    assert webcams.publish(opened.name, opened.token, JPEG)
    (camera,) = bus.cameras()
    assert (camera.name, camera.state, camera.source) == (opened.name, CameraState.LIVE, "browser")
    bus.read("w", [opened.name], block_ms=0)
    (frame,) = bus.read("w", [opened.name], block_ms=0)
    assert (frame.jpeg, frame.width, frame.height) == (JPEG, 64, 48)
    assert bus.counts(opened.name).balanced


def test_frames_never_queue(webcams: BrowserCameras, bus: Bus) -> None:
    opened = webcams.open()
    published = [webcams.publish(opened.name, opened.token, JPEG) for _ in range(10)]
    assert published == [True] * 3 + [False] * 7
    assert bus.in_flight(opened.name) == 3
    bus.flush(opened.name)
    assert webcams.publish(opened.name, opened.token, JPEG)
    counts = bus.counts(opened.name)
    assert (counts.captured, counts.drops["superseded"]) == (11, 7)
    assert counts.balanced


def test_it_ends_with_its_tab_and_goes(webcams: BrowserCameras, bus: Bus) -> None:
    opened = webcams.open()
    webcams.publish(opened.name, opened.token, JPEG)
    webcams.end(opened.name, opened.token)
    assert bus.cameras()[0].state is CameraState.ENDED
    with pytest.raises(Refused) as refused:
        webcams.publish(opened.name, opened.token, JPEG)
    assert refused.value.status == 410
    deadline_s = time.monotonic() + 5
    while names(bus) and time.monotonic() < deadline_s:
        time.sleep(0.05)
    assert names(bus) == []


def test_it_ends_when_the_tab_is_silent(webcams: BrowserCameras, bus: Bus, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dashboard.cameras.browser.SILENT_S", 0.2)
    opened = webcams.open()
    deadline_s = time.monotonic() + 5
    while names(bus) and time.monotonic() < deadline_s:
        time.sleep(0.05)
    assert names(bus) == []
    with pytest.raises(Refused):
        webcams.publish(opened.name, opened.token, JPEG)


def test_only_its_own_token_publishes(webcams: BrowserCameras) -> None:
    opened, other = webcams.open(), webcams.open()
    for token in ("", other.token, "ü"):
        with pytest.raises(Refused):
            webcams.publish(opened.name, token, JPEG)


@pytest.mark.parametrize("body", [b"", b"text", JPEG[:30], b"\x89PNG\r\n\x1a\n" + b"\x00" * 20])
def test_only_jpegs_are_published(webcams: BrowserCameras, bus: Bus, body: bytes) -> None:
    opened = webcams.open()
    with pytest.raises(PictureError):
        webcams.publish(opened.name, opened.token, body)
    assert bus.in_flight(opened.name) == 0


def test_too_large_a_picture_is_refused(webcams: BrowserCameras) -> None:
    opened = webcams.open()
    with pytest.raises(PictureError, match="2000×8"):
        webcams.publish(opened.name, opened.token, simplejpeg.encode_jpeg(np.zeros((8, 2000, 3), np.uint8)))


def test_a_webcam_holds_the_limit_of_pictures(bus: Bus, settings: Settings) -> None:
    webcams = BrowserCameras(bus, settings.model_copy(update={"photo_max_pixels": 64 * 48 - 1}))
    opened = webcams.open()
    with pytest.raises(PictureTooLarge, match="declares 64×48 pixels, more than the 3071 allowed"):
        webcams.publish(opened.name, opened.token, JPEG)
    assert bus.in_flight(opened.name) == 0
    webcams.close()


def test_only_so_many_webcams_are_open(webcams: BrowserCameras) -> None:
    for _ in range(16):
        webcams.open()
    with pytest.raises(Refused) as refused:
        webcams.open()
    assert refused.value.status == 429


def test_webcams_that_an_earlier_process_left_are_forgotten(webcams: BrowserCameras, bus: Bus) -> None:
    bus.put_camera(Camera("webcam-old", CameraState.ENDED, source="browser"))
    bus.put_camera(Camera("lobby", CameraState.ENDED, source="test://pattern"))
    webcams.forget_orphans()
    assert names(bus) == ["lobby"]
