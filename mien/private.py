"""What mien stores in its data folder is for the user alone who runs it: folders of mode 0700, files of mode 0600."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_OURS = ("broker", "cache", "jobs", "media", "tuning", "up.json")
"""What mien makes in a data folder; people may have put other things beside it, whose modes are theirs."""

_UMASK = 0o077
_VARIABLE = "_MIEN_USERS_UMASK"
"""The variable in which processes that others start find the umask that the user has set, in octal digits."""


def keep_private(folder: Path) -> int:
    """Make a data folder private, and what this process and those that it starts write from now on; return how many
    modes were mended.

    Only takes permissions away from others; what belongs to another user is left as it is. A process that was started
    by one that has done this has nothing to mend.
    """
    before = os.umask(_UMASK)
    if _VARIABLE in os.environ:
        return 0
    os.environ[_VARIABLE] = f"{before:o}"
    return _mend_all(folder)


def make_private(folder: Path) -> None:
    """Make a folder, for this user alone, where there is none; raises OSError."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    folder.mkdir(mode=0o700, exist_ok=True)


@contextmanager
def modes_for(out: Path, data_dir: Path) -> Iterator[None]:
    """Write with the modes that the user has set, when results go to a folder of the user's and not of mien's."""
    if out.is_relative_to(data_dir.absolute()) or _VARIABLE not in os.environ:
        yield
        return
    before = os.umask(int(os.environ[_VARIABLE], 8))
    try:
        yield
    finally:
        os.umask(before)


def _mend_all(folder: Path) -> int:
    # A folder that this process runs in, or that all users share, is more than a data folder.
    shared = Path.cwd().is_relative_to(folder.resolve()) or _mode(folder) & stat.S_ISVTX
    mended = 0 if shared else _mend(folder)
    for place in (folder / name for name in _OURS):
        mended += _mend(place)
        if place.is_dir() and not place.is_symlink():
            for path, folders, files in os.walk(place):
                mended += sum(_mend(Path(path, entry)) for entry in (*folders, *files))
    return mended


def _mode(path: Path) -> int:
    try:
        return stat.S_IMODE(path.stat().st_mode)
    except OSError:
        return 0


def _mend(path: Path) -> int:
    """Take the permissions of others away from one file or folder; return whether there were any."""
    try:
        found = path.lstat()
        if stat.S_ISLNK(found.st_mode) or not found.st_mode & 0o077 or found.st_uid != os.geteuid():
            return 0
        path.chmod(stat.S_IMODE(found.st_mode) & ~0o077)
    except OSError:  # it is gone by now, or on a disk that has no modes
        return 0
    return 1
