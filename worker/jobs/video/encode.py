"""The encoder of annotated videos, and the frames that it takes.

mien itself brings no encoder: it takes what the installed PyAV has. Its wheels bundle x264, which is free under the
GPL; a build without it has OpenH264 or FFmpeg's own MPEG-4, which browsers do not play.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Literal, cast

import numpy as np

from mien.errors import RuntimeMissing
from mien.files import atomic_path, remove_leftovers
from mien.logs import get_logger
from models.video.plan import VideoLayout
from models.video.read import upright
from worker.jobs.video.paint import Matrix, Plane, Planes, matrix_of

if TYPE_CHECKING:
    from av.container.output import OutputContainer
    from av.video.frame import VideoFrame
    from av.video.reformatter import VideoReformatter
    from av.video.stream import VideoStream

EncoderName = Literal["auto", "libx264", "libopenh264", "mpeg4"]
ENCODERS: tuple[EncoderName, ...] = ("libx264", "libopenh264", "mpeg4")
"""The encoders that are used, the best first."""

# x264's fastest preset, and of what it leaves out that which saves most bytes for its time: measured at 720p, 0.42 of
# the time of `veryfast` for 1.2 of its bytes, 1 dB below it. No B-frames: frames are stored in the order in which they
# are shown, so that segments join without a seam.
_OPTIONS = {
    "libx264": {
        "preset": "ultrafast",
        "crf": "22",
        "bf": "0",
        "x264-params": "mbtree=1:rc-lookahead=5:cabac=1:deblock=0,0:aq-mode=1:scenecut=40",
    },
    "libopenh264": {},
    "mpeg4": {"bf": "0"},
}
_BITS_A_PIXEL = 0.12
_KEY_S = 2.0
# Formats whose planes an encoder takes as they are.
_DIRECT = ("yuv420p", "yuvj420p")
_LIMITED, _FULL = 1, 2
_SMPTE170M, _BT601_SWS = 6, 5
_MPEG4_TICK = Fraction(1, 30_000)  # MPEG-4 allows at most 65535 ticks a second
log = get_logger(__name__)


def choose_encoder(wanted: EncoderName = "auto") -> str:
    """Return the encoder to use; raises RuntimeMissing when the wanted one, or any, is not there."""
    import av

    for name in ENCODERS if wanted == "auto" else (wanted,):
        try:
            av.codec.Codec(name, "w")
        except ValueError:
            continue
        if name == "mpeg4":
            log.warning("no H.264 encoder in PyAV: browsers will not play the annotated video", encoder=name)
        return name
    raise RuntimeMissing(f"the installed PyAV cannot encode with {wanted}: set video_encoder to another one")


def shown_colours(plan: VideoLayout) -> tuple[int, int, int, int]:
    """Return matrix, range, primaries and transfer of the annotated video, as FFmpeg's numbers."""
    matrix, span, primaries, transfer = plan.colours
    if plan.pixels in _DIRECT:
        return matrix, _FULL if plan.pixels.startswith("yuvj") else span, primaries, transfer
    return (matrix if plan.pixels.startswith("yuv") else _SMPTE170M), _LIMITED, primaries, transfer


def matrix_for(plan: VideoLayout) -> Matrix:
    """Return how colours are drawn into the annotated video."""
    return matrix_of(*shown_colours(plan)[:2])


class FrameCopier:
    """Makes fresh, upright, even-sided 4:2:0 frames out of decoded ones; keep one for all frames of a video."""

    def __init__(self, plan: VideoLayout) -> None:
        from av.video.reformatter import VideoReformatter

        self._plan = plan
        self._reformatter: VideoReformatter = VideoReformatter()

    def __call__(self, frame: VideoFrame) -> tuple[VideoFrame, Planes]:
        """Return a frame that nobody else uses, and its planes, which may be drawn on.

        The decoder still needs its own frame to predict others from.
        """
        import av

        plan = self._plan
        if frame.format.name not in _DIRECT or plan.pixels not in _DIRECT:
            frame = self._converted(frame)
        width, height = plan.even_size
        fresh = av.VideoFrame(width, height, "yuv420p")
        planes = planes_of(fresh)
        for target, source in zip(planes, planes_of(frame), strict=True):
            _copy(upright(source, plan), target)
        return fresh, planes

    def _converted(self, frame: VideoFrame) -> VideoFrame:
        is_yuv = frame.format.name.startswith("yuv")
        is_full = frame.color_range == _FULL or frame.format.name.startswith("yuvj") or not is_yuv
        return self._reformatter.reformat(
            frame,
            format="yuv420p",
            dst_colorspace=None if is_yuv else _BT601_SWS,
            src_color_range=_FULL if is_full else _LIMITED,
            dst_color_range=_FULL if shown_colours(self._plan)[1] == _FULL else _LIMITED,
            threads=1,
        )


def planes_of(frame: VideoFrame) -> Planes:
    """Return the planes of a 4:2:0 frame, without copying."""
    planes = []
    for plane in frame.planes:
        rows: Plane = np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)  # type: ignore[call-overload]
        planes.append(rows[: plane.height, : plane.width])
    return cast(Planes, tuple(planes))


class SegmentEncoder:
    """Encodes frames into an MP4 that holds nothing else; see `encoder_into`."""

    def __init__(self, container: OutputContainer, plan: VideoLayout, encoder: str, threads: int) -> None:
        self._container = container
        self._tick = _MPEG4_TICK if encoder == "mpeg4" else plan.tick
        self._plan_tick = plan.tick
        self._stream = _stream(container, plan, encoder, threads, self._tick)
        self._first: int | None = None

    def encode(self, frame: VideoFrame, ticks: int) -> None:
        """Add a frame that is shown at `ticks`; frames come in order."""
        if self._first is None:
            self._first = ticks
        frame.pts = round((ticks - self._first) * self._plan_tick / self._tick)
        frame.time_base = self._tick
        self._container.mux(self._stream.encode(frame))

    def finish(self) -> None:
        """Write what the encoder still holds."""
        self._container.mux(self._stream.encode(None))


@contextmanager
def encoder_into(path: Path, plan: VideoLayout, encoder: str, threads: int = 1) -> Iterator[SegmentEncoder]:
    """Open an encoder into a file, which is there when everything is encoded and not before.

    Raises OSError when it cannot be written.
    """
    with new_mp4(path) as container:
        writer = SegmentEncoder(container, plan, encoder, threads)
        yield writer
        writer.finish()


@contextmanager
def new_mp4(path: Path, **options: str) -> Iterator[OutputContainer]:
    """Open an MP4 for writing that replaces `path` only when it is whole; what killed processes left is removed.

    Raises OSError when the disk does not take it.
    """
    import av

    # Other segments may be written by other machines: only what was left of this very file is nobody's.
    remove_leftovers(path.parent, path.name)
    with atomic_path(path) as fresh, av.open(str(fresh), "w", format="mp4", container_options=options) as container:
        yield container


def _stream(container: OutputContainer, plan: VideoLayout, encoder: str, threads: int, tick: Fraction) -> VideoStream:
    stream: VideoStream = container.add_stream(encoder, rate=plan.fps, options=_OPTIONS[encoder])  # type: ignore[assignment]
    context = stream.codec_context
    context.width, context.height = plan.even_size
    context.pix_fmt = "yuv420p"
    context.time_base = tick
    context.framerate = plan.fps
    context.thread_count = threads
    context.gop_size = max(1, round(_KEY_S * float(plan.fps)))
    context.colorspace, context.color_range, context.color_primaries, context.color_trc = shown_colours(plan)
    if plan.aspect != 1:
        context.sample_aspect_ratio = plan.aspect
    if encoder != "libx264":
        context.bit_rate = round(_BITS_A_PIXEL * context.width * context.height * float(plan.fps))
    return stream


def _copy(source: Plane, target: Plane) -> None:
    height, width = source.shape
    target[:height, :width] = source
    if width < target.shape[1]:
        target[:height, width:] = source[:, -1:]
    if height < target.shape[0]:
        target[height:] = target[height - 1]
