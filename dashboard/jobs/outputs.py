"""The files that people can fetch from a job: the results that mien writes, by name, and nothing else in their folder.

Results may lie in a folder that a person chose, among other things of theirs: the dashboard does not serve what
`mien.jobs.outputs` does not name, and follows no links out of the folder.
"""

from __future__ import annotations

import heapq
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from dashboard.problems import NotFound
from mien.documents import Count, Document, derived
from mien.jobs.outputs import ANNOTATED_FOLDER, EVALUATION_FILES, TABLES, VIDEO_FILES, annotated_number

MEDIA_TYPES = {
    ".csv": "text/csv",
    ".html": "text/html",
    ".jpg": "image/jpeg",
    ".json": "application/json",
    ".mp4": "video/mp4",
    ".parquet": "application/vnd.apache.parquet",
    ".png": "image/png",
}
_FOLDER = re.compile(r"[^/\\\x00]{1,255}")


@dataclass(frozen=True, slots=True)
class Output(Document):
    """A file of the results: its path below them, its size, and what it is sent as."""

    path: str
    bytes: Count

    @derived
    def type(self) -> str:
        """The media type."""
        return MEDIA_TYPES[Path(self.path).suffix]


def open_output(out: Path, path: str) -> tuple[Path, str]:
    """Return where an output lies and its media type; raises NotFound for anything that is none."""
    *folders, name = path.split("/")
    if not _is_output(folders, name):
        raise NotFound(f"the results have no {path[:200]!r}")
    found = out.joinpath(*folders, name)
    if not found.is_file() or not found.resolve().is_relative_to(out.resolve()):
        raise NotFound(f"the results have no {path[:200]!r} yet")
    return found, MEDIA_TYPES[found.suffix]


def list_outputs(out: Path) -> list[Output]:
    """Return the files of the results except for the annotated pictures, which may be 100,000."""
    return [Output(name, path.stat().st_size) for path, name in _plain_outputs(out)]


def all_outputs(out: Path) -> Iterator[tuple[Path, str]]:
    """Yield path and name below the results of every output."""
    yield from _plain_outputs(out)
    for _, name in _numbered(out):
        yield out / ANNOTATED_FOLDER / name, f"{ANNOTATED_FOLDER}/{name}"


def video_outputs(out: Path, folder: str) -> list[Output]:
    """Return the files of one video."""
    return [Output(name, path.stat().st_size) for path, name in _video_files(out, folder)]


def annotated_names(out: Path, after: int, limit: int) -> list[str]:
    """Return the names of the annotated pictures whose numbers come after `after`, in the order of numbers."""
    later = ((number, name) for number, name in _numbered(out) if number > after)
    return [name for _, name in heapq.nsmallest(limit, later)]


def _is_output(folders: list[str], name: str) -> bool:
    if not folders:
        return name in TABLES or name in EVALUATION_FILES
    if folders == [ANNOTATED_FOLDER]:
        return annotated_number(name) is not None
    return len(folders) == 1 and _is_folder(folders[0]) and name in VIDEO_FILES


def _is_folder(name: str) -> bool:
    return bool(_FOLDER.fullmatch(name)) and not name.startswith(".")


def _plain_outputs(out: Path) -> Iterator[tuple[Path, str]]:
    for name in (*TABLES, *EVALUATION_FILES):
        if _is_plain_file(out / name):
            yield out / name, name
    for entry in sorted(_scan(out), key=lambda entry: entry.name):
        if entry.name != ANNOTATED_FOLDER and _is_folder(entry.name) and entry.is_dir(follow_symlinks=False):
            yield from _video_files(out, entry.name)


def _video_files(out: Path, folder: str) -> Iterator[tuple[Path, str]]:
    for name in VIDEO_FILES:
        if _is_plain_file(out / folder / name):
            yield out / folder / name, f"{folder}/{name}"


def _numbered(out: Path) -> Iterator[tuple[int, str]]:
    for entry in _scan(out / ANNOTATED_FOLDER):
        number = annotated_number(entry.name)
        if number is not None and entry.is_file(follow_symlinks=False):
            yield number, entry.name


def _is_plain_file(path: Path) -> bool:
    return path.is_file() and not path.is_symlink()


def _scan(folder: Path) -> Iterator[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            yield from entries
    except OSError:  # not there yet
        return
