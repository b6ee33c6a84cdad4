"""Files on their way out: read piece by piece in the thread pool, whole or the part that a player asks for."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

from flask import Response, request
from werkzeug.exceptions import RequestedRangeNotSatisfiable
from zipstream import ZipStream

from dashboard.pool import in_pool
from dashboard.problems import NotFound

PIECE_BYTES = 256 * 1024
"""How much is read in one call in the thread pool: 0.1 ms from the page cache, so that calls cost little."""


class PooledFile:
    """An open file as an iterable of pieces; werkzeug seeks in it for a range, and closes it at the end."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        piece = in_pool(self._file.read, PIECE_BYTES)
        if not piece:
            raise StopIteration
        return piece

    def seekable(self) -> bool:
        """Say that a range need not be read from the start."""
        return True

    def seek(self, place: int) -> int:
        """Go to a place, in bytes from the start."""
        return self._file.seek(place)

    def tell(self) -> int:
        """Return the place of the next piece, in bytes from the start."""
        return self._file.tell()

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def send_path(path: Path, mimetype: str, download_name: str = "") -> Response:
    """Answer with a file, or with the range that was asked for; `download_name` makes it a download.

    Raises NotFound when the file is gone.
    """
    try:
        file = in_pool(lambda: path.open("rb"))
        status = in_pool(path.stat)
    except OSError as error:
        raise NotFound(f"{path.name} cannot be read: {error.strerror}") from error
    answer = Response(PooledFile(file), mimetype=mimetype, direct_passthrough=True)
    answer.content_length = status.st_size
    answer.last_modified = datetime.fromtimestamp(status.st_mtime, UTC)
    answer.set_etag(f"{status.st_mtime_ns:x}-{status.st_size:x}")
    answer.cache_control.no_cache = True  # kept by the browser, but asked for again: a retry writes it anew
    if download_name:
        answer.headers.set("Content-Disposition", "attachment", filename=download_name)
    try:
        answer.make_conditional(request.environ, accept_ranges=True, complete_length=status.st_size)
    except RequestedRangeNotSatisfiable:
        file.close()
        raise
    return answer


def send_zip(files: Iterator[tuple[Path, str]], download_name: str) -> Response:
    """Answer with a zip of (path, name inside) pairs, written while it is sent: never whole in memory or on disk.

    Nothing is compressed: pictures and videos are already, and it would take the event loop's core.
    """
    archive = ZipStream(sized=True)

    def collect() -> int:
        for path, name in files:
            archive.add_path(path, name, recurse=False)
        return len(archive)

    size = in_pool(collect)
    answer = Response(_joined(iter(archive)), mimetype="application/zip", direct_passthrough=True)
    answer.content_length = size
    answer.headers.set("Content-Disposition", "attachment", filename=download_name)
    return answer


def _joined(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """Yield pieces of about `PIECE_BYTES`, each made in one call in the thread pool."""

    def next_piece() -> bytes:
        found, size = [], 0
        for piece in pieces:
            found.append(piece)
            size += len(piece)
            if size >= PIECE_BYTES:
                break
        return b"".join(found)

    while piece := in_pool(next_piece):
        yield piece
