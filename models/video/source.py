"""Opening a video: what may be opened at all, and why something is no video, in words for a list of failures.

FFmpeg reads hundreds of formats, and some of them are lists of other files and addresses (HLS, concat, SDP). A file
that came through the dashboard could be one, so only containers that hold their own pictures are let in, and nothing
but the file itself is read.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from mien.errors import PictureError, RuntimeMissing, VideoError, line_of
from mien.headers.picture import NAMES, picture_kind
from models.video.animation import as_video, is_animation

if TYPE_CHECKING:
    from av.audio.stream import AudioStream
    from av.container.input import InputContainer
    from av.packet import Packet
    from av.video.stream import VideoStream

T = TypeVar("T", "VideoStream", "AudioStream")

_CONTAINERS = (
    "mov,mp4,m4a,3gp,3g2,mj2",
    "matroska,webm",
    "avi,gif,apng,mpegts,mpeg,mpegvideo,m4v,h264,hevc,mjpeg,mpjpeg,ivf,nut,flv,asf,ogg,rm,dv,mxf,wtv,av1,obu,yuv4mpegpipe",
    # Sound alone: let in to say that there is no picture in it.
    "mp3,wav,flac,aac,aiff,amr,ac3,eac3,caf,w64,wv",
)
_OPTIONS = {"format_whitelist": ",".join(_CONTAINERS), "protocol_whitelist": "file"}
_HEAD_BYTES = 256


@contextmanager
def open_video(path: Path) -> Iterator[tuple[InputContainer, VideoStream]]:
    """Open a video and its picture track; raises VideoError, with the reason, whatever is wrong with it."""
    with _opened(path) as container:
        # A cover picture is a track of one picture; it is not what a person means by a video.
        tracks = [track for track in container.streams.video if not _is_cover(track)]
        if not tracks:
            what = "only sound" if container.streams.audio else "nothing to see"
            raise VideoError(f"has no video track: there is {what} in it")
        best = container.streams.best("video")
        track = next((track for track in tracks if best is not None and track.index == best.index), tracks[0])
        if track.codec_context is None:
            raise VideoError("its pictures are of a kind that cannot be decoded here")
        yield container, track


def packets_of(
    container: InputContainer, track: T, broken: Callable[[str], None] = lambda _: None
) -> Iterator[Packet[T]]:
    """Yield the packets of a track from where the container is, up to its end or to where it cannot be read further.

    In the second case `broken` is told why.
    """
    import av

    while True:
        try:
            yield from container.demux(track)
        except IndexError:  # PyAV trips over a track that begins in the middle, which is not the one wanted
            continue
        except av.error.FFmpegError as error:
            broken(said_by(error))
        return


def is_frame(packet: Packet[T]) -> bool:
    """Say whether a packet counts as a frame: it is no mark of the end, and no edit list leaves it out."""
    return bool(packet.size) and not packet.is_discard


def said_by(error: BaseException) -> str:
    """Return what FFmpeg said, in one line and without the path."""
    return line_of(getattr(error, "strerror", None) or error)


def is_refusal(error: BaseException) -> bool:
    """Say whether FFmpeg cannot go on with what it was given, which another try would not change."""
    av = sys.modules.get("av")
    # What the system refuses (no room on a disk, no permission) is an OSError too.
    return av is not None and isinstance(error, av.error.FFmpegError) and not isinstance(error, OSError)


def need_av() -> None:
    """Raise RuntimeMissing, with what to install, when videos cannot be read here."""
    try:
        import av  # noqa: F401
    except ImportError as error:
        raise RuntimeMissing("reading a video needs av: install mien[video]") from error


def _opened(path: Path) -> InputContainer:
    import av

    try:
        if not path.is_file():
            raise VideoError("is not a file" if path.exists() else "the file does not exist (any more)")
        if path.stat().st_size == 0:
            raise VideoError("is not a video: the file is empty")
        return av.open(str(path.absolute()), mode="r", container_options=_OPTIONS)
    except av.error.FFmpegError as error:
        if is_animation(path):
            return av.open(as_video(path), mode="r")
        raise VideoError(_why_not(path, error)) from error
    except OSError as error:
        raise VideoError(f"the file cannot be read: {error.strerror or error}") from error


def _why_not(path: Path, error: Exception) -> str:
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD_BYTES)
    except OSError as unreadable:
        return f"the file cannot be read: {unreadable.strerror or unreadable}"
    if head[4:8] == b"ftyp":
        return "is damaged or breaks off before its index, so nothing in it can be found: fetch the file again"
    if isinstance(error, EOFError):
        return "has no frames, or breaks off before the first one"
    picture = _picture_kind(head)
    if picture:
        return f"is not a video but a picture ({picture}): `mien photos enqueue` reads it"
    return f"is not a video that can be read ({said_by(error)})"


def _picture_kind(head: bytes) -> str:
    try:
        return NAMES[picture_kind(head)]
    except PictureError:
        return ""


def _is_cover(track: VideoStream) -> bool:
    from av.stream import Disposition

    return bool(track.disposition & Disposition.attached_pic)
