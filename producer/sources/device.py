"""A webcam."""

from __future__ import annotations

import sys
from pathlib import Path

import cv2

from mien.errors import SourceLost, UnknownSource
from producer.sources.capture import read_video
from producer.sources.source import Grab, LiveSource

_SIZE = (1280, 720)


class Device(LiveSource):
    """A camera of this machine: 0 is /dev/video0. Asks for 1280x720 as Motion JPEG, takes what it gets."""

    def __init__(self, number: int, *, fps: float = 0.0) -> None:
        self._number = number
        self._fps = fps
        self._video = cv2.VideoCapture()

    def open(self) -> None:
        """Open the camera; raises UnknownSource when there is none, SourceLost when it is busy."""
        path = Path(f"/dev/video{self._number}")
        if sys.platform == "linux" and not path.exists():
            raise UnknownSource(f"there is no camera {path}")
        self._video = cv2.VideoCapture(self._number, cv2.CAP_V4L2 if sys.platform == "linux" else cv2.CAP_ANY)
        if not self._video.isOpened():
            raise SourceLost(f"camera {self._number} cannot be opened: another program has it, or this user may not")
        self._video.set(cv2.CAP_PROP_FOURCC, cv2.VideoWriter.fourcc(*"MJPG"))
        self._video.set(cv2.CAP_PROP_FRAME_WIDTH, _SIZE[0])
        self._video.set(cv2.CAP_PROP_FRAME_HEIGHT, _SIZE[1])
        if self._fps:
            self._video.set(cv2.CAP_PROP_FPS, self._fps)

    def read(self) -> Grab:
        """Return the next picture; raises SourceLost when none comes within 2 s."""
        return read_video(self._video, f"camera {self._number}")

    def close(self) -> None:
        """Give the camera back."""
        self._video.release()
