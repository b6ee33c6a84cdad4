"""Temporary folders that go also when the process that made them was killed.

Whoever made one, and every process that is given its `descriptor`, holds a lock on it, which the kernel takes away when
the last of them has ended, however it ended. A folder that nobody holds is removed by the next `scratch_folder` or
`remove_abandoned` of the same user, whichever process calls it.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

_PREFIX = "mien-scratch-"


@dataclass(frozen=True, slots=True)
class ScratchFolder:
    """A folder of mode 0700; `descriptor` is its lock, for processes to inherit."""

    path: Path
    descriptor: int

    def remove(self) -> None:
        """Remove it with all that is in it; to be called once."""
        shutil.rmtree(self.path, ignore_errors=True)
        os.close(self.descriptor)


def make_scratch() -> ScratchFolder:
    """Make a folder under the system's temporary folder, after removing those of processes that are gone."""
    remove_abandoned()
    while True:
        path = Path(tempfile.mkdtemp(prefix=_PREFIX))
        descriptor = _lock(path)
        # Until it is locked it looks abandoned, and another process may have removed it.
        if descriptor is not None and path.is_dir():
            return ScratchFolder(path, descriptor)
        if descriptor is not None:
            os.close(descriptor)


def make_again(path: Path) -> ScratchFolder:
    """Make a folder that was removed again, at the same place; raises OSError when the place is taken."""
    path.mkdir(mode=0o700, exist_ok=True)
    descriptor = _lock(path)
    if descriptor is None:
        raise FileExistsError(f"{path} is held by another process")
    return ScratchFolder(path, descriptor)


@contextmanager
def scratch_folder() -> Iterator[Path]:
    """Make a folder, and remove it at the end."""
    folder = make_scratch()
    try:
        yield folder.path
    finally:
        folder.remove()


def remove_abandoned() -> int:
    """Remove the folders of this user that no process holds any more; return how many."""
    removed = 0
    with suppress(OSError), os.scandir(tempfile.gettempdir()) as entries:
        for entry in entries:
            if entry.name.startswith(_PREFIX) and (descriptor := _lock(Path(entry.path))) is not None:
                shutil.rmtree(entry.path, ignore_errors=True)
                os.close(descriptor)
                removed += 1
    return removed


def _lock(folder: Path) -> int | None:
    """Lock a folder of this user; None when somebody holds it, when it is somebody else's, or when it is none."""
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        if os.fstat(descriptor).st_uid == os.geteuid():
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return descriptor
    except OSError:
        pass
    os.close(descriptor)
    return None
