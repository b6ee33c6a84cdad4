"""From a video to its plan: all packets are looked at, which takes reading the file once, and one frame is decoded."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mien.errors import VideoError
from mien.limits import VIDEO_PIXELS, check_pixels
from models.video.plan import Ticks, VideoLayout
from models.video.segments import counted_segments, timed_segments
from models.video.source import is_frame, open_video, packets_of
from models.video.times import Stamps, longest_step, times_of, usual_step

if TYPE_CHECKING:
    from av.container.input import InputContainer
    from av.packet import Packet
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

_LONGEST_RATE, _DEFAULT_RATE = 1000, Fraction(25)
# A file that ends so much before its own length says has lost something.
_TOLERANCE_S = 1.0
_TOLERANCE = 0.02
_IDENTITY = (1, 0, 0, 1)
_VP8_SHOWN = 0x10  # a bit of a frame's first byte (RFC 6386, 9.1)
# The signs of a, b, c, d of a display matrix: quarter turns counter-clockwise, then a flip left to right.
_ORIENTATIONS = {
    (1, 0, 0, 1): (0, False),
    (0, 1, -1, 0): (3, False),
    (-1, 0, 0, -1): (2, False),
    (0, -1, 1, 0): (1, False),
    (-1, 0, 0, 1): (0, True),
    (0, 1, 1, 0): (3, True),
    (1, 0, 0, -1): (2, True),
    (0, -1, -1, 0): (1, True),
}


@dataclass(slots=True)
class _Packets:
    """What the packets of a picture track say, and why they end early; `hidden` ones are no frames to be shown."""

    pts: list[int | None] = field(default_factory=list)
    dts: list[int | None] = field(default_factory=list)
    durations: list[int] = field(default_factory=list)
    keys: list[int] = field(default_factory=list)
    hidden: int = 0
    broken: str = ""


def probe(path: Path, max_pixels: int = VIDEO_PIXELS) -> tuple[VideoLayout, Ticks]:
    """Return the plan of a video and when each of its frames is shown.

    A video that breaks off has a plan for what is there, and `broken` says so. Raises VideoError, with the reason,
    when nothing of it can be used.
    """
    with open_video(path) as (container, track):
        context = track.codec_context
        check_pixels(context.width, context.height, max_pixels, "the video", VideoError)
        packets = _read_packets(container, track)
        declared_s = float(container.duration / 1_000_000) if container.duration else 0.0
        is_cut = _is_cut(path, container, track)
        has_sound = bool(container.streams.audio)
        if not packets.pts:
            raise VideoError("has no frames" if not packets.broken else f"has no frames: {packets.broken}")
        stamps = _stamps(packets, container, track)
        is_reordered = container.format.name == "avi" and bool(context.has_b_frames)
    first = _first_frame(path)
    check_pixels(first.width, first.height, max_pixels, "the video", VideoError)
    believed, times = times_of(stamps)
    # An AVI has no stamps: what FFmpeg gives frames of a codec that shows them in another order is not theirs.
    timed = believed and not is_reordered
    tick, lasted = stamps.tick, _last_duration(stamps)
    seconds = float((int(times[-1]) - int(times[0]) + lasted) * tick)
    turns, mirrored = _orientation(first)
    width, height = (first.height, first.width) if turns % 2 else (first.width, first.height)
    plan = VideoLayout(
        width=width,
        height=height,
        turns=turns,
        mirrored=mirrored,
        tick=tick,
        origin=int(times[0]),
        fps=_mean_rate(times, tick, stamps.rate),
        seconds=seconds,
        timed=timed,
        interlaced=bool(first.interlaced_frame),
        hidden=packets.hidden,
        colours=(int(first.colorspace), int(first.color_range), int(first.color_primaries), int(first.color_trc)),
        pixels=first.format.name,
        aspect=_aspect(context.sample_aspect_ratio, is_turned=bool(turns % 2)),
        has_sound=has_sound,
        broken=_broken(packets, seconds, declared_s, is_cut=is_cut),
        segments=timed_segments(stamps, times) if timed else counted_segments(stamps, times),
    )
    return plan, times


def _read_packets(container: InputContainer, track: VideoStream) -> _Packets:
    found = _Packets()
    is_vp8 = track.codec_context.codec.canonical_name == "vp8"
    last: Packet[VideoStream] | None = None

    def broken(why: str) -> None:
        found.broken = why

    for packet in packets_of(container, track, broken):
        if not is_frame(packet):
            continue
        if packet.is_keyframe:
            found.keys.append(len(found.pts))
        found.pts.append(packet.pts)
        found.dts.append(packet.dts)
        found.durations.append(packet.duration or 0)
        found.hidden += is_vp8 and not memoryview(packet)[0] & _VP8_SHOWN
        last = packet
    if last is not None and last.is_corrupt and not found.broken:
        found.broken = "its last frame is cut off"
    return found


def _first_frame(path: Path) -> VideoFrame:
    """Return the first frame that can be decoded; raises VideoError when none can."""
    import av

    with open_video(path) as (container, track):
        track.codec_context.thread_count = 1
        for packet in packets_of(container, track):
            try:
                for frame in packet.decode():
                    return frame
            except av.error.FFmpegError:
                continue
    raise VideoError("none of its frames can be decoded")


def _stamps(packets: _Packets, container: InputContainer, track: VideoStream) -> Stamps:
    tick = Fraction(track.time_base or Fraction(1, 1000))
    return Stamps(
        packets.pts, packets.dts, packets.durations, packets.keys, tick, _rate_of(track), container.format.name
    )


def _last_duration(stamps: Stamps) -> int:
    """Return how long the last frame is shown, which only its packet says; not for hours."""
    lasted = next((duration for duration in reversed(stamps.durations) if duration), stamps.period)
    usual = usual_step(stamps)
    return lasted if lasted <= longest_step(stamps, usual) else usual


def _rate_of(track: VideoStream) -> Fraction:
    rate = track.average_rate or track.guessed_rate or _DEFAULT_RATE
    return Fraction(rate) if 0 < rate <= _LONGEST_RATE else _DEFAULT_RATE


def _mean_rate(times: Ticks, tick: Fraction, rate: Fraction) -> Fraction:
    span = (int(times[-1]) - int(times[0])) * tick
    if len(times) < 2 or not span:
        return rate
    mean = (len(times) - 1) / span
    # The container's own rate where it is right: 30000/1001 reads better than a quotient of large numbers.
    return rate if abs(mean / rate - 1) < 0.001 else mean.limit_denominator(1001)


def _orientation(frame: VideoFrame) -> tuple[int, bool]:
    """Return how a frame is turned upright: quarter turns counter-clockwise, then whether it is flipped.

    Source: FFmpeg's display.h; a matrix that turns by anything else than quarters is not followed.
    """
    from av.sidedata.sidedata import Type

    side_data: Any = frame.side_data  # its stub knows only one kind
    for data in (side_data[index] for index in range(len(side_data))):
        if data.type == Type.DISPLAYMATRIX:
            numbers = struct.unpack_from("=9i", bytes(data))
            a, b, c, d = (numbers[index] for index in (0, 1, 3, 4))
            largest = max(1, *map(abs, (a, b, c, d)))
            key = tuple(round(number / largest) for number in (a, b, c, d))
            return _ORIENTATIONS.get(key, _ORIENTATIONS[_IDENTITY])
    return 0, False


def _aspect(stored: Fraction | None, *, is_turned: bool) -> Fraction:
    if not stored or stored <= 0:
        return Fraction(1)
    return 1 / Fraction(stored) if is_turned else Fraction(stored)


def _broken(packets: _Packets, seconds: float, declared_s: float, *, is_cut: bool) -> str:
    is_short = declared_s - seconds > max(_TOLERANCE_S, _TOLERANCE * declared_s)
    if not (packets.broken or is_cut):
        return ""
    whole = f" of {declared_s:.1f} s" if is_short else ""
    why = f" ({packets.broken})" if packets.broken else ""
    return f"breaks off after {seconds:.1f} s{whole}{why}: what is there was read, fetch the file again for the rest"


def _is_cut(path: Path, container: InputContainer, track: VideoStream) -> bool:
    """Say whether the file is shorter than what it says of itself."""
    size = path.stat().st_size
    name = container.format.name
    with path.open("rb") as file:
        head = file.read(64)
        file.seek(max(0, size - 64))
        tail = file.read()
    if name.startswith("mov"):
        return any(entry.pos + entry.size > size for entry in track.index_entries)
    if name.startswith("matroska") and head[:4] == b"\x1a\x45\xdf\xa3":
        return _matroska_end(path) > size
    if name == "avi" and head[:4] == b"RIFF":
        return bool(struct.unpack_from("<I", head, 4)[0] + 8 > size)
    if name == "gif":
        return tail.rstrip(b"\0")[-1:] != b";"
    return False


def _matroska_end(path: Path) -> int:
    """Return where the segment of a Matroska file ends, as its header says; 0 when it does not (RFC 8794)."""
    with path.open("rb") as file:
        head = file.read(4096)
    position = 0
    while position + 2 < len(head):
        id_length, size_length = _length(head[position]), 0
        if position + id_length < len(head):
            size_length = _length(head[position + id_length])
        start = position + id_length + size_length
        if not id_length or not size_length or start > len(head):
            return 0
        value = int.from_bytes(head[position + id_length : start], "big") & ((1 << (7 * size_length)) - 1)
        if head[position : position + id_length] == b"\x18\x53\x80\x67":
            is_unknown = value == (1 << (7 * size_length)) - 1
            return 0 if is_unknown else start + value
        position = start + value
    return 0


def _length(first: int) -> int:
    return 9 - first.bit_length() if first else 0
