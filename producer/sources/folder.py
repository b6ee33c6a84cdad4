"""A folder of pictures as a camera."""

from __future__ import annotations

import time
from pathlib import Path
from typing import cast

import cv2
import numpy as np

from mien.errors import PictureError, UnknownSource
from mien.headers.picture import header_of
from mien.limits import check_pixels
from mien.logs import get_logger
from mien.pixels import Bgr
from mien.settings import Settings
from producer.sources.jpeg import jpeg_size
from producer.sources.source import Grab, PacedSource

USUAL_FPS = 1.0
_ENDINGS = {".jpg", ".jpeg", ".png", ".bmp", ".webp"}
_DECODED = {"png", "bmp", "webp"}
_LONGEST_FILE = 256 * 1024 * 1024

log = get_logger(__name__)


class Folder(PacedSource):
    """The pictures of a folder by name, one a second unless `fps` says otherwise.

    JPEGs are published unchanged, whatever their ending. A file that is no picture, or declares more than
    `photo_max_pixels`, is logged, left out and not counted as captured.
    """

    def __init__(self, path: Path, settings: Settings, *, fps: float = 0.0, loop: bool = False) -> None:
        self._path = path
        self._settings = settings
        self._period_s = 1 / (fps or USUAL_FPS)
        self._loop = loop
        self._files: list[Path] = []
        self._next = 0
        self._due = 0
        self._bad: set[Path] = set()

    def open(self) -> None:
        """List the pictures; raises UnknownSource when there are none."""
        try:
            files = sorted(path for path in self._path.iterdir() if path.suffix.lower() in _ENDINGS)
        except OSError as error:
            raise UnknownSource(f"the folder {self._path} cannot be read: {error.strerror}") from None
        if not files:
            raise UnknownSource(f"the folder {self._path} holds no pictures (jpg, png, bmp, webp)")
        self._files, self._next, self._due, self._bad = files, 0, 0, set()

    def read(self) -> Grab | None:
        """Return the next picture, or None at the end; raises UnknownSource when not one can be read."""
        while self._next < len(self._files) or self._loop:
            path = self._files[self._next % len(self._files)]
            self._next += 1
            if path in self._bad:
                continue
            try:
                picture, width, height = self._picture(path)
            except PictureError as error:
                log.warning("a picture was left out", file=path.name, reason=str(error))
                self._bad.add(path)
                if len(self._bad) == len(self._files):
                    raise UnknownSource(
                        f"not one of the {len(self._files)} pictures in {self._path} can be read"
                    ) from None
                continue
            self._due += 1
            return Grab(time.monotonic_ns(), picture, width, height, (self._due - 1) * self._period_s)
        return None

    def pass_over(self, position_s: float) -> int:
        """Pass over pictures without opening them."""
        late = max(0, int(position_s / self._period_s) - self._due)
        passed = late if self._loop else min(late, max(0, len(self._files) - 1 - self._next))
        self._next += passed
        self._due += passed
        return passed

    def close(self) -> None:
        """Forget the list."""
        self._files = []

    def _picture(self, path: Path) -> tuple[bytes | Bgr, int, int]:
        try:
            if path.stat().st_size > _LONGEST_FILE:
                raise PictureError(f"larger than {_LONGEST_FILE} bytes")
            data = path.read_bytes()
        except OSError as error:
            raise PictureError(f"cannot be read: {error.strerror}") from None
        header = header_of(data)
        if header.kind == "jpeg":
            return data, *jpeg_size(data, self._settings.photo_max_pixels)
        if header.kind not in _DECODED:
            raise PictureError(f"a folder holds JPEG, PNG, BMP or WebP pictures, this is a {header.format}")
        check_pixels(header.width, header.height, self._settings.photo_max_pixels)
        picture = _decoded(data)
        return picture, picture.shape[1], picture.shape[0]


def _decoded(data: bytes) -> Bgr:
    try:
        picture = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    except cv2.error:  # larger than OpenCV itself allows
        picture = None
    if picture is None:
        raise PictureError("the picture is damaged or of an unusual kind")
    return cast(Bgr, picture)
