"""A video to measure with, made from the demo media: two people side by side, 1280×720, 25 fps, with a tone."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from bench.media import DEFAULT_FOLDER, astronaut, clip, demo_file
from mien.errors import InputError
from models.picture import Picture

WIDTH, HEIGHT, FPS = 1280, 720, 25
_SOUND_RATE = 44_100
# Clip, and how much it is scaled, so that faces measure about 230 and 250 pixels from brows to chin.
_PEOPLE = (("WolfgangLanger_Pexels.mp4", 0.9), ("single_face.mp4", 1.2))
_KEPT_FRAMES = 150


def two_people(path: Path, seconds: float, media: Path = DEFAULT_FOLDER) -> Path:
    """Write the video, H.264 with a key frame every 2 s, and return its path; needs PyAV."""
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


def side_by_side(media: Path = DEFAULT_FOLDER) -> Iterator[Picture]:
    """Yield frames without end: two clips, each over and over, before what blurred is the wall behind them."""
    halves = [_Half(name, scale, media) for name, scale in _PEOPLE]
    for left, right in zip(halves[0], halves[1], strict=True):
        yield np.ascontiguousarray(np.hstack([left, right]))


class _Half:
    """One half of the picture, 640×720."""

    def __init__(self, name: str, scale: float, media: Path) -> None:
        try:
            self._frames = list(islice(clip(demo_file(name, media)), _KEPT_FRAMES))
        except InputError:  # without the demo package: a still picture that nods
            self._frames = [np.roll(astronaut(), shift, axis=0) for shift in (*range(0, 20, 2), *range(20, 0, -2))]
        self._scale = scale

    def __iter__(self) -> Iterator[Picture]:
        # Forwards and backwards, so that nobody jumps.
        for frame in cycle([*self._frames, *reversed(self._frames)]):
            yield self._placed(frame)

    def _placed(self, frame: Picture) -> Picture:
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
