"""The frames of one segment, each with its number and its time: the same whoever reads them, and however often."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar, cast

import numpy as np

from mien.errors import VideoError
from mien.pixels import Grey, Rgb
from models.video.plan import Segment, Ticks, VideoLayout
from models.video.source import open_video, packets_of

if TYPE_CHECKING:
    from av.container.input import InputContainer
    from av.packet import Packet
    from av.video.frame import VideoFrame
    from av.video.reformatter import VideoReformatter
    from av.video.stream import VideoStream

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Read:
    """A decoded frame: its number in the video from 0, and when it is shown, in ticks of the container.

    Frames that cannot be decoded leave a gap in the numbers.
    """

    number: int
    ticks: int
    frame: VideoFrame


def read_segment(path: Path, plan: VideoLayout, times: Ticks, segment: Segment, threads: int = 1) -> Iterator[Read]:
    """Yield the frames of a segment in the order in which they are shown, each number once.

    `times` are those of all frames of the video. Raises VideoError when the file cannot be read any more, or when the
    frames change their size.
    """
    with open_video(path) as (container, track):
        _use(track, threads)
        packets = packets_of(container, track) if segment.key_dts is None else _from_key(container, track, segment)
        if packets is not None:
            yield from _numbered(packets, track, plan, times, segment)
            return
    # The index of the container does not lead there: everything before it is passed by.
    with open_video(path) as (container, track):
        _use(track, threads)
        yield from _numbered(_skipped_to(packets_of(container, track), segment), track, plan, times, segment)


class ToRgb:
    """Turns decoded frames into upright pictures; keep one for all frames of a video, which is 7 times faster."""

    def __init__(self, plan: VideoLayout) -> None:
        from av.video.reformatter import VideoReformatter

        self._plan = plan
        self._reformatter: VideoReformatter = VideoReformatter()

    def __call__(self, frame: VideoFrame) -> Rgb:
        """Return the pixels of a frame; its colours as the container says they are meant."""
        rgb = self._reformatter.reformat(frame, format="rgb24", threads=1).to_ndarray()
        return upright(cast(Rgb, rgb), self._plan)


def upright(pixels: Rgb | Grey, plan: VideoLayout) -> Rgb | Grey:
    """Return a frame, or one of its planes, as it should be seen; rows are contiguous."""
    if not plan.turns and not plan.mirrored:
        return pixels
    turned = np.rot90(pixels, plan.turns)
    return np.ascontiguousarray(turned[:, ::-1] if plan.mirrored else turned)


def ahead(items: Iterator[T], most: int) -> Iterator[T]:
    """Yield what `items` gives, made by a thread of its own that is at most so many items ahead.

    What it raises is raised here. When nobody wants any more, the thread ends with the item in hand.
    """
    made: queue.Queue[tuple[bool, T | BaseException | None]] = queue.Queue(most)
    unwanted = threading.Event()

    def give(is_last: bool, item: T | BaseException | None) -> None:
        while not unwanted.is_set():
            try:
                made.put((is_last, item), timeout=0.1)
            except queue.Full:
                continue
            return

    def make() -> None:
        try:
            for item in items:
                give(False, item)
                if unwanted.is_set():
                    break
            give(True, None)
        except BaseException as error:  # raised again by whoever asks next
            give(True, error)

    thread = threading.Thread(target=make, name="frames", daemon=True)
    thread.start()
    try:
        while True:
            is_last, item = made.get()
            if not is_last:
                yield item  # type: ignore[misc]
            elif item is None:
                return
            else:
                raise item  # type: ignore[misc]
    finally:
        unwanted.set()
        thread.join()


def _use(track: VideoStream, threads: int) -> None:
    track.codec_context.thread_count = threads
    if threads > 1:
        track.codec_context.thread_type = "AUTO"


def _from_key(container: InputContainer, track: VideoStream, segment: Segment) -> Iterator[Packet[VideoStream]] | None:
    """Return the packets from the key frame of a segment on; None when seeking does not find it."""
    import av

    try:
        container.seek(segment.key_dts or 0, stream=track)
    except av.error.FFmpegError:
        return None
    packets = packets_of(container, track)
    for packet in packets:
        if packet.dts is None or packet.dts > (segment.key_dts or 0):
            return None
        if _is_start(packet, segment):
            return _chained(packet, packets)
    return None


def _skipped_to(packets: Iterator[Packet[VideoStream]], segment: Segment) -> Iterator[Packet[VideoStream]]:
    for packet in packets:
        if _is_start(packet, segment):
            yield packet
            break
    yield from packets


def _is_start(packet: Packet[VideoStream], segment: Segment) -> bool:
    return packet.is_keyframe and packet.pts == segment.start and packet.dts == segment.key_dts


def _chained(first: Packet[VideoStream], rest: Iterator[Packet[VideoStream]]) -> Iterator[Packet[VideoStream]]:
    yield first
    yield from rest


def _numbered(
    packets: Iterator[Packet[VideoStream]], track: VideoStream, plan: VideoLayout, times: Ticks, segment: Segment
) -> Iterator[Read]:
    last = segment.first - 1
    for frame in _decoded(packets, track):
        if (frame.width, frame.height) != plan.stored_size:
            before = "×".join(map(str, plan.stored_size))
            at_s = plan.seconds_at(int(times[min(last + 1, len(times) - 1)]))
            raise VideoError(
                f"changes its size from {before} to {frame.width}×{frame.height} at {at_s:.1f} s:"
                " cut it there, or scale it to one size"
            )
        number, ticks = _place(frame, plan, times, last)
        if segment.end is not None and ticks >= segment.end:
            return  # frames come in the order in which they are shown: all others are later still
        if number > last and ticks >= segment.start:
            last = number
            yield Read(number, ticks, frame)


def _place(frame: VideoFrame, plan: VideoLayout, times: Ticks, last: int) -> tuple[int, int]:
    """Return the number of a frame and when it is shown."""
    if plan.timed and frame.pts is not None:
        number = int(np.searchsorted(times, frame.pts, side="right")) - 1
        return number, int(frame.pts)
    number = last + 1
    if number < len(times):
        return number, int(times[number])
    period = max(1, round(1 / plan.fps / plan.tick))
    return number, int(times[-1]) + (number - len(times) + 1) * period


def _decoded(packets: Iterator[Packet[VideoStream]], track: VideoStream) -> Iterator[VideoFrame]:
    import av

    for packet in packets:
        try:
            frames = packet.decode()
        except av.error.FFmpegError:  # a frame is missing: its number shows it
            continue
        yield from frames
    try:
        yield from track.codec_context.decode(None)
    except av.error.FFmpegError:  # it had given its last frames already
        return
