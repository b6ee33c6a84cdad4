"""Files on other machines, through fsspec: with time-outs, with words for what goes wrong, and without secrets in them.

The worker takes credentials from its environment, never from an address: for S3 `AWS_ACCESS_KEY_ID`,
`AWS_SECRET_ACCESS_KEY`, `AWS_PROFILE`, `AWS_ENDPOINT_URL` or a role of the machine, for Google
`GOOGLE_APPLICATION_CREDENTIALS`, for https `~/.netrc`; and for every scheme `FSSPEC_<SCHEME>` with fsspec's own
settings as JSON, such as `FSSPEC_S3='{"anon": true}'`.
"""

from __future__ import annotations

import io
import re
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, BinaryIO, TypeVar
from urllib.parse import urlsplit

from mien.address import Address
from mien.errors import InputError, PictureError, RuntimeMissing
from mien.inputs.archives import PIECE_BYTES
from mien.secrets import WEB

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem

_PACKAGES = {
    "s3": ("s3fs", "s3"),
    "s3a": ("s3fs", "s3"),
    "gs": ("gcsfs", "gs"),
    "gcs": ("gcsfs", "gs"),
    "http": ("aiohttp", "https"),
    "https": ("aiohttp", "https"),
}
_CONNECT_S = 10.0
# Each answer must come within the time-out, a whole picture within a few of them: otherwise an address that gives a
# byte now and then would block a worker for ever.
_TIMEOUTS_A_PICTURE = 5
_TIMEOUTS_A_LISTING = 20

T = TypeVar("T")


def open_filesystem(address: Address, timeout_s: float) -> tuple[AbstractFileSystem, str]:
    """Return fsspec's file system for an address, and the path in it.

    Raises RuntimeMissing when a package for the scheme is not installed, PictureError when there is no such scheme.
    """
    import fsspec

    check_scheme(address)
    try:
        filesystem, path = fsspec.core.url_to_fs(address.to_open(), **_options(address.scheme, timeout_s))
    except Exception as error:
        raise told(error) from None
    return filesystem, path


def check_scheme(address: Address) -> None:
    """Raise RuntimeMissing when a package for the scheme is not installed, PictureError when nothing reads it."""
    import fsspec

    scheme = address.scheme
    try:
        fsspec.get_filesystem_class(scheme)
    except ImportError as error:
        package, extra = _PACKAGES.get(scheme, ("", ""))
        hint = f"{package}: install mien[{extra}]" if package else "a package that is not installed"
        raise RuntimeMissing(f"reading {scheme}:// needs {hint}") from error
    except ValueError as error:
        raise PictureError(f"there is no way to read {scheme}:// addresses") from error


def check_no_keys(address: Address) -> None:
    """Raise InputError for an address that holds the keys of a bucket, without repeating them."""
    if address.scheme in ("s3", "s3a", "gs", "gcs") and address.credentials() is not None:
        raise InputError(
            f"{address}: keys do not belong in an address, set them in the environment of `mien jobs work`"
            " (AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY for S3)"
        )


class RemoteFolder:
    """A file, a folder or a pattern elsewhere. Raises PictureError for what does not answer or does not exist."""

    def __init__(self, address: Address, timeout_s: float) -> None:
        self._address = address
        self._web = address.scheme in WEB
        self._timeout_s = timeout_s
        self._filesystem, self._path = in_time(lambda: open_filesystem(address, timeout_s), timeout_s)

    def files(self) -> list[Address]:
        """Return the addresses of the files that are meant, sorted; a single file's is the address itself."""
        if re.search(r"\*" if self._web else r"[*?[]", self._path):
            found = self._listed(lambda: self._filesystem.glob(self._path))
            return [self._child(path) for path in sorted(found)]
        if "::" in self._address.secret() or (self._web and not self._path.endswith("/")):
            return [self._address]
        if not self._web and in_time(lambda: self._filesystem.info(self._path), self._timeout_s)["type"] == "file":
            return [self._address]
        inside = len(self._path.rstrip("/"))
        found = self._listed(lambda: self._filesystem.find(self._path))
        return [self._child(path) for path in sorted(found) if "/." not in path[inside:]]

    def _listed(self, work: Callable[[], Any]) -> list[str]:
        return list(in_time(work, _TIMEOUTS_A_LISTING * self._timeout_s))

    def _child(self, path: str) -> Address:
        asked = urlsplit(self._address.to_open())
        if asked.hostname and asked.hostname not in self._path.lower():  # the host is not part of fsspec's path
            return Address.of_input(f"{asked.scheme}://{asked.netloc}/{path.lstrip('/')}")
        return Address.of_input(str(self._filesystem.unstrip_protocol(path)))


def open_remote(address: Address, timeout_s: float) -> BinaryIO:
    """Return a file elsewhere for reading at any position; each answer must come in time. Raises PictureError."""

    def opened() -> BinaryIO:
        filesystem, path = open_filesystem(address, timeout_s)
        file: BinaryIO = filesystem.open(path, "rb")
        return file

    return io.BufferedReader(_Patient(in_time(opened, timeout_s), timeout_s), PIECE_BYTES)


def remote_pieces(address: Address, max_bytes: int, timeout_s: float) -> Iterator[bytes]:
    """Yield a file elsewhere in pieces; raises PictureError, with the reason, whatever is wrong with it."""
    deadline_s = time.monotonic() + _TIMEOUTS_A_PICTURE * timeout_s

    def opened() -> Any:
        filesystem, path = open_filesystem(address, timeout_s)
        # A web server that knows no ranges would send all of a file at once: read it as it comes.
        streamed = {"block_size": 0} if address.scheme in WEB else {}
        return filesystem.open(path, "rb", **streamed)

    file = in_time(opened, timeout_s)
    try:
        size = getattr(file, "size", None)
        if isinstance(size, int) and size > max_bytes:
            raise PictureError(f"the file has {size} bytes, more than the {max_bytes} allowed")
        taken = 0
        while piece := in_time(lambda: file.read(PIECE_BYTES), timeout_s):
            taken += len(piece)
            if taken > max_bytes:
                raise PictureError(f"the file has more than the {max_bytes} bytes allowed")
            yield piece
            if time.monotonic() > deadline_s:
                raise PictureError(f"came too slowly: not whole after {_TIMEOUTS_A_PICTURE * timeout_s:.0f} s")
    finally:
        threading.Thread(target=_close, args=(file,), daemon=True).start()


def in_time(work: Callable[[], T], timeout_s: float) -> T:
    """Return what `work` returns, called in a thread that is abandoned when it takes longer.

    Raises PictureError, with the reason, for whatever `work` raises; RuntimeMissing goes through.
    """
    box: Future[T] = Future()

    def run() -> None:
        try:
            box.set_result(work())
        except BaseException as error:  # raised again on the thread that asked
            box.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    try:
        return box.result(timeout_s)
    except (PictureError, RuntimeMissing):
        raise
    except TimeoutError as error:
        raise PictureError(f"did not answer within {timeout_s:.0f} s") from error
    except Exception as error:
        raise told(error) from None  # its own words may hold the address, and with it a password


def told(error: BaseException) -> PictureError:
    """Return the reason behind an exception of a file system, in words without addresses."""
    cause = error.__cause__ if isinstance(error, FileNotFoundError) else None
    if cause is not None and (why := _known(cause)):  # fsspec says that there is no file even when no server answered
        return PictureError(why)
    return PictureError(_known(error) or f"cannot be read ({type(error).__name__})")


def _known(error: BaseException) -> str:
    name = type(error).__name__
    status = getattr(error, "status", None)
    if status in (401, 403) or isinstance(error, PermissionError) or "Credentials" in name:
        return "access is denied: are the credentials in the worker's environment?"
    if isinstance(error, FileNotFoundError) or status in (404, 410):
        return "the file does not exist (any more)"
    if isinstance(status, int):
        return f"the server answered with HTTP {status}"
    if isinstance(error, IsADirectoryError):
        return "is a folder, not a file"
    if isinstance(error, TimeoutError) or "Timeout" in name:
        return "did not answer in time"
    return "the server cannot be reached" if isinstance(error, ConnectionError) or "Connect" in name else ""


def _options(scheme: str, timeout_s: float) -> dict[str, Any]:
    if scheme in ("s3", "s3a"):
        config = {"connect_timeout": _CONNECT_S, "read_timeout": timeout_s, "retries": {"max_attempts": 2}}
        return {"config_kwargs": config}
    if scheme in WEB:
        try:
            from aiohttp import ClientTimeout
        except ImportError:
            return {}  # fsspec says so
        limits = ClientTimeout(total=None, sock_connect=_CONNECT_S, sock_read=timeout_s)
        return {"client_kwargs": {"timeout": limits, "trust_env": True}}
    return {}


def _close(file: Any) -> None:
    try:
        file.close()
    except Exception:  # nobody needs it any more
        return


class _Patient(io.RawIOBase):
    """A file whose every answer must come in time."""

    def __init__(self, file: BinaryIO, timeout_s: float) -> None:
        self._file = file
        self._timeout_s = timeout_s

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, position: int, whence: int = io.SEEK_SET) -> int:
        return self._file.seek(position, whence)

    def tell(self) -> int:
        return self._file.tell()

    def readinto(self, buffer: Any) -> int:
        piece = in_time(lambda: self._file.read(len(buffer)), self._timeout_s)
        buffer[: len(piece)] = piece
        return len(piece)

    def close(self) -> None:
        if not self.closed:
            threading.Thread(target=_close, args=(self._file,), daemon=True).start()
        super().close()
