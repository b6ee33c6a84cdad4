"""From paths that a person gives to the pictures that are meant."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from mien.errors import InputError

PICTURE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff"})


def find_pictures(paths: Sequence[Path], *, leave_out: Path | None = None) -> list[Path]:
    """Return every picture under `paths`, each once, folders searched in the order of their names.

    A file counts whatever its suffix: what is in it decides later. In folders, files of `PICTURE_SUFFIXES` count;
    hidden folders, and the folder `leave_out` (results of a job), are passed by. Raises InputError for a path that is
    missing or a folder without pictures.
    """
    if not paths:
        raise InputError("no pictures were given: name files or folders")
    found: dict[Path, Path] = {}
    hidden = leave_out.resolve() if leave_out is not None else None
    for path in paths:
        if path.is_dir():
            inside = list(_pictures_in(path, hidden))
            if not inside:
                raise InputError(
                    f"no pictures in {path}: looked for {', '.join(sorted(PICTURE_SUFFIXES))} in it and its folders"
                )
        elif path.exists():
            inside = [path]
        else:
            raise InputError(f"{path} does not exist: check the path")
        for picture in inside:
            found.setdefault(picture.resolve(), picture)
    return list(found.values())


def _pictures_in(folder: Path, hidden: Path | None) -> Iterator[Path]:
    for base, folders, files in os.walk(folder, onerror=_refuse):
        folders[:] = sorted(
            name for name in folders if not name.startswith(".") and Path(base, name).resolve() != hidden
        )
        for name in sorted(files):
            if not name.startswith(".") and Path(name).suffix.lower() in PICTURE_SUFFIXES:
                yield Path(base, name)


def _refuse(error: OSError) -> None:
    raise InputError(f"{error.filename} cannot be read: {error.strerror}") from error
