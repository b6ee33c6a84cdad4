"""From a picture's file to its entry in the results: open, analyse with a few others, draw, write."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import cv2

from mien.errors import PictureError
from mien.jobfiles import Entry, Input, Inputs, atomic_file
from mien.logs import get_logger
from mien.types import Face
from models.overlay import draw_faces
from models.picture import Picture, decode, encode_jpeg
from worker.analyse import Analyzer

# Faces of a few pictures are classified together. More gains little on a CPU and makes a stop take longer.
GROUP_PICTURES = 8
GROUP_PIXELS = 16_000_000
# A file that is larger than its pixels could be at 4 bytes each is no photo.
_BYTES_A_PIXEL = 4
_UNSAFE = re.compile(r"[^\w.-]+", re.ASCII)

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Opened:
    """A decoded picture of a job, with its index among the inputs."""

    index: int
    item: Input
    pixels: Picture = field(repr=False)


def is_full(group: Sequence[Opened]) -> bool:
    """Say whether a group of pictures should be analysed before another one is opened."""
    return len(group) >= GROUP_PICTURES or sum(each.pixels.size // 3 for each in group) >= GROUP_PIXELS


def open_picture(path: Path, max_pixels: int) -> Picture:
    """Return the pixels of a file; raises PictureError, with the reason, whatever is wrong with it."""
    try:
        if not path.is_file():
            raise PictureError("is not a file" if path.exists() else "the file does not exist (any more)")
        size = path.stat().st_size
        if size > max_pixels * _BYTES_A_PIXEL:
            raise PictureError(f"the file has {size} bytes, too many for a photo of {max_pixels} pixels")
        return decode(path.read_bytes(), max_pixels)
    except OSError as error:
        raise PictureError(f"the file cannot be read: {error.strerror or error}") from error
    except MemoryError as error:
        raise PictureError("the picture does not fit into memory: scale it down first") from error


class PictureReader:
    """Turns groups of opened pictures into entries of the results."""

    def __init__(self, analyzer: Analyzer, jpeg_quality: int) -> None:
        self._analyzer = analyzer
        self._jpeg_quality = jpeg_quality

    def read(self, group: Sequence[Opened], inputs: Inputs) -> dict[int, Entry]:
        """Return entries by index, and write the annotated pictures if the job wants them.

        A picture that cannot be analysed takes no other with it. Raises OSError when results cannot be written.
        """
        if not group:
            return {}
        try:
            faces, _ = self._analyzer.analyze_many([each.pixels for each in group])
        except (cv2.error, ValueError, RuntimeError, ArithmeticError, MemoryError) as error:
            if len(group) == 1:
                log.warning("picture cannot be analysed", path=str(group[0].item.path), exc_info=True)
                return {group[0].index: {"path": group[0].item.label, "reason": f"cannot be analysed: {_line(error)}"}}
            return {index: entry for each in group for index, entry in self.read([each], inputs).items()}
        return {each.index: self._entry(each, found, inputs) for each, found in zip(group, faces, strict=True)}

    def _entry(self, opened: Opened, faces: tuple[Face, ...], inputs: Inputs) -> Entry:
        height, width = opened.pixels.shape[:2]
        entry: Entry = {
            "path": opened.item.label,
            "width": width,
            "height": height,
            "faces": [face.to_dict() for face in faces],
        }
        if inputs.annotate:
            entry["annotated"] = annotated_name(opened.index, opened.item.path)
            draw_faces(opened.pixels, faces)
            with atomic_file(inputs.out / entry["annotated"], synced=False) as file:
                file.write(encode_jpeg(opened.pixels, self._jpeg_quality))
        return entry


def annotated_name(index: int, path: Path) -> str:
    """Return where the annotated picture goes, below the job's results: its number from 1, and a harmless stem."""
    return f"annotated/{index + 1}-{_UNSAFE.sub('_', path.stem)[:80] or 'picture'}.jpg"


def _line(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__
