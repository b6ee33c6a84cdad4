"""The pictures of a photo job, page by page, from what its finished chunks say."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from mien.errors import InputError
from mien.jobs.folder import Entry, JobFolder
from mien.types import EMOTIONS, UNCERTAIN

# A rare emotion may be in none of the next pictures: a request ends after so many chunks, and tells where to go on.
CHUNKS_A_REQUEST = 10
NO_FACE = "none"


@dataclass(frozen=True, slots=True)
class Page:
    """Pictures in the order of the inputs; `after` asks for the next ones, and is None at the end.

    Each picture is an entry of the results with its `index` among the inputs.
    """

    pictures: tuple[Entry, ...]
    after: int | None

    def to_dict(self) -> dict[str, object]:
        """Return the page as JSON types."""
        return {"pictures": list(self.pictures), "next": self.after}


def read_page(folder: JobFolder, after: int, limit: int, emotion: str = "") -> Page:
    """Return at most `limit` pictures behind the input `after` (-1: from the first one).

    `emotion` leaves only pictures with such a face, or with `none` those without faces; then a page may be short, even
    empty, before the end. Raises InputError for an emotion that is none, JobError when the job's folder is gone.
    """
    if emotion and emotion not in (*EMOTIONS, UNCERTAIN, NO_FACE):
        raise InputError(f"there is no emotion {emotion[:50]!r}: {', '.join((*EMOTIONS, UNCERTAIN))}, or {NO_FACE}")
    size = folder.read_inputs().chunk_size
    chunks = sorted(chunk for chunk in folder.finished_chunks() if (chunk + 1) * size > after + 1)
    found: list[Entry] = []
    for chunk in chunks[:CHUNKS_A_REQUEST]:
        for index, entry in _pictures(folder, chunk):
            if index > after and _shows(entry, emotion):
                found.append({"index": index, **entry})
                if len(found) == limit:
                    return Page(tuple(found), index)
    more = chunks[CHUNKS_A_REQUEST:]
    return Page(tuple(found), more[0] * size - 1 if more else None)


def _pictures(folder: JobFolder, chunk: int) -> Iterator[tuple[int, Entry]]:
    for index, entry in sorted(folder.read_part(folder.part(chunk)).items()):
        if "reason" not in entry:
            yield index, entry


def _shows(entry: Entry, emotion: str) -> bool:
    if not emotion:
        return True
    faces = entry.get("faces", ())
    return not faces if emotion == NO_FACE else any(face["emotion"] == emotion for face in faces)
