"""Files that are there whole or not at all: each is written beside its place, and takes it when it is finished.

What a reader finds is always the older file or the newer one. An error leaves nothing behind; what a killed process
leaves is called `.<name>.<number>.<process>.new`, and is removed by `sweep` or `remove_leftovers`. YAML that people
write is read here too, so that what is wrong with it is said in one way.
"""

from __future__ import annotations

import itertools
import json
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from mien.errors import InputError, line_of

MAX_YAML_BYTES = 1_000_000

_UNFINISHED = re.compile(r"\.(?P<name>.+?)(\.\d+)?\.(?P<process>\d+)\.new", re.DOTALL)
_numbers = itertools.count()


@contextmanager
def atomic_path(path: Path, *, synced: bool = True, mode: int | None = None) -> Iterator[Path]:
    """Yield a path beside `path`, for a library that writes files itself; on success its file replaces `path`.

    `synced`: it is also on the disk by then, for files that say that something need not be done again. `mode`: the
    permissions of the file, from its first byte on. Raises OSError when the disk does not take it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # Processes and threads that write the same file stay out of each other's way; the last one wins.
    fresh = path.with_name(f".{path.name}.{next(_numbers)}.{os.getpid()}.new")
    try:
        if mode is not None:
            fresh.touch(mode=mode)
        yield fresh
        if synced:
            with fresh.open("rb+") as file:
                os.fsync(file.fileno())
        fresh.replace(path)
    finally:
        with suppress(OSError):
            fresh.unlink(missing_ok=True)


@contextmanager
def atomic_file(path: Path, *, synced: bool = True, mode: int | None = None) -> Iterator[IO[bytes]]:
    """Open a file for writing that replaces `path` only when everything is written; see `atomic_path`."""
    with atomic_path(path, synced=synced, mode=mode) as fresh, fresh.open("wb") as file:
        yield file


def write_file(path: Path, content: bytes, *, synced: bool = True, mode: int | None = None) -> None:
    """Write a file that is there whole or not at all; see `atomic_path`."""
    with atomic_file(path, synced=synced, mode=mode) as file:
        file.write(content)


def write_json(path: Path, document: Mapping[str, Any], *, synced: bool = True, mode: int | None = None) -> None:
    """Write a JSON file that is there whole or not at all; see `atomic_path`."""
    write_file(path, json.dumps(document, separators=(",", ":")).encode(), synced=synced, mode=mode)


def move_file(source: Path, path: Path) -> Path:
    """Move a finished file to its place, also from another disk; return the place."""
    with atomic_path(path, synced=False) as fresh:
        shutil.move(source, fresh)
    return path


def leftovers(folder: Path) -> list[Path]:
    """Return the files in a folder that are not finished: being written, or left by a killed process."""
    return [Path(entry) for entry in _entries(folder) if _UNFINISHED.fullmatch(entry.name)]


def remove_leftovers(folder: Path, name: str = "") -> None:
    """Remove what killed processes left in a folder, or left of the file `name` in it; only those of this machine.

    Where several machines write to one folder, name the file: the process of another machine looks killed from here.
    """
    if not Path("/proc/self").exists():  # without a boot id, no process can be told to be dead
        return
    for left in leftovers(folder):
        found = _UNFINISHED.fullmatch(left.name)
        if found and name in ("", found["name"]) and not Path("/proc", found["process"]).exists():
            left.unlink(missing_ok=True)


def sweep(*folders: Path) -> int:
    """Remove every unfinished file in folders and the folders in them, when nobody writes there; return how many."""
    swept = 0
    for folder in folders:
        for place in (folder, *(Path(entry) for entry in _entries(folder) if entry.is_dir(follow_symlinks=False))):
            for left in leftovers(place):
                left.unlink(missing_ok=True)
                swept += 1
    return swept


def numbered(folder: Path, suffixes: tuple[str, ...]) -> set[int]:
    """Return the numbers of the files `<number><suffix>` in a folder; none when there is no folder."""
    names = [entry.name.rpartition(".") for entry in _entries(folder)]
    return {int(stem) for stem, dot, suffix in names if dot + suffix in suffixes and stem.isdecimal()}


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as found:
            return list(found)
    except (FileNotFoundError, NotADirectoryError):
        return []


def read_yaml(path: Path) -> Any:
    """Return what a YAML file says, in plain types; None when it says nothing.

    Raises InputError, in one line with the place where there is one, for a file that cannot be read or is no YAML.
    """
    import yaml

    try:
        if path.stat().st_size > MAX_YAML_BYTES:
            raise InputError(f"{path} has more than {MAX_YAML_BYTES // 1_000_000} MB: nobody wrote that by hand")
        return yaml.safe_load(path.read_text(encoding="utf-8"))
    except yaml.MarkedYAMLError as error:
        at = "" if error.problem_mark is None else f", line {error.problem_mark.line + 1}"
        raise InputError(f"{path}{at}: {line_of(error.problem or error.context or 'no YAML')}") from None
    except (OSError, ValueError, OverflowError, yaml.YAMLError) as error:
        raise InputError(f"{path} cannot be read: {line_of(error)}") from None
    except RecursionError:
        raise InputError(f"{path} is nested too deep to be read") from None
