"""A video file as a camera, at its own rate."""

from __future__ import annotations

import math
import time
from pathlib import Path
from typing import cast

import cv2

from mien.errors import PictureError, UnknownSource
from mien.pixels import Bgr
from mien.settings import Settings
from producer.sources.capture import check_size
from producer.sources.jpeg import jpeg_size
from producer.sources.source import Grab, PacedSource

_MJPEG = {"MJPG", "JPEG", "mjpg", "jpeg", "mjpa"}
_LONGEST_GAP_S = 10.0
_USUAL_FPS = 25.0
_MOST_BAD = 250


class VideoFile(PacedSource):
    """Any file that FFmpeg reads. Motion JPEG gives its JPEGs as they are, everything else is decoded.

    The time stamps in the file decide when a frame is due, since the rate that a file of varying rate declares can be
    far off; `fps`, when not 0, decides instead. With `loop` the file starts again at its end.
    """

    def __init__(self, path: Path, settings: Settings, *, fps: float = 0.0, loop: bool = False) -> None:
        self._path = path
        self._settings = settings
        self._fps = fps
        self._loop = loop
        self._video = cv2.VideoCapture()
        self._raw = False
        self._waiting = False
        self._began_s = 0.0
        self._position_s = -1.0
        self._period_s = 1 / _USUAL_FPS

    def open(self) -> None:
        """Open the file and read its first frame; raises UnknownSource when there is none."""
        self._position_s = -1.0
        self._begin()

    def read(self) -> Grab | None:
        """Return the next frame, or None at the end."""
        for _ in range(_MOST_BAD):
            if not self._advance():
                return None
            if (grab := self._take()) is not None:
                return grab
        raise UnknownSource(f"{_MOST_BAD} frames of {self._path} in a row cannot be decoded: it is damaged")

    def pass_over(self, position_s: float) -> int:
        """Pass over frames without converting their pixels."""
        passed = 0
        while self._advance() and self._position_s < position_s:
            self._waiting = False
            passed += 1
        return passed

    def close(self) -> None:
        """Close the file."""
        self._video.release()
        self._waiting = False

    def _advance(self) -> bool:
        """Have one frame grabbed but not taken, and know its position; False at the end."""
        if self._waiting:
            return True
        if not self._video.isOpened():
            return False
        if self._video.grab():
            self._arrive()
            return True
        if not self._loop:
            return False
        self._begin()
        return True

    def _begin(self) -> None:
        self.close()
        self._video, self._raw = self._opened()
        fps = float(self._video.get(cv2.CAP_PROP_FPS))
        self._period_s = 1 / (self._fps or (fps if 1 <= fps <= 240 else _USUAL_FPS))
        if not self._video.grab():
            raise UnknownSource(f"no frame can be read from {self._path}: it is empty or damaged")
        self._began_s = (self._position_s + self._period_s if self._position_s >= 0 else 0.0) - self._time_s()
        self._arrive()

    def _arrive(self) -> None:
        """Work out when the frame that was just grabbed is due."""
        self._waiting = True
        usual_s = self._position_s + self._period_s if self._position_s >= 0 else 0.0
        stamped_s = self._began_s + self._time_s()
        trusted = not self._fps and self._position_s < stamped_s < self._position_s + _LONGEST_GAP_S
        self._position_s = stamped_s if trusted else usual_s

    def _time_s(self) -> float:
        stamp_ms = float(self._video.get(cv2.CAP_PROP_POS_MSEC))
        return stamp_ms / 1000 if math.isfinite(stamp_ms) else 0.0

    def _take(self) -> Grab | None:
        """Return the frame that was grabbed, or None when it cannot be decoded."""
        self._waiting = False
        read, picture = self._video.retrieve()
        if not read or picture is None:
            return None
        if not self._raw:
            height, width = picture.shape[:2]
            return Grab(time.monotonic_ns(), cast(Bgr, picture), width, height, self._position_s)
        jpeg = picture.tobytes()
        try:
            width, height = jpeg_size(jpeg, self._settings.photo_max_pixels)
        except PictureError:
            return None
        return Grab(time.monotonic_ns(), jpeg, width, height, self._position_s)

    def _opened(self) -> tuple[cv2.VideoCapture, bool]:
        if not self._path.is_file():
            raise UnknownSource(f"there is no file {self._path}")
        if self._path.stat().st_size == 0:
            raise UnknownSource(f"{self._path} is empty (0 bytes)")
        # An absolute path: FFmpeg would take a name with a colon for an address.
        name = str(self._path.resolve())
        video = cv2.VideoCapture(name, cv2.CAP_FFMPEG)
        if not video.isOpened():
            raise UnknownSource(f"{self._path} is not a video that can be read")
        check_size(video, str(self._path), self._settings)
        size = int(video.get(cv2.CAP_PROP_FRAME_WIDTH)), int(video.get(cv2.CAP_PROP_FRAME_HEIGHT))
        # A JPEG cannot say that its video is to be turned, so such frames are decoded: OpenCV turns them.
        is_upright = not round(video.get(cv2.CAP_PROP_ORIENTATION_META)) % 360
        if is_upright and _fourcc(video) in _MJPEG and self._gives_jpegs(name, size):
            video.release()
            return cv2.VideoCapture(name, cv2.CAP_FFMPEG, [cv2.CAP_PROP_FORMAT, -1]), True
        return video, False

    def _gives_jpegs(self, name: str, size: tuple[int, int]) -> bool:
        """Whether each packet is one whole JPEG; interlaced files hold two half ones in each."""
        video = cv2.VideoCapture(name, cv2.CAP_FFMPEG, [cv2.CAP_PROP_FORMAT, -1])
        try:
            read, packet = video.read()
            return bool(read) and jpeg_size(packet.tobytes(), self._settings.photo_max_pixels) == size
        except PictureError:
            return False
        finally:
            video.release()


def _fourcc(video: cv2.VideoCapture) -> str:
    code = int(video.get(cv2.CAP_PROP_FOURCC))
    return code.to_bytes(4, "little", signed=code < 0).decode("latin-1")
