"""The pictures of a photo job, page by page, from what its finished chunks say."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated

from mien.documents import Count, Document, left_out_if
from mien.errors import InputError
from mien.jobs.folder import Entry, JobFolder
from mien.types import EMOTIONS, UNCERTAIN, Face

# A rare emotion may be in none of the next pictures: a request ends after so many chunks, and says where to continue.
CHUNKS_A_REQUEST = 10
NO_FACE = "none"


@dataclass(frozen=True, slots=True)
class PictureEntry(Document):
    """A picture of the results: its `index` among the inputs, its name, size and faces.

    `annotated` is the name of the picture with its faces drawn in, where the job was to draw it.
    """

    index: Count
    path: str
    width: Count
    height: Count
    faces: tuple[Face, ...]
    annotated: Annotated[str, left_out_if("")] = ""


@dataclass(frozen=True, slots=True)
class PicturePage(Document):
    """Pictures in the order of the inputs; `next` asks for the ones after them, and is None at the end."""

    pictures: tuple[PictureEntry, ...]
    next: int | None


def read_page(folder: JobFolder, after: int, limit: int, emotion: str = "") -> PicturePage:
    """Return at most `limit` pictures behind the input `after` (-1: from the first one).

    `emotion` leaves only pictures with such a face, or with `none` those without faces; then a page may be short, even
    empty, before the end. Raises InputError for an emotion that is none, JobError when the job's folder is gone.
    """
    if emotion and emotion not in (*EMOTIONS, UNCERTAIN, NO_FACE):
        raise InputError(f"there is no emotion {emotion[:50]!r}: {', '.join((*EMOTIONS, UNCERTAIN))}, or {NO_FACE}")
    size = folder.read_inputs().chunk_size
    chunks = sorted(chunk for chunk in folder.finished_chunks() if (chunk + 1) * size > after + 1)
    found: list[PictureEntry] = []
    for chunk in chunks[:CHUNKS_A_REQUEST]:
        for index, entry in _pictures(folder, chunk):
            if index > after and _shows(entry, emotion):
                found.append(PictureEntry.from_dict({"index": index, **entry}))
                if len(found) == limit:
                    return PicturePage(tuple(found), index)
    more = chunks[CHUNKS_A_REQUEST:]
    return PicturePage(tuple(found), more[0] * size - 1 if more else None)


def _pictures(folder: JobFolder, chunk: int) -> Iterator[tuple[int, Entry]]:
    for index, entry in sorted(folder.read_part(folder.part(chunk)).items()):
        if "reason" not in entry:
            yield index, entry


def _shows(entry: Entry, emotion: str) -> bool:
    if not emotion:
        return True
    faces = entry.get("faces", ())
    return not faces if emotion == NO_FACE else any(face["emotion"] == emotion for face in faces)
