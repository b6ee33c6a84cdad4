"""A folder of photos to measure with, made from the demo media: real faces in the sizes that people have."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from mien.errors import InputError
from mien.pixels import Rgb
from models.pictures.picture import encode_jpeg
from tests.support.demo_media import DEFAULT_FOLDER, astronaut, clip_frame, demo_file, photo

QUALITY = 90


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of picture in the folder: which demo picture, scaled to which size."""

    source: str
    width: int
    height: int

    @property
    def name(self) -> str:
        """How tables call it."""
        return f"{self.source} {self.width}×{self.height}"


KINDS = (
    Kind("astronaut", 512, 512),
    Kind("clip", 640, 360),
    Kind("group", 1080, 720),
    Kind("clip", 1280, 720),
    Kind("group", 1620, 1080),
    Kind("clip", 1920, 1080),
    Kind("group", 2400, 1600),
    Kind("astronaut", 2048, 2048),
)
"""From a picture on a web page to one from an older phone; one face each, five in `group`."""

HUGE = Kind("group", 6000, 4000)
"""What a camera of 24 megapixels delivers."""

_CLIP, _CLIP_FRAMES = "WolfgangLanger_Pexels.mp4", (0, 120, 240, 360)
_GROUP = "multi_face.jpg"


def write_folder(folder: Path, count: int, media: Path = DEFAULT_FOLDER, kinds: Sequence[Kind] = KINDS) -> list[Path]:
    """Write `count` pictures and return their paths; every run of `len(kinds)` files has one of each kind.

    A few are drawn and written, the others are links to them: what is measured reads each file anew. Without the demo
    package every picture shows the astronaut.
    """
    folder.mkdir(parents=True, exist_ok=True)
    paths: list[Path] = []
    drawn: dict[tuple[int, int], Path] = {}
    sources = _Sources(media)
    for number in range(count):
        place, variant = number % len(kinds), number // len(kinds) % len(_CLIP_FRAMES)
        path = folder / f"{number:06}.jpg"
        first = drawn.get((place, variant))
        if first is None:
            path.write_bytes(encode_jpeg(sources.draw(kinds[place], variant), QUALITY))
            drawn[(place, variant)] = path
        else:
            os.link(first, path)
        paths.append(path)
    return paths


class _Sources:
    """The demo pictures, each read once."""

    def __init__(self, media: Path) -> None:
        self._media = media
        self._read: dict[tuple[str, int], Rgb] = {}

    def draw(self, kind: Kind, variant: int) -> Rgb:
        """Return a picture of a kind; variants of still pictures differ in brightness."""
        source = self._source(kind.source, variant)
        scaled = cv2.resize(source, (kind.width, kind.height), interpolation=cv2.INTER_CUBIC)
        return np.asarray(
            scaled if kind.source == "clip" else cv2.convertScaleAbs(scaled, alpha=1 - 0.04 * variant), np.uint8
        )

    def _source(self, name: str, variant: int) -> Rgb:
        key = (name, variant if name == "clip" else 0)
        if key not in self._read:
            try:
                self._read[key] = self._open(*key)
            except InputError:
                self._read[key] = astronaut()
        return self._read[key]

    def _open(self, name: str, variant: int) -> Rgb:
        if name == "clip":
            return clip_frame(demo_file(_CLIP, self._media), _CLIP_FRAMES[variant])
        return photo(demo_file(_GROUP, self._media)) if name == "group" else astronaut()
