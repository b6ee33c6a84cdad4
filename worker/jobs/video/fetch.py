"""Videos that do not lie on this machine are fetched once, to the job's folder: decoding jumps to and fro in a file."""

from __future__ import annotations

from pathlib import Path
from typing import IO

from mien.address import Address
from mien.errors import PictureError, VideoError, line_of
from mien.files import atomic_file
from mien.inputs.fetch import Fetcher
from mien.inputs.remote import open_remote

_PIECE_BYTES = 1 << 20
_TIMEOUT_S = 30.0


def fetch(address: Address, into: Path, max_mb: int) -> None:
    """Bring a video from elsewhere, or out of an archive, to `into`; does nothing for a local one or a second time.

    Raises VideoError, with the reason, when it cannot be had or is too large, OSError when it cannot be stored.
    """
    if address.is_path or into.exists():
        return
    try:
        with atomic_file(into) as file:
            if address.archive is not None:
                with Fetcher(_TIMEOUT_S) as fetcher:
                    fetcher.copy(address, file, max_mb << 20)
            else:
                _copy(address, file, max_mb)
    except PictureError as error:
        raise VideoError(line_of(error)) from error


def _copy(address: Address, file: IO[bytes], max_mb: int) -> None:
    with open_remote(address, _TIMEOUT_S) as remote:
        while piece := remote.read(_PIECE_BYTES):
            file.write(piece)
            if file.tell() > max_mb << 20:
                raise VideoError(
                    f"the file has more than the {max_mb} MiB allowed: fetch it yourself, and name the file"
                )
