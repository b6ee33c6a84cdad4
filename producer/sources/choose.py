"""Choose the source for the address that a person wrote."""

from __future__ import annotations

from dataclasses import dataclass

from mien.address import Address, AddressKind
from mien.errors import UnknownSource
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


@dataclass(frozen=True, slots=True)
class SourceRequest:
    """What a person may ask of a source: pictures a second (0: its own rate), and to start again at its end."""

    fps: float = 0.0
    loop: bool = False


def make_source(address: Address, settings: Settings, wishes: SourceRequest | None = None) -> Source:
    """Return the source at an address, not yet open; raises UnknownSource when there can be none."""
    wishes = wishes or SourceRequest()
    if not address.secret():
        raise UnknownSource(f"the source is empty; give {KNOWN}")
    match address.kind:
        case AddressKind.RTSP:
            return Rtsp(address, settings)
        case AddressKind.HTTP:
            return HttpVideo(address, settings)
        case AddressKind.TEST:
            return Pattern.from_address(address, fps=wishes.fps)
        case AddressKind.DEMO:
            return Demo(settings, fps=wishes.fps)
        case AddressKind.WEBCAM:
            return Device(address.number, fps=wishes.fps)
        case AddressKind.PATH:
            return _stored(address, settings, wishes)
    raise UnknownSource(f"the source '{address}' is not of a known kind; give {KNOWN}")


def _stored(address: Address, settings: Settings, wishes: SourceRequest) -> Source:
    path = address.path.expanduser()
    if path.is_dir():
        return Folder(path, settings, fps=wishes.fps, loop=wishes.loop)
    return VideoFile(path, settings, fps=wishes.fps, loop=wishes.loop)
