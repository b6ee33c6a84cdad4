"""The frames of a video file for notebooks and scripts: those that a job reads, one after the other."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from mien.errors import VideoError
from mien.logs import get_logger
from mien.pixels import Rgb
from models.video.plan import Ticks, VideoLayout
from models.video.probe import probe
from models.video.read import Read, ToRgb, read_segment
from models.video.source import need_av

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class VideoFrame:
    """One frame: its number from 0, its time in seconds from the video's first frame, and two ways to its pixels.

    Both give an upright picture. `read` converts the decoded frame, which it holds in memory.
    `again` holds nothing and decodes the file anew from where the frame's segment starts, so that nothing differs. A
    segment has 30 s up to its next key frame, or more where these are rare. `again` raises
    VideoError when the file or the frame is not there any more.
    """

    number: int
    seconds: float
    read: Callable[[], Rgb] = field(repr=False, compare=False)
    again: Callable[[], Rgb] = field(repr=False, compare=False)


def frames(path: Path, every: int = 1, threads: int = 1) -> Iterator[VideoFrame]:
    """Yield the frames of a video whose number `every` divides, in the order in which they are shown.

    The file is gone through once before the first frame, for numbers and times, and decoded by so many threads.
    Frames that cannot be decoded leave a gap in the numbers. A video that breaks off ends there, which is logged.
    Raises VideoError when it is missing, is no video, has no frame at all or changes its size, and RuntimeMissing
    without PyAV.
    """
    need_av()
    with _named(path):
        video = _Video(path, *probe(path), threads)
        if video.plan.broken:
            log.warning("a video breaks off", path=str(path), frames=video.plan.frames, reason=video.plan.broken)
        to_rgb = ToRgb(video.plan)
        for read in video.reads():
            if read.number % every == 0:
                seconds = video.plan.seconds_at(read.ticks)
                yield VideoFrame(read.number, seconds, partial(to_rgb, read.frame), partial(video.picture, read.number))


@dataclass(frozen=True, slots=True)
class _Video:
    path: Path
    plan: VideoLayout
    times: Ticks
    threads: int

    def reads(self, first: int = 0) -> Iterator[Read]:
        """Yield the frames from the segment on in which frame number `first` is."""
        for segment in self.plan.segments:
            if segment.end is None or segment.first + segment.frames > first:
                yield from read_segment(self.path, self.plan, self.times, segment, self.threads)

    def picture(self, number: int) -> Rgb:
        with _named(self.path):
            for read in self.reads(number):
                if read.number == number:
                    return ToRgb(self.plan)(read.frame)
                if read.number > number:
                    break
            raise VideoError(f"has no frame {number} any more")


@contextmanager
def _named(path: Path) -> Iterator[None]:
    """Put the path before what is wrong with a video."""
    try:
        yield
    except VideoError as error:
        raise VideoError(f"{path}: {error}") from error
