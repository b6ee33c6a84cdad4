"""The frames of one segment, each with its number and its time: the same whoever reads them, and however often."""

from __future__ import annotations

import heapq
import queue
import threading
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar, cast

import numpy as np

from mien.errors import VideoError
from mien.pixels import Grey, Rgb
from models.video.plan import Segment, Ticks, VideoLayout
from models.video.source import is_frame, open_video, packets_of

if TYPE_CHECKING:
    from av.container.input import InputContainer
    from av.packet import Packet
    from av.video.frame import VideoFrame
    from av.video.reformatter import VideoReformatter
    from av.video.stream import VideoStream

T = TypeVar("T")

# H.264 and H.265 hold back at most 16 frames until an earlier one is there.
_MOST_HELD = 16


@dataclass(frozen=True, slots=True)
class Read:
    """A decoded frame: its number in the video from 0, and when it is shown, in ticks of the container.

    Frames that cannot be decoded leave a gap in the numbers.
    """

    number: int
    ticks: int
    frame: VideoFrame


class SizeChange(VideoError):
    """Frame `number` has another `size`, width and height, than those before it."""

    def __init__(self, plan: VideoLayout, times: Ticks, number: int, size: tuple[int, int]) -> None:
        was, now = ("×".join(map(str, each)) for each in (plan.stored_size, size))
        super().__init__(
            f"changes its size from {was} to {now} at {plan.seconds_at(int(times[number])):.1f} s: what comes before"
            " was read; cut it there, or scale it to one size"
        )
        self.number = number
        self.size = size


def read_segment(path: Path, plan: VideoLayout, times: Ticks, segment: Segment, threads: int = 1) -> Iterator[Read]:
    """Yield the frames of a segment in the order in which they are shown, each number once.

    `times` are those of all frames of the video. Raises SizeChange where the frames change their size, and VideoError
    when the file cannot be read any more.
    """
    with open_video(path) as (container, track):
        _use(track, threads)
        packets = _sought(container, track, segment) if segment.key else packets_of(container, track)
        if packets is not None:
            yield from _reads(packets, track, plan, times, segment)
            return
    # No stamp, or no index of the container, leads there: everything before it is passed by.
    with open_video(path) as (container, track):
        _use(track, threads)
        packets = _skipped_to(packets_of(container, track), segment.key)
        yield from _reads(packets, track, plan, times, segment)


def _reads(
    packets: Iterator[Packet[VideoStream]], track: VideoStream, plan: VideoLayout, times: Ticks, segment: Segment
) -> Iterator[Read]:
    if plan.timed:
        reads = _in_order(_timed(_decoded(packets, track), times, segment), segment.first)
    else:
        counted = _counted(_decoded(_told(packets, segment), track), times, segment)
        reads = _within(_in_order(counted, segment.counted_from), segment)
    return _of_one_size(reads, plan, times)


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

    What it raises is raised here. When nobody wants any more, the thread ends with the item in hand. With 0, nothing
    is made ahead, and there is no thread.
    """
    if not most:
        yield from items
        return
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


def _sought(container: InputContainer, track: VideoStream, segment: Segment) -> Iterator[Packet[VideoStream]] | None:
    """Return the packets from the key frame of a segment on; None when seeking does not find it."""
    import av

    if segment.key_pts is None or segment.key_dts is None:
        return None
    try:
        container.seek(segment.key_dts, stream=track)
    except av.error.FFmpegError:
        return None
    packets = packets_of(container, track)
    for packet in packets:
        if packet.dts is None or packet.dts > segment.key_dts:
            return None
        if packet.is_keyframe and packet.pts == segment.key_pts and packet.dts == segment.key_dts:
            return chain([packet], packets)
    return None


def _skipped_to(packets: Iterator[Packet[VideoStream]], number: int) -> Iterator[Packet[VideoStream]]:
    """Pass by everything before the packet of that number."""
    counted = 0
    for packet in packets:
        if counted == number:
            yield packet
            break
        counted += is_frame(packet)
    yield from packets


def _told(packets: Iterator[Packet[VideoStream]], segment: Segment) -> Iterator[Packet[VideoStream]]:
    """Put its number into each packet, as far as frames are counted: the frame that comes of it will bear it."""
    number = segment.key
    for packet in packets:
        packet.dts = None
        packet.pts = None
        if is_frame(packet):
            if number == segment.counted_to:
                return
            packet.pts = number
            number += 1
        yield packet


def _timed(frames: Iterator[VideoFrame], times: Ticks, segment: Segment) -> Iterator[Read]:
    """Yield the frames of a segment with the numbers that their stamps have among all stamps."""
    beyond = 0
    for frame in frames:
        if frame.pts is None or frame.pts < segment.start:
            continue
        if segment.end is not None and frame.pts >= segment.end:
            beyond += 1
            if beyond > _MOST_HELD:
                return  # no frame of this segment can be shown after so many of the next
            continue
        number = int(np.searchsorted(times, frame.pts, side="right")) - 1
        yield Read(number, int(frame.pts), frame)


def _counted(frames: Iterator[VideoFrame], times: Ticks, segment: Segment) -> Iterator[Read]:
    """Yield the frames that are counted together with the numbers of their packets."""
    last = -1
    for frame in frames:
        number = last + 1 if frame.pts is None else int(frame.pts)
        last = max(last, number)
        if segment.counted_from <= number < segment.counted_to:
            yield Read(number, int(times[number]), frame)


def _within(reads: Iterator[Read], segment: Segment) -> Iterator[Read]:
    for read in reads:
        if read.number >= segment.first + segment.frames:
            return
        if read.number >= segment.first:
            yield read


def _in_order(reads: Iterator[Read], first: int) -> Iterator[Read]:
    """Yield frames in the order in which they come, which is that in which they are shown, with rising numbers.

    Their own numbers may not rise: stamps lie, and packets are stored in the order of decoding. So a frame gets the
    lowest number of those that came with it or soon after, and waits until none lower can come.
    """
    frames: deque[Read] = deque()
    numbers: list[tuple[int, int]] = []
    expected = first

    def lowest() -> Iterator[Read]:
        nonlocal expected
        frame, (number, ticks) = frames.popleft(), heapq.heappop(numbers)
        if number >= expected:  # else a frame came twice
            expected = number + 1
            yield Read(number, ticks, frame.frame)

    for read in reads:
        frames.append(read)
        heapq.heappush(numbers, (read.number, read.ticks))
        while numbers and (numbers[0][0] <= expected or len(numbers) > _MOST_HELD):
            yield from lowest()
    while numbers:
        yield from lowest()


def _of_one_size(reads: Iterator[Read], plan: VideoLayout, times: Ticks) -> Iterator[Read]:
    for read in reads:
        size = read.frame.width, read.frame.height
        if size != plan.stored_size:
            raise SizeChange(plan, times, read.number, size)
        yield read


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
