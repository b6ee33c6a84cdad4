"""What happens to one picture of a job: from its file to pixels, and from its faces to an entry of the results."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import cv2

from mien.address import Address
from mien.errors import PictureError, line_of
from mien.files import atomic_file
from mien.inputs.fetch import Fetcher
from mien.inputs.input import Input
from mien.jobs.folder import Entry, Inputs
from mien.jobs.outputs import annotated_name
from mien.limits import BYTES_A_PIXEL, SMALLEST_FACE_PX
from mien.logs import get_logger
from mien.types import Face, picture_document
from models.pictures.overlay import draw_faces
from models.pictures.photo import Photo, pixels_in_memory, read_photo
from models.pictures.picture import encode_jpeg, read_header
from worker.analyzer import Analyzer

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Limits:
    """What a photo may be, and how small its faces are."""

    max_pixels: int
    smallest_face_px: int = SMALLEST_FACE_PX


@dataclass(frozen=True, slots=True)
class Fetched:
    """The file of a picture, read and not decoded yet; `pixels` is how many decoding it takes."""

    index: int
    item: Input
    data: bytes = field(repr=False)
    pixels: int


@dataclass(frozen=True, slots=True)
class Opened:
    """A decoded picture of a job, with its index among the inputs; `held` is how many pixels it holds of a budget."""

    index: int
    item: Input
    photo: Photo
    held: int = 0


@dataclass(frozen=True, slots=True)
class Unusable:
    """A picture that cannot be read or analysed, and why."""

    index: int
    item: Input
    reason: str
    held: int = 0

    def entry(self) -> Entry:
        """Return its entry in the results."""
        return {"path": self.item.label, "reason": self.reason}


@dataclass(frozen=True, slots=True)
class Analysed:
    """A picture and the faces in it, in pixels of what was decoded."""

    opened: Opened
    faces: tuple[Face, ...]


def open_photo(path: Path, limits: Limits) -> Photo:
    """Return the photo in a file; raises PictureError, with the reason, whatever is wrong with it."""
    return _read(_file(path, limits.max_pixels), limits)


def fetch(index: int, item: Input, fetcher: Fetcher, limits: Limits) -> Fetched | Unusable:
    """Return the file of an input."""
    try:
        data = fetcher.read(item.address, limits.max_pixels * BYTES_A_PIXEL)
        header = read_header(data)
        if header.width * header.height > limits.max_pixels:  # decoding will refuse it, and say why
            return Fetched(index, item, data, 0)
        return Fetched(index, item, data, pixels_in_memory(header, limits.smallest_face_px))
    except PictureError as error:
        return Unusable(index, item, line_of(error))


def decode(fetched: Fetched, limits: Limits) -> Opened | Unusable:
    """Return the picture of a file, upright."""
    try:
        return Opened(fetched.index, fetched.item, _read(fetched.data, limits), fetched.pixels)
    except PictureError as error:
        return Unusable(fetched.index, fetched.item, line_of(error), fetched.pixels)


def analyse(analyzer: Analyzer, group: Sequence[Opened]) -> list[Analysed | Unusable]:
    """Return the faces of pictures, classified as one batch; one that cannot be analysed takes no other with it."""
    try:
        faces, _ = analyzer.analyze_many([each.photo.pixels for each in group])
    except (cv2.error, ValueError, RuntimeError, ArithmeticError, MemoryError) as error:
        if len(group) > 1:
            return [result for each in group for result in analyse(analyzer, [each])]
        log.warning("picture cannot be analysed", picture=group[0].item.label, exc_info=True)
        return [Unusable(group[0].index, group[0].item, f"cannot be analysed: {line_of(error)}", group[0].held)]
    return [Analysed(each, found) for each, found in zip(group, faces, strict=True)]


def write(analysed: Analysed, inputs: Inputs, jpeg_quality: int) -> Entry:
    """Return the entry of a picture, and write it with its faces drawn in if the job wants that.

    The annotated picture has the size that was analysed: a huge photo comes back smaller. Raises OSError when it cannot
    be written.
    """
    opened, photo = analysed.opened, analysed.opened.photo
    found = photo.in_original(analysed.faces)
    entry: Entry = picture_document(opened.item.label, photo.width, photo.height, found)
    if inputs.annotate:
        entry["annotated"] = annotated_name(opened.index, opened.item.address.stem)
        draw_faces(photo.pixels, analysed.faces)
        with atomic_file(inputs.out / entry["annotated"], synced=False) as file:
            file.write(encode_jpeg(photo.pixels, jpeg_quality))
    return entry


def _file(path: Path, max_pixels: int) -> bytes:
    with Fetcher() as fetcher:
        return fetcher.read(Address.of_path(path.absolute()), max_pixels * BYTES_A_PIXEL)


def _read(data: bytes, limits: Limits) -> Photo:
    try:
        return read_photo(data, limits.max_pixels, limits.smallest_face_px)
    except MemoryError as error:
        raise PictureError("the picture does not fit into memory: scale it down first") from error
