"""Reading from OpenCV's VideoCapture, the same for a webcam, RTSP and HTTP."""

from __future__ import annotations

import os
import time
from typing import cast

import cv2

from mien.errors import SourceLost, UnknownSource
from mien.limits import check_pixels
from mien.pixels import Bgr
from mien.settings import Settings
from producer.sources.source import READ_TIMEOUT_S, Grab

# RTSP over TCP: lost packets would tear pictures. By default FFmpeg waits for 20 frames to guess the frame rate, which
# nothing needs here: with 2 the first picture comes after 0.5 s instead of 1.3 s (gst-rtsp-server, 25 fps, key frame
# each 1 s).
_FFMPEG_OPTIONS = "rtsp_transport;tcp|fpsprobesize;2"
_FFMPEG_SAYS_NOTHING = "-8"
_SILENT_NS = int(READ_TIMEOUT_S * 0.95e9)

TIMEOUTS = [
    cv2.CAP_PROP_OPEN_TIMEOUT_MSEC,
    int(READ_TIMEOUT_S * 1000),
    cv2.CAP_PROP_READ_TIMEOUT_MSEC,
    int(READ_TIMEOUT_S * 1000),
]


def set_up_opencv() -> None:
    """Set what OpenCV takes from the environment only, and keep it from printing: mien reports errors itself.

    Values that are set already are kept.
    """
    os.environ.setdefault("OPENCV_FFMPEG_CAPTURE_OPTIONS", _FFMPEG_OPTIONS)
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", _FFMPEG_SAYS_NOTHING)
    os.environ.setdefault("OPENCV_VIDEOIO_V4L_SELECT_TIMEOUT", f"{READ_TIMEOUT_S:.0f}")
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)


def check_size(video: cv2.VideoCapture, shown: str, settings: Settings) -> None:
    """Raise UnknownSource when an open video, named as `shown`, declares more than `video_max_pixels` in a frame."""
    width, height = video.get(cv2.CAP_PROP_FRAME_WIDTH), video.get(cv2.CAP_PROP_FRAME_HEIGHT)
    check_pixels(int(width), int(height), settings.video_max_pixels, shown, UnknownSource)


def read_video(video: cv2.VideoCapture, shown: str) -> Grab:
    """Return the next picture of an open video; raises SourceLost, naming it as `shown`, when there is none."""
    asked_ns = time.monotonic_ns()
    grabbed = video.grab()
    captured_ns = time.monotonic_ns()
    if captured_ns - asked_ns > _SILENT_NS:
        # After a time-out FFmpeg still returns the frames that it had, and waits another time-out for that.
        raise SourceLost(f"{shown} gave no picture within {READ_TIMEOUT_S:g} s")
    read, picture = video.retrieve() if grabbed else (False, None)
    if not read or picture is None:
        raise SourceLost(f"{shown} gives no pictures any more")
    return Grab(captured_ns, cast(Bgr, picture), picture.shape[1], picture.shape[0])
