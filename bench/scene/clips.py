"""Videos to measure with, made from the demo media: two people side by side, 1280×720, 25 fps."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from mien.errors import InputError
from mien.pixels import Rgb
from tests.support.demo_media import DEFAULT_FOLDER, astronaut, clip, demo_file

WIDTH, HEIGHT, FPS = 1280, 720, 25
_SOUND_RATE = 44_100
Scales = tuple[float, float]

NEAR: Scales = (0.9, 1.2)
"""How much the two clips are scaled: boxes of faces measure about 225 and 230 pixels."""

NEAR_AND_FAR: Scales = (0.9, 0.65)
"""Boxes of faces measure 205 to 240 pixels on the left and about 120 on the right."""

CYCLE_FRAMES = 288
"""After this many frames both clips are where they began: a loop of them has no cut."""

CLIPS_FOLDER = DEFAULT_FOLDER.parent / "bench" / "clips"
_PEOPLE = ("WolfgangLanger_Pexels.mp4", "single_face.mp4")


def looped_people(folder: Path, *, mjpeg: bool, media: Path = DEFAULT_FOLDER) -> Path:
    """Return a file for a camera to play over and over, made at first use: 11.5 s, faces of 120 to 240 pixels, no cut.

    H.264 with a key frame every 2 s, as cameras send it, or Motion JPEG whose JPEGs a producer passes on; needs PyAV.
    """
    import av

    folder.mkdir(parents=True, exist_ok=True)
    path = folder / ("two-people.avi" if mjpeg else "two-people.mp4")
    if path.is_file():
        return path
    partial = path.with_stem("partial")
    with av.open(str(partial), "w") as container:
        stream: Any = container.add_stream(
            "mjpeg" if mjpeg else "libx264",
            rate=FPS,
            options={"qmin": "3", "qmax": "3"} if mjpeg else {"preset": "veryfast", "crf": "20"},
        )
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuvj420p" if mjpeg else "yuv420p"
        stream.codec_context.gop_size = 1 if mjpeg else 2 * FPS
        for rgb in islice(side_by_side(media, NEAR_AND_FAR), CYCLE_FRAMES):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(rgb, format="rgb24")))
        container.mux(stream.encode())
    return partial.rename(path)


def two_people(path: Path, seconds: float, media: Path = DEFAULT_FOLDER) -> Path:
    """Write a video with a tone, H.264 with a key frame every 2 s, and return its path; needs PyAV."""
    import av

    frames = round(seconds * FPS)
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream("libx264", rate=FPS, options={"preset": "veryfast", "crf": "20"})
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        stream.codec_context.gop_size = 2 * FPS
        sound: Any = container.add_stream("aac", rate=_SOUND_RATE, layout="mono")
        for rgb in islice(side_by_side(media), frames):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(rgb, format="rgb24")))
        container.mux(stream.encode())
        for part in _tone(frames / FPS):
            container.mux(sound.encode(part))
        container.mux(sound.encode())
    return path


def side_by_side(media: Path = DEFAULT_FOLDER, scales: Scales = NEAR) -> Iterator[Rgb]:
    """Yield frames without end: two clips, each over and over, before what blurred is the wall behind them."""
    halves = [_Half(name, scale, media) for name, scale in zip(_PEOPLE, scales, strict=True)]
    for left, right in zip(halves[0], halves[1], strict=True):
        yield np.ascontiguousarray(np.hstack([left, right]))


class _Half:
    """One half of the picture, 640×720."""

    def __init__(self, name: str, scale: float, media: Path) -> None:
        try:
            self._frames = list(islice(clip(demo_file(name, media)), CYCLE_FRAMES // 2))
        except InputError:  # without the demo package: a still picture that nods
            self._frames = [np.roll(astronaut(), shift, axis=0) for shift in (*range(0, 20, 2), *range(20, 0, -2))]
        self._scale = scale

    def __iter__(self) -> Iterator[Rgb]:
        # Forwards and backwards, so that nobody jumps.
        for frame in cycle([*self._frames, *reversed(self._frames)]):
            yield self._placed(frame)

    def _placed(self, frame: Rgb) -> Rgb:
        wide, high = WIDTH // 2, HEIGHT
        small = cv2.resize(frame, (16, 18), interpolation=cv2.INTER_AREA)
        half = np.asarray(cv2.resize(small, (wide, high), interpolation=cv2.INTER_CUBIC), np.uint8)
        scaled = np.asarray(cv2.resize(frame, None, fx=self._scale, fy=self._scale), np.uint8)
        cut = max(0, (scaled.shape[1] - wide) // 2)
        scaled = scaled[:high, cut : cut + wide]
        top, left = (high - scaled.shape[0]) // 2, (wide - scaled.shape[1]) // 2
        half[top : top + scaled.shape[0], left : left + scaled.shape[1]] = scaled
        return half


def _tone(seconds: float) -> Iterator[Any]:
    import av

    samples = round(seconds * _SOUND_RATE)
    for start in range(0, samples, 1024):
        times = np.arange(start, min(start + 1024, samples)) / _SOUND_RATE
        wave = (0.1 * np.sin(2 * np.pi * 440 * times)).astype(np.float32)[np.newaxis]
        frame = av.AudioFrame.from_ndarray(wave, format="fltp", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = _SOUND_RATE, start, Fraction(1, _SOUND_RATE)
        yield frame
