"""Small videos made with PyAV for tests: coloured squares that move over a dark ground, and a finder of squares."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

from mien.pixels import Rgb
from mien.types import EMOTIONS, Face

WIDTH, HEIGHT = 160, 120
TURN_RIGHT = (0, 65536, 0, -65536, 0, 0, 0, 0, 1 << 30)
"""The display matrix of a phone held upright: a quarter turn clockwise."""

Paint = Callable[[int], Rgb]


def squares(number: int, width: int = WIDTH, height: int = HEIGHT) -> Rgb:
    """A red square that goes to and fro, and from frame 20 on a green one below it to its right."""
    rgb = np.full((height, width, 3), 30, np.uint8)
    way = 30 - abs(30 - number % 60)
    x = 10 + way
    rgb[10:40, x : x + 30] = (230, 20, 20)
    if number >= 20:
        x = width - 50 - way
        rgb[height - 50 : height - 20, x : x + 30] = (20, 200, 20)
    return rgb


def make_clip(
    path: Path,
    frames: int = 50,
    *,
    fps: int = 25,
    paint: Paint = squares,
    times: Sequence[int] | None = None,
    tick: Fraction | None = None,
    codec: str = "libx264",
    pixels: str = "yuv420p",
    options: Mapping[str, str] | None = None,
    gop: int = 25,
    sound: str = "",
    container_options: Mapping[str, str] | None = None,
) -> Path:
    """Write a video; `times` are ticks of each frame (else one after the other), `sound` the codec of a 440 Hz tone."""
    first = paint(0)
    tick = tick or Fraction(1, fps)
    rate = 48_000 if sound == "libopus" else 44_100
    with av.open(str(path), "w", container_options=dict(container_options or {})) as container:
        defaults = {"preset": "ultrafast"} if codec == "libx264" else {}
        stream: Any = container.add_stream(codec, rate=fps, options={**defaults, **(options or {})})
        stream.width, stream.height, stream.pix_fmt = first.shape[1], first.shape[0], pixels
        stream.codec_context.gop_size = gop
        stream.codec_context.time_base = tick
        tone: Any = container.add_stream(sound, rate=rate) if sound else None
        if tone is not None:
            tone.codec_context.layout = "mono"
        last = 0
        for number in range(frames):
            frame = av.VideoFrame.from_ndarray(paint(number), format="rgb24")
            frame.pts = last = number if times is None else times[number]
            frame.time_base = tick
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
        if tone is not None:
            for samples in sine(float((last + 1) * tick), rate):
                container.mux(tone.encode(samples))
            container.mux(tone.encode(None))
    return path


def sine(seconds: float, rate: int = 44100) -> Iterable[av.AudioFrame]:
    """A tone of 440 Hz in pieces of 1024 samples."""
    for start in range(0, int(seconds * rate), 1024):
        wave = 0.3 * np.sin(2 * np.pi * 440 * np.arange(start, start + 1024) / rate)
        samples = av.AudioFrame.from_ndarray((wave * 32767).astype(np.int16)[np.newaxis], format="s16", layout="mono")
        samples.pts, samples.sample_rate, samples.time_base = start, rate, Fraction(1, rate)
        yield samples


def make_sound(path: Path) -> Path:
    """Write two seconds of a tone and nothing to see."""
    with av.open(str(path), "w") as container:
        tone: Any = container.add_stream("aac", rate=44100)
        tone.codec_context.layout = "mono"
        for samples in sine(2.0):
            container.mux(tone.encode(samples))
        container.mux(tone.encode(None))
    return path


def turned(clip: Path, into: Path, matrix: Sequence[int] = TURN_RIGHT) -> Path:
    """Copy an MP4 with another display matrix in the header of its first track (ISO 14496-12, section 8.3.2)."""
    data = bytearray(clip.read_bytes())
    header = data.index(b"tkhd") + 4
    assert data[header] == 0, "a header of version 0 is wanted"
    struct.pack_into(">9i", data, header + 40, *matrix)
    into.write_bytes(data)
    return into


def damaged(clip: Path, numbers: Iterable[int], share: float = 1.0) -> Path:
    """Overwrite the last `share` of some frames, in the order of the file, with zeros; returns the same path."""
    data = bytearray(clip.read_bytes())
    with av.open(str(clip)) as container:
        packets = [packet for packet in container.demux(container.streams.video[0]) if packet.size]
        for packet in (packets[number] for number in numbers):
            assert packet.pos is not None
            at = data.index(bytes(packet), packet.pos)
            size = max(1, int(packet.size * share))
            data[at + packet.size - size : at + packet.size] = bytes(size)
    clip.write_bytes(data)
    return clip


def cut(clip: Path, into: Path, share: float) -> Path:
    """Copy the first part of a file."""
    data = clip.read_bytes()
    into.write_bytes(data[: int(len(data) * share)])
    return into


def remuxed(clip: Path, into: Path, change: Callable[[Any, int], None]) -> Path:
    """Copy the pictures of a video; `change` gets each packet and its number, to alter its stamps."""
    with av.open(str(clip)) as source, av.open(str(into), "w") as target:
        stream = target.add_stream_from_template(source.streams.video[0])
        packets = (packet for packet in source.demux(source.streams.video[0]) if packet.size)
        for number, packet in enumerate(packets):
            change(packet, number)
            packet.stream = stream
            target.mux(packet)
    return into


def moved(seconds: float, *numbers: int) -> Callable[[Any, int], None]:
    """Return what moves the stamps of some packets, by their place in the file, for `remuxed`."""

    def change(packet: Any, number: int) -> None:
        if number in numbers:
            packet.pts += round(seconds / packet.time_base)

    return change


def joined(into: Path, first: Path, second: Path, begins_s: float) -> Path:
    """Write two videos one behind the other into a transport stream; the clock of the second begins at `begins_s`."""

    def late(packet: Any, _: int) -> None:
        packet.pts += round(begins_s / packet.time_base)
        packet.dts += round(begins_s / packet.time_base)

    parts = [remuxed(first, into.with_name("first.ts"), lambda *_: None)]
    parts.append(remuxed(second, into.with_name("second.ts"), late))
    into.write_bytes(b"".join(part.read_bytes() for part in parts))
    return into


def decoded(path: Path) -> list[tuple[Fraction, Rgb]]:
    """All frames of a video as players show them: time in seconds, RGB."""
    with av.open(str(path)) as container:
        track = container.streams.video[0]
        assert track.time_base is not None
        return [
            (frame.pts * track.time_base, np.asarray(frame.to_ndarray(format="rgb24"), np.uint8))
            for frame in container.decode(track)
            if frame.pts is not None
        ]


class SquareFinder:
    """Stands in for the models: red and green squares are faces, happy and sad."""

    threshold = 0.4

    def __init__(self, seen: Callable[[int], None] = lambda _: None) -> None:
        self._seen = seen
        self.pictures = 0

    def analyze_many(self, rgbs: Sequence[Rgb]) -> tuple[list[tuple[Face, ...]], Mapping[str, float]]:
        self.pictures += len(rgbs)
        self._seen(self.pictures)
        return [tuple(_squares_in(rgb)) for rgb in rgbs], {}


def _squares_in(rgb: Rgb) -> Iterable[Face]:
    for channel, name in ((0, "happy"), (1, "sad")):
        others = [other for other in range(3) if other != channel]
        is_square = (rgb[:, :, channel] > 130) & (rgb[:, :, others].max(axis=2) < 110)
        rows, columns = np.flatnonzero(is_square.any(axis=1)), np.flatnonzero(is_square.any(axis=0))
        if len(rows) < 8 or len(columns) < 8:
            continue
        mean = float(rgb[:, :, channel][is_square].mean()) / 255
        # Most of the rest is neutral, as of real faces that show little.
        shares = np.full(8, (1 - mean) * 0.1 / 6)
        shares[EMOTIONS.index("neutral")] = (1 - mean) * 0.9
        shares[EMOTIONS.index(name)] = mean
        yield Face(
            box=(float(columns[0]), float(rows[0]), float(np.ptp(columns) + 1), float(np.ptp(rows) + 1)),
            emotion=name,
            confidence=mean,
            probabilities=tuple(shares.tolist()),
            valence=0.5,
            arousal=0.1,
        )
