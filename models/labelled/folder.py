"""A folder of class folders as labelled data: `faces/happy/1.jpg`, or `faces/train/happy/1.jpg`."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from mien.errors import InputError
from mien.inputs.find import PICTURE_SUFFIXES
from models.labelled.csv import Table, one_hot
from models.labelled.names import SPLIT_NAMES, label_of, split_named


def read_folder(folder: Path) -> Table:
    """Return every picture in the class folders of `folder`, in the order of their names.

    When all folders in it are named for splits (train, validation, test), the class folders are looked for in
    these. Hidden files and folders are passed by. Raises InputError, naming the folder or file, for a folder that is no
    emotion, a picture outside of class folders, and a folder without pictures.
    """
    table = Table(folder)
    inside = _folders(folder)
    if inside and all(each.name.casefold() in SPLIT_NAMES for each in inside):
        _refuse_loose(folder)
        table.split = []
        for each in inside:
            _read_classes(table, each, split_named(each.name, str(each)))
    else:
        _read_classes(table, folder, None)
    if not table.paths:
        suffixes = ", ".join(sorted(PICTURE_SUFFIXES))
        raise InputError(f"no pictures in the class folders of {folder}: looked for {suffixes}")
    return table


def _read_classes(table: Table, folder: Path, split: int | None) -> None:
    _refuse_loose(folder)
    for inside in _folders(folder):
        label = label_of(inside.name, str(inside))
        for path in _pictures(inside):
            table.paths.append(path)
            table.labels.append(label)
            table.targets.append(one_hot(label))
            if table.split is not None and split is not None:
                table.split.append(split)


def _refuse_loose(folder: Path) -> None:
    for path in sorted(folder.iterdir()):
        if path.is_file() and _is_picture(path.name):
            raise InputError(f"{path} lies in no class folder: move it into a folder named for its emotion")


def _folders(folder: Path) -> list[Path]:
    try:
        return sorted(each for each in folder.iterdir() if each.is_dir() and not each.name.startswith((".", "__")))
    except OSError as error:
        raise InputError(f"{folder} cannot be read: {error.strerror}") from error


def _pictures(folder: Path) -> Iterator[Path]:
    for base, folders, files in os.walk(folder, onerror=_refuse):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        yield from (Path(base, name) for name in sorted(files) if _is_picture(name))


def _is_picture(name: str) -> bool:
    return not name.startswith(".") and Path(name).suffix.lower() in PICTURE_SUFFIXES


def _refuse(error: OSError) -> None:
    raise InputError(f"{error.filename} cannot be read: {error.strerror}") from error
