"""From the address of an input to its bytes: a file here, a member of an archive, or anything that fsspec reaches.

Whatever goes wrong is a PictureError whose words fit into a list of failures: it names no password and no key.
"""

from __future__ import annotations

import os
import stat
import threading
import time
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import IO, BinaryIO

from mien.address import Address
from mien.errors import PictureError, RuntimeMissing, line_of
from mien.inputs.archives import PIECE_BYTES, Archive, open_archive
from mien.inputs.remote import open_remote, remote_pieces

_AT_ONCE_BYTES = 32 << 20
# An archive elsewhere may be replaced while it is open here, without a sign.
_TRUST_REMOTE_S = 600.0


def open_input(address: Address, max_bytes: int, timeout_s: float = 30.0) -> bytes:
    """Return the bytes of one input; see `Fetcher.read`. For many inputs use one Fetcher."""
    with Fetcher(timeout_s) as fetcher:
        return fetcher.read(address, max_bytes)


class Fetcher:
    """Reads inputs, and keeps the archive that it read last open, so that reading all members reads the archive once.

    Ask for members in the order of the job's inputs: a compressed tar can only be read forward, and going back begins
    at its start. Threads may share a Fetcher; archives are read by one at a time.
    """

    def __init__(self, timeout_s: float = 30.0) -> None:
        self._timeout_s = timeout_s
        self._lock = threading.Lock()
        self._open: tuple[tuple[Address, object], Archive] | None = None

    def __enter__(self) -> Fetcher:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Close what is open; the Fetcher can be used again."""
        with self._lock:
            self._forget()

    def read(self, address: Address, max_bytes: int) -> bytes:
        """Return the bytes of an input; raises PictureError, with the reason, whatever is wrong with it.

        Nothing larger than `max_bytes` is read, and an address elsewhere must answer within the time-out.
        """
        try:
            return b"".join(self.pieces(address, max_bytes))
        except MemoryError as error:
            raise PictureError("does not fit into memory: scale it down first") from error

    def copy(self, address: Address, file: IO[bytes], max_bytes: int) -> None:
        """Write the bytes of an input to `file`, piece by piece; raises as `read` does, and OSError."""
        for piece in self.pieces(address, max_bytes):
            file.write(piece)

    def pieces(self, address: Address, max_bytes: int) -> Iterator[bytes]:
        """Yield the bytes of an input in pieces of about a megabyte; raises as `read` does."""
        try:
            if address.archive is not None:
                with self._lock:
                    yield from self._member_pieces(address.archive, address.name, max_bytes)
            elif address.is_path:
                yield from _local_pieces(address.path, max_bytes)
            else:
                yield from remote_pieces(address, max_bytes, self._timeout_s)
        except RuntimeMissing as error:
            raise PictureError(line_of(error)) from error

    def member_names(self, archive: Address) -> Iterator[str]:
        """Yield the names of the files in an archive; raises PictureError where it cannot be read."""
        with self._lock:
            for member in self._archive(archive).members():
                yield member.name

    def _member_pieces(self, within: Address, name: str, max_bytes: int) -> Iterator[bytes]:
        archive = self._archive(within)
        if not name:  # it could not be listed: opening it again says why
            deque(archive.members(), maxlen=0)
            raise PictureError("the archive holds no pictures")
        yield from archive.pieces(name, max_bytes)

    def _archive(self, address: Address) -> Archive:
        """Return an archive, opened only if it is not the one that is open, and unchanged."""
        key = _state(address.path) if address.is_path else int(time.monotonic() / _TRUST_REMOTE_S)
        if self._open is not None and self._open[0] == (address, key):
            return self._open[1]
        self._forget()
        file = _open_local(address.path) if address.is_path else open_remote(address, self._timeout_s)
        try:
            archive = open_archive(file)
        except BaseException:
            file.close()
            raise
        self._open = ((address, key), archive)
        return archive

    def _forget(self) -> None:
        if self._open is not None:
            self._open[1].close()
            self._open = None


def _local_pieces(path: Path, max_bytes: int) -> Iterator[bytes]:
    with _open_local(path) as file:
        size = os.fstat(file.fileno()).st_size
        if size > max_bytes:
            raise PictureError(f"the file has {size} bytes, more than the {max_bytes} allowed")
        taken = 0
        try:
            # One read for a photo; the piece more shows whether the file has grown meanwhile.
            while piece := file.read(max(size + 1 - taken, PIECE_BYTES) if size < _AT_ONCE_BYTES else PIECE_BYTES):
                taken += len(piece)
                if taken > max_bytes:
                    raise PictureError(f"the file has more than the {max_bytes} bytes allowed")
                yield piece
        except OSError as error:
            raise PictureError(f"the file cannot be read: {error.strerror or error}") from error


def _open_local(path: Path) -> BinaryIO:
    try:
        if not stat.S_ISREG(path.stat().st_mode):  # opening a pipe would block
            raise PictureError("is not a file")
        return path.open("rb")
    except FileNotFoundError as error:
        raise PictureError("the file does not exist (any more)") from error
    except (OSError, ValueError) as error:  # ValueError: a zero byte in the name
        raise PictureError(f"the file cannot be read: {getattr(error, 'strerror', None) or error}") from error


def _state(path: Path) -> object:
    try:
        found = path.stat()
    except (OSError, ValueError):
        return None  # opening it says what is wrong
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns
