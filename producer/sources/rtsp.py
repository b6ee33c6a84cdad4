"""A network camera that speaks RTSP."""

from __future__ import annotations

import cv2

from mien.address import Address
from mien.errors import SourceLost
from mien.settings import Settings
from producer.sources.capture import TIMEOUTS, check_size, read_video
from producer.sources.source import Grab, LiveSource


class Rtsp(LiveSource):
    """An `rtsp://` or `rtsps://` camera, over TCP."""

    def __init__(self, address: Address, settings: Settings) -> None:
        self._address = address
        self._settings = settings
        self._video = cv2.VideoCapture()

    def open(self) -> None:
        """Connect; raises SourceLost when no picture is announced within 2 s, UnknownSource when it is too large."""
        self._video = cv2.VideoCapture(self._address.to_open(), cv2.CAP_FFMPEG, TIMEOUTS)
        if not self._video.isOpened():
            raise SourceLost(f"{self._address} does not answer with a video")
        check_size(self._video, self._address.shown, self._settings)

    def read(self) -> Grab:
        """Return the next picture; raises SourceLost when none comes within 2 s."""
        return read_video(self._video, self._address.shown)

    def close(self) -> None:
        """Disconnect."""
        self._video.release()
