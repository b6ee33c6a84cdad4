"""Animated WebP, which FFmpeg does not read: Pillow does, and its pictures become a video in memory, without loss."""

from __future__ import annotations

import io
from fractions import Fraction
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mien.errors import PictureError, VideoError
from mien.headers.animation import pictures_in
from mien.headers.picture import header_of
from mien.limits import VIDEO_PIXELS, check_pixels
from mien.pixels import Rgb

if TYPE_CHECKING:
    from PIL.Image import Image

_MOST_BYTES = 256 << 20
_TICK = Fraction(1, 1000)
# What browsers make of a picture that is shown for no time at all.
_SHORTEST_MS, _USUAL_MS = 11, 100


def is_animation(path: Path) -> bool:
    """Say whether a file is an animated WebP; raises VideoError when it cannot be read."""
    try:
        with path.open("rb") as file:
            if file.read(12)[8:] != b"WEBP":
                return False
        data = path.read_bytes() if path.stat().st_size <= _MOST_BYTES else b""
        header = header_of(data)
    except (PictureError, ValueError, IndexError):
        return False
    except OSError as error:
        raise VideoError(f"the file cannot be read: {error.strerror or error}") from error
    return pictures_in(data, header) > 1


def as_video(path: Path) -> io.BytesIO:
    """Return a Matroska file of an animation, each picture over white; raises VideoError for a damaged or huge one."""
    found = path.stat()
    return io.BytesIO(_converted(path, found.st_size, found.st_mtime_ns))


# A video is opened for its plan and for every segment.
@lru_cache(maxsize=1)
def _converted(path: Path, _size: int, _changed_ns: int) -> bytes:
    import av
    from PIL import Image

    video = io.BytesIO()
    number = 0
    try:
        with Image.open(path) as animation, av.open(video, "w", format="matroska") as container:
            check_pixels(animation.width, animation.height, VIDEO_PIXELS, "the animation", VideoError)
            stream: Any = container.add_stream("ffv1", rate=25)
            stream.width, stream.height, stream.pix_fmt = animation.width, animation.height, "bgr0"
            stream.codec_context.time_base = _TICK
            shown_ms = 0
            for number in range(getattr(animation, "n_frames", 1)):
                animation.seek(number)
                frame = av.VideoFrame.from_ndarray(_over_white(animation), format="rgb24")
                frame.pts, frame.time_base = shown_ms, _TICK
                container.mux(stream.encode(frame))
                lasts_ms = int(animation.info.get("duration", 0))
                shown_ms += lasts_ms if lasts_ms >= _SHORTEST_MS else _USUAL_MS
                if video.tell() > _MOST_BYTES:
                    raise VideoError("is an animation that is too large to be read as it is: make it an MP4")
            container.mux(stream.encode(None))
    except (OSError, EOFError, SyntaxError, ValueError) as error:
        raise VideoError(f"is an animation that is damaged at picture {number + 1}: fetch it again") from error
    return video.getvalue()


def _over_white(picture: Image) -> Rgb:
    from PIL import Image

    coloured = picture.convert("RGBA")
    ground = Image.new("RGBA", coloured.size, (255, 255, 255, 255))
    return np.asarray(Image.alpha_composite(ground, coloured).convert("RGB"), np.uint8)
