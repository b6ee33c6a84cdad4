"""From what a person writes to the source that is meant."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from mien.errors import UnknownSource
from mien.logs import without_password
from mien.settings import Settings
from producer.sources.demo import Demo
from producer.sources.device import Device
from producer.sources.folder import Folder
from producer.sources.http_video import HttpVideo
from producer.sources.pattern import Pattern
from producer.sources.rtsp import Rtsp
from producer.sources.source import Source
from producer.sources.video_file import VideoFile

KNOWN = "a webcam number, a video file, a folder of pictures, rtsp://, http://, https://, test://pattern or demo://"
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")


@dataclass(frozen=True, slots=True)
class SourceRequest:
    """What a person may ask of a source: pictures a second (0: its own rate), and to start again at its end."""

    fps: float = 0.0
    loop: bool = False


def make_source(text: str, settings: Settings, wishes: SourceRequest | None = None) -> Source:
    """Return the source that `text` names, not yet open; raises UnknownSource when it can name none."""
    wishes = wishes or SourceRequest()
    text = text.strip()
    if not text:
        raise UnknownSource(f"the source is empty; give {KNOWN}")
    match = _SCHEME.match(text)
    if match is not None:
        return _addressed(match[1].lower(), text, settings, wishes)
    number = Device.number_in(text)
    if number is not None:
        return Device(number, fps=wishes.fps)
    return _stored(Path(text).expanduser(), settings, wishes)


def _addressed(scheme: str, text: str, settings: Settings, wishes: SourceRequest) -> Source:
    if scheme in ("rtsp", "rtsps"):
        return Rtsp(text, settings)
    if scheme in ("http", "https"):
        return HttpVideo(text, settings)
    if scheme == "test":
        return Pattern.from_address(text, fps=wishes.fps)
    if scheme == "demo":
        return Demo(settings, fps=wishes.fps)
    if scheme == "file":
        return _stored(Path(unquote(urlsplit(text).path)), settings, wishes)
    raise UnknownSource(f"the source {without_password(text)!r} is of no known kind; give {KNOWN}")


def _stored(path: Path, settings: Settings, wishes: SourceRequest) -> Source:
    if path.is_dir():
        return Folder(path, settings, fps=wishes.fps, loop=wishes.loop)
    return VideoFile(path, settings, fps=wishes.fps, loop=wishes.loop)
