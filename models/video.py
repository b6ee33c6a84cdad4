"""The frames of a video file, in order, each with its number and its time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

import numpy as np

from mien.errors import RuntimeMissing, VideoError
from mien.logs import get_logger
from models.picture import Picture

if TYPE_CHECKING:
    import av
    from av.container import InputContainer
    from av.video.stream import VideoStream

# Where a container says no rate at all.
_ASSUMED_FPS = 25.0
# Some formats are lists of other files and addresses: nothing is asked of a network.
_OPTIONS = {"protocol_whitelist": "file"}

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class VideoFrame:
    """One frame: its number from 0, its time in seconds from the video's first frame, and a way to its pixels.

    `pts` is its time in the units of the container, where it says one. `read` gives RGB, uint8 [height, width, 3],
    upright; it costs a conversion, so that frames which nobody looks at are cheap.
    """

    number: int
    seconds: float
    pts: int | None
    read: Callable[[], Picture] = field(repr=False, compare=False)


def frames(path: Path) -> Iterator[VideoFrame]:
    """Yield the frames of a video; times are those of the container, whatever its frame rate does.

    A video that breaks off ends there, which is logged. Raises VideoError when it is missing, is no video or has no
    frame at all, and RuntimeMissing without PyAV.
    """
    number, first_s = -1, 0.0
    with _opened(path) as container:
        stream, to_rgb = _pictures(container), _ToRgb()
        stream.thread_type = "AUTO"
        try:
            for number, frame in enumerate(container.decode(stream)):
                at_s = frame.time if frame.time is not None else number / float(stream.average_rate or _ASSUMED_FPS)
                first_s = first_s if number else at_s
                yield VideoFrame(number, at_s - first_s, frame.pts, partial(to_rgb, frame))
        except _pyav().error.FFmpegError as error:
            if number < 0:
                raise VideoError(f"{path} cannot be read as a video: {_reason(error)}") from error
            log.warning("the video breaks off", path=str(path), frames=number + 1, reason=_reason(error))
    if number < 0:
        raise VideoError(f"{path} has no frame in it")


def read_frame(path: Path, number: int, pts: int | None = None) -> Picture:
    """Return one frame of a video, RGB, found by its `pts` where that is known.

    Raises VideoError when the video has no such frame, and as `frames`.
    """
    found = None if pts is None else _at(path, pts)
    if found is not None:
        return found
    for frame in frames(path):
        if frame.number == number:
            return frame.read()
    raise VideoError(f"{path} has no frame {number}")


def _at(path: Path, pts: int) -> Picture | None:
    """Return the frame with that time by way of the key frame before it; None where seeking does not lead to it."""
    with _opened(path) as container:
        stream = _pictures(container)
        try:
            container.seek(pts, stream=stream)
            for frame in container.decode(stream):
                if frame.pts == pts:
                    return _ToRgb()(frame)
        except _pyav().error.FFmpegError:
            return None
    return None


@contextmanager
def _opened(path: Path) -> Iterator[InputContainer]:
    pyav = _pyav()
    if not path.is_file():
        raise VideoError(f"{path} is not a file" if path.exists() else f"{path}: no such file")
    try:
        container = pyav.open(str(path), container_options=_OPTIONS)
    except (pyav.error.FFmpegError, OSError) as error:
        raise VideoError(f"{path} cannot be read as a video: {_reason(error)}") from error
    with container:
        if container.streams.best("video") is None:
            raise VideoError(f"{path} has no video in it")
        yield container


def _pictures(container: InputContainer) -> VideoStream:
    best = container.streams.best("video")
    return next(stream for stream in container.streams.video if best is not None and stream.index == best.index)


def _pyav() -> ModuleType:
    try:
        import av
    except ModuleNotFoundError as error:
        raise RuntimeMissing(f"reading a video needs {error.name}: install mien[video]") from error
    return av


class _ToRgb:
    """Turns decoded frames into upright RGB; kept for all frames of a video, which is several times faster."""

    def __init__(self) -> None:
        from av.video.reformatter import VideoReformatter

        self._reformatter = VideoReformatter()

    def __call__(self, frame: av.VideoFrame) -> Picture:
        rgb = self._reformatter.reformat(frame, format="rgb24", threads=1).to_ndarray()
        # What the container says of phones that were held upright, in degrees counter-clockwise.
        return np.ascontiguousarray(np.rot90(rgb, round(frame.rotation / 90)), np.uint8)


def _reason(error: Exception) -> str:
    return str(getattr(error, "strerror", "") or error)
