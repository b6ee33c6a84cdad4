"""The grab thread keeps the newest picture and counts the others."""

from __future__ import annotations

import threading
import time

import pytest

from mien.errors import SourceLost
from producer.grabber import Grabber
from producer.sources.source import Grab, LiveSource


class Camera(LiveSource):
    """Gives numbered pictures as fast as they are read, up to `frames`, then ends as told."""

    def __init__(self, frames: int, end: Exception | None = None) -> None:
        self.read_so_far = 0
        self.closed = False
        self._frames = frames
        self._end = end
        self.go_on = threading.Event()

    def open(self) -> None:
        pass

    def read(self) -> Grab | None:
        if self.read_so_far == self._frames:
            self.go_on.wait(5)
            if self._end is not None:
                raise self._end
            return None
        self.read_so_far += 1
        return Grab(time.monotonic_ns(), b"jpeg %d" % self.read_so_far, 1, 1)

    def close(self) -> None:
        self.closed = True


def settle(camera: Camera, frames: int) -> None:
    deadline_s = time.monotonic() + 5
    while camera.read_so_far < frames and time.monotonic() < deadline_s:
        time.sleep(0.01)
    time.sleep(0.05)


def test_only_the_newest_picture_is_kept_and_the_others_are_counted() -> None:
    camera = Camera(10)
    grabber = Grabber(camera)
    grabber.start()
    settle(camera, 10)
    captured = grabber.next(1.0)
    assert captured is not None
    assert (captured.grab.picture, captured.skipped) == (b"jpeg 10", 9)
    assert grabber.next(0.01) is None
    assert not grabber.ended
    camera.go_on.set()
    assert grabber.next(5.0) is None
    assert grabber.ended
    assert grabber.close() == 0
    assert camera.closed


def test_the_last_picture_comes_before_the_error() -> None:
    camera = Camera(2, SourceLost("unplugged"))
    camera.go_on.set()
    grabber = Grabber(camera)
    grabber.start()
    settle(camera, 2)
    captured = grabber.next(1.0)
    assert captured is not None
    assert (captured.grab.picture, captured.skipped) == (b"jpeg 2", 1)
    with pytest.raises(SourceLost, match="unplugged"):
        grabber.next(1.0)


def test_any_error_of_a_camera_is_a_lost_source() -> None:
    camera = Camera(0, RuntimeError("driver\nfell over"))
    camera.go_on.set()
    grabber = Grabber(camera)
    grabber.start()
    with pytest.raises(SourceLost, match="driver fell over"):
        grabber.next(5.0)


def test_with_keep_all_every_picture_is_handed_over() -> None:
    camera = Camera(20)
    camera.go_on.set()
    grabber = Grabber(camera, keep_all=True)
    grabber.start()
    taken = []
    while not grabber.ended:
        if (captured := grabber.next(1.0)) is not None:
            assert captured.skipped == 0
            taken.append(captured.grab.picture)
    assert taken == [b"jpeg %d" % number for number in range(1, 21)]


def test_what_nobody_took_is_counted_at_the_end() -> None:
    camera = Camera(5)
    camera.go_on.set()
    grabber = Grabber(camera)
    grabber.start()
    settle(camera, 5)
    assert grabber.close() == 5


def test_a_source_is_opened_again_only_when_it_was_closed() -> None:
    happened: list[str] = []

    class SlowToClose(Camera):
        def open(self) -> None:
            happened.append("open")

        def close(self) -> None:
            asked_again.wait(10)
            time.sleep(0.05)  # the second one would open it now
            happened.append("closed")
            super().close()

    asked_again = threading.Event()

    camera = SlowToClose(3, SourceLost("unplugged"))
    camera.go_on.set()
    first = Grabber(camera)
    first.start()
    settle(camera, 3)
    assert first.next(1.0) is not None
    with pytest.raises(SourceLost):
        first.next(1.0)
    first.close()
    camera.read_so_far = 0
    second = Grabber(camera, after=first)
    second.start()
    asked_again.set()
    assert second.next(5.0) is not None
    assert happened == ["open", "closed", "open"]
