"""Zip and tar archives, read without ever unpacking to a disk.

Members are found and read one after the other in the order of the archive, so that one archive of 100,000 pictures
is read through once: a zip and a plain tar by their positions, a compressed tar by going on from where the last
member ended. Declared sizes are not trusted: bytes are counted while a member is unpacked.
"""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import re
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import BinaryIO, Protocol, cast

from mien.errors import PictureError, line_of
from mien.inputs.zip_names import names_of

PIECE_BYTES = 1 << 20
# No photo is packed to less than a 200th. Small members may be: a white page, a test picture.
MOST_RATIO = 200
RATIO_FROM_BYTES = 64 << 20
_LONGEST_HEADER = 1 << 20
_LONGEST_REASON = 200
_DAMAGES = (
    zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError, EOFError, ValueError, struct.error, OverflowError
)  # fmt: skip
_COMPRESSIONS: tuple[tuple[bytes, Callable[[BinaryIO], object]], ...] = (
    (b"\x1f\x8b", lambda file: gzip.GzipFile(fileobj=file, mode="rb")),
    (b"BZh", bz2.BZ2File),
    (b"\xfd7zXZ\x00", lzma.LZMAFile),
    (b"\x5d\x00\x00", lzma.LZMAFile),
)


class ArchiveDamaged(PictureError):
    """The archive as a whole cannot be read any further."""


class MemberMissing(PictureError):
    """There is no member of that name."""


@dataclass(frozen=True, slots=True)
class Member:
    """A file in an archive: the size that it declares, and why it must not be read, if there is a reason."""

    name: str
    size: int
    problem: str = ""
    position: int = 0


class Archive(Protocol):
    """An open archive; one thread at a time may use it. Raises ArchiveDamaged for what cannot be read."""

    def members(self) -> Iterator[Member]:
        """Yield every file once, in the order of the archive; of two with one name, the first."""

    def pieces(self, name: str, max_bytes: int) -> Iterator[bytes]:
        """Yield what a member holds; raises MemberMissing, and PictureError when it is refused or damaged."""

    def close(self) -> None:
        """Close the archive's file."""


def open_archive(file: BinaryIO) -> Archive:
    """Return the archive in a seekable file, by what it begins with; raises ArchiveDamaged."""
    head = file.read(8)
    file.seek(0)
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08")):
        return ZipArchive(file)
    return TarArchive(file)


class ZipArchive:
    """A zip file, stored or deflated."""

    def __init__(self, file: BinaryIO) -> None:
        try:
            self._zip = zipfile.ZipFile(file)
        except (*_DAMAGES, NotImplementedError, OSError) as error:
            raise ArchiveDamaged(
                f"the zip archive is damaged or truncated ({line_of(error, _LONGEST_REASON)}): fetch it again"
            ) from error
        self._infos: dict[str, zipfile.ZipInfo] = {}
        infos = self._zip.infolist()
        for name, info in zip(names_of(infos), infos, strict=True):
            if not info.is_dir():
                self._infos.setdefault(name, info)
        self._file = file

    def members(self) -> Iterator[Member]:
        """Yield every file once."""
        for name, info in self._infos.items():
            yield Member(name, info.file_size, _zip_problem(info))

    def pieces(self, name: str, max_bytes: int) -> Iterator[bytes]:
        """Yield what a member holds."""
        info = self._infos.get(name)
        if info is None:
            raise MemberMissing("is not in the archive (any more)")
        _check(Member(name, info.file_size, _zip_problem(info)), max_bytes)
        try:
            with self._zip.open(info) as file:
                yield from _counted(cast(BinaryIO, file), max_bytes)
        except (*_DAMAGES, NotImplementedError, RuntimeError, KeyError, OSError) as error:
            raise PictureError(
                f"is damaged in its archive ({line_of(error, _LONGEST_REASON)}): make the archive again"
            ) from error

    def close(self) -> None:
        """Close the archive's file."""
        self._zip.close()
        self._file.close()


class TarArchive:
    """A tar file, plain or compressed with gzip, bzip2 or xz."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        head = file.read(6)
        file.seek(0)
        unpack = next((unpack for magic, unpack in _COMPRESSIONS if head.startswith(magic)), None)
        self._unpacked: BinaryIO = file
        if unpack is not None:
            self._unpacked = cast(BinaryIO, _Unpacked(cast(BinaryIO, unpack(file)), file))
        self._found: dict[str, Member] = {}
        self._headers = _Headers(self._unpacked)
        self._whole = False
        self._broken: PictureError | None = None
        self._tar: tarfile.TarFile | None = None

    def members(self) -> Iterator[Member]:
        """Yield every file once; raises ArchiveDamaged where the archive breaks off."""
        yield from tuple(self._found.values())
        while (member := self._next()) is not None:
            yield member

    def pieces(self, name: str, max_bytes: int) -> Iterator[bytes]:
        """Yield what a member holds, going on in the archive if it was not met yet."""
        member = self._found.get(name)
        while member is None:
            member = self._next()
            if member is None:
                raise MemberMissing("is not in the archive (any more)")
            if member.name != name:
                member = None
        _check(member, max_bytes)
        try:
            self._unpacked.seek(member.position)
            left = member.size
            while left:
                piece = self._unpacked.read(min(left, PIECE_BYTES))
                if not piece:
                    raise PictureError("is cut off: its archive is truncated")
                left -= len(piece)
                yield piece
        except (*_DAMAGES, OSError) as error:
            raise _told(error, "its archive") from error

    def close(self) -> None:
        """Close the archive's file."""
        self._unpacked.close()
        self._file.close()

    def _next(self) -> Member | None:
        """Return the next file that was not met yet; None at the end. Once it has raised, it always raises."""
        if self._broken is not None:
            raise self._broken
        while not self._whole:
            try:
                if self._tar is None:
                    self._tar = tarfile.TarFile(fileobj=cast(BinaryIO, self._headers))
                info = self._tar.next()
                self._tar.members.clear()  # type: ignore[attr-defined]  # tarfile keeps all members, without a limit
            except (*_DAMAGES, OSError) as error:
                self._broken = _told(error, "the tar archive")
                raise self._broken from error
            if info is None:
                if any(self._headers.last):  # tarfile takes a broken header for the end
                    self._broken = ArchiveDamaged("the tar archive is damaged or truncated: fetch it again")
                    raise self._broken
                self._whole = True
            elif not info.isdir() and info.name not in self._found:
                member = Member(info.name, info.size, _tar_problem(info), info.offset_data)
                self._found[info.name] = member
                return member
        return None


class _Headers:
    """A file for tarfile, which would read a header of any size at once; `last` is what it read last."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.last = b""
        self.seek = file.seek
        self.tell = file.tell

    def read(self, size: int = -1) -> bytes:
        if not 0 <= size <= _LONGEST_HEADER:
            raise tarfile.ReadError(f"a header of {size} bytes")
        self.last = self._file.read(size)
        return self.last


class _Unpacked(io.RawIOBase):
    """What a compressed file unpacks to; raises ArchiveDamaged when that is more than any archive of photos holds."""

    def __init__(self, unpacked: BinaryIO, packed: BinaryIO) -> None:
        self._unpacked = unpacked
        self._packed = packed

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._unpacked.tell()

    def seek(self, position: int, whence: int = io.SEEK_SET) -> int:
        if whence != io.SEEK_SET:
            raise io.UnsupportedOperation("only from the start")
        if position < self._unpacked.tell():
            return self._unpacked.seek(position)
        while (left := position - self._unpacked.tell()) > 0 and self.read(min(left, PIECE_BYTES)):
            pass
        return self._unpacked.tell()

    def read(self, size: int = -1) -> bytes:
        data = self._unpacked.read(size)
        unpacked, packed = self._unpacked.tell(), self._packed.tell()
        if unpacked > RATIO_FROM_BYTES and unpacked > MOST_RATIO * packed:
            raise ArchiveDamaged(
                f"the archive unpacks to more than {MOST_RATIO} times its size, more than photos ever do (a bomb?): not"
                " read"
            )
        return data

    def close(self) -> None:
        self._unpacked.close()
        super().close()


def is_unsafe_name(name: str) -> bool:
    """Say whether a member's name leads out of its archive: absolute, of a drive, or with `..` in it."""
    return name.startswith(("/", "\\")) or ".." in re.split(r"[/\\]", name) or bool(re.match(r"[A-Za-z]:", name))


def _zip_problem(info: zipfile.ZipInfo) -> str:
    if stat.S_ISLNK(info.external_attr >> 16):
        return "is a link in its archive, not a picture"
    if info.flag_bits & 1:
        return "is encrypted: make an archive without a password"
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        return "is packed by a method that is not read here: make the zip with deflate"
    if info.file_size > RATIO_FROM_BYTES and info.file_size > MOST_RATIO * info.compress_size:
        return (
            f"would unpack from {info.compress_size} to {info.file_size} bytes, as no photo does (a zip bomb?):"
            " not read"
        )
    return _name_problem(info.filename)


def _tar_problem(info: tarfile.TarInfo) -> str:
    if info.issym() or info.islnk():
        return "is a link in its archive, not a picture"
    if not info.isreg():
        return "is no file in its archive"
    if info.issparse():
        return "is stored with holes: make the archive without --sparse"
    return _name_problem(info.name)


def _name_problem(name: str) -> str:
    return "its name leads out of the archive: rename it" if is_unsafe_name(name) else ""


def _check(member: Member, max_bytes: int) -> None:
    if member.problem:
        raise PictureError(member.problem)
    if member.size > max_bytes:
        raise PictureError(f"would unpack to {member.size} bytes, more than the {max_bytes} allowed")


def _counted(file: BinaryIO, max_bytes: int) -> Iterator[bytes]:
    """Yield pieces of a file, whatever size it declared."""
    taken = 0
    while piece := file.read(PIECE_BYTES):
        taken += len(piece)
        if taken > max_bytes:
            raise PictureError(f"unpacks to more than the {max_bytes} bytes allowed")
        yield piece


def _told(error: BaseException, what: str) -> PictureError:
    if isinstance(error, PictureError):
        return error
    return ArchiveDamaged(f"{what} is damaged or truncated ({line_of(error, _LONGEST_REASON)}): fetch it again")
