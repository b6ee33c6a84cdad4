"""Find the inputs that a person names: files, folders, patterns, archives, lists, addresses.

Every input counts once, however often it is named, and the order does not depend on the machine: what is named first
comes first, and inside of it names are in the order of their letters.
"""

from __future__ import annotations

import glob
import os
import re
import stat
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath

from mien.address import Address, archive_kind, member_label, plain_text
from mien.errors import InputError, MienError, PictureError, line_of
from mien.inputs.fetch import Fetcher
from mien.inputs.input import Input
from mien.inputs.remote import RemoteFolder, check_no_keys, check_scheme

_MAGIC = re.compile(r"[*?[]")


@dataclass(frozen=True, slots=True)
class InputRequest:
    """What is looked for in folders, patterns and archives: `noun` names it for people."""

    noun: str
    suffixes: frozenset[str]

    def fits(self, name: str) -> bool:
        """Say whether the ending of a name promises what is looked for."""
        dot = name.rfind(".")
        return dot >= 0 and name[dot:].lower() in self.suffixes


PICTURE_SUFFIXES = frozenset(
    {".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".bmp", ".tif", ".tiff", ".gif", ".heic", ".heif", ".avif"}
)
VIDEO_SUFFIXES = frozenset(
    {".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".mpg", ".mpeg", ".mts", ".m2ts", ".ts", ".wmv", ".flv", ".3gp"}
    | {".ogv", ".mjpeg", ".mjpg"}
)
PICTURES = InputRequest("pictures", PICTURE_SUFFIXES)
VIDEOS = InputRequest("videos", VIDEO_SUFFIXES)


@dataclass(frozen=True, slots=True)
class Found:
    """The inputs of a job, what a job over them may be called, and what a person should know of what was left out."""

    items: tuple[Input, ...]
    name: str
    notes: tuple[str, ...] = ()


def find_inputs(
    given: Sequence[str],
    *,
    lists: Sequence[str] = (),
    wanted: InputRequest = PICTURES,
    leave_out: Path | None = None,
    timeout_s: float = 30.0,
) -> Found:
    """Return what paths, patterns, archives and addresses mean, and then what the lines of `lists` mean.

    A file that is named counts whatever its ending: what is in it decides later. In folders, patterns and archives the
    endings of `wanted` count; hidden files and folders, and the folder `leave_out` (results of a job), are passed by.
    An archive that cannot be read is one input, which fails with the reason. Raises InputError for a path that is
    missing or a folder without inputs (in a list: an input that will fail), RuntimeMissing without the package
    that an address needs.
    """
    finder = _Finder(wanted, leave_out, timeout_s)
    for text in given:
        if text == "-":
            finder.add_list(text)
        else:
            finder.add(text)
    for name in lists:
        finder.add_list(name)
    return finder.found(_called([*given, *lists]))


def read_list(name: str) -> list[str]:
    """Return the lines of a list that name something: not empty, not beginning with `#`; `-` is standard input.

    Raises InputError when it cannot be read or is no text.
    """
    try:
        data = sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()
    except OSError as error:
        raise InputError(f"the list {name} cannot be read: {error.strerror}") from error
    if b"\0" in data:
        raise InputError(f"the list {name} is not a text: write one path or address a line")
    lines = [line.strip("\r") for line in data.decode("utf-8-sig", "surrogateescape").split("\n")]
    return [line for line in lines if line.strip() and not line.startswith("#")]


@dataclass(slots=True)
class _Finder:
    """Collects inputs; `seen` keeps what was found already, `met` counts it however often."""

    wanted: InputRequest
    leave_out: Path | None
    timeout_s: float
    items: list[Input] = field(default_factory=list)
    seen: set[str] = field(default_factory=set)
    met: int = 0
    schemes: set[str] = field(default_factory=set)
    real: tuple[Path | None, str] = (None, "")
    notes: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)

    def found(self, name: str) -> Found:
        """Return what was collected; raises InputError when nothing of it can be read."""
        if not self.items:
            raise InputError("; ".join(self.notes) or f"no {self.wanted.noun} were given: name files or folders")
        if len(self.refused) == len(self.items):
            raise InputError(self.refused[0])
        return Found(tuple(self.items), name, tuple(self.notes))

    def add_list(self, name: str) -> None:
        """Add what the lines of a list mean; what is missing becomes an input that will fail."""
        lines = read_list(name)
        if not lines:
            raise InputError(f"the list {'on standard input' if name == '-' else name} is empty")
        for line in lines:
            self.add(line, listed=True)

    def add(self, text: str, *, listed: bool = False) -> None:
        """Add what one text means."""
        before = self.met
        address = Address.of_path(text) if _mode(text) else Address.of_input(text)  # a file may be called a::b.jpg
        if address.archive is not None:
            self._archive(_at_its_place(address.archive), address.archive.shown, address.name)
        elif address.is_path:
            self._local(str(address.path), listed)
        else:
            self._elsewhere(address, listed)
        if before == self.met:
            self._nothing(address, listed)

    def _nothing(self, address: Address, listed: bool) -> None:
        shown, text = address.shown, address.secret()
        if stat.S_ISDIR(_mode(text)) if address.is_path else text.endswith("/"):
            looked = f"looked for {', '.join(sorted(self.wanted.suffixes))} in it and its folders"
            reason = f"no {self.wanted.noun} in {shown}: {'; '.join([*self.notes, looked])}"
        else:
            reason = (
                f"no {self.wanted.noun} in {shown}" if archive_kind(text) else f"no {self.wanted.noun} match {shown}"
            )
        if not listed:
            raise InputError(reason)
        self.notes.append(reason)

    def _local(self, text: str, listed: bool) -> None:
        text = str(Path(text))
        mode = _mode(text)
        if stat.S_ISDIR(mode):
            self._folder(text)
        elif mode:
            self._file(text)
        elif _MAGIC.search(text):
            self._pattern(text)
        elif listed:
            self._put(Address.of_path(_absolute(text)), plain_text(text), _absolute(text))
        else:
            raise InputError(f"{plain_text(text)} does not exist: check the path")

    def _file(self, text: str) -> None:
        """Add a file, or what is in it when it is an archive."""
        key = self._real(text)
        if archive_kind(text):
            self._archive(Address.of_path(_absolute(text)), plain_text(text), key=key)
        else:
            self._put(Address.of_path(_absolute(text)), plain_text(text), key)

    def _real(self, text: str) -> str:
        """Return where a file really is; its folder is looked up once."""
        path = Path(text)
        if path.is_symlink() or path.name == "..":
            return os.path.realpath(text)
        if self.real[0] != path.parent:
            self.real = (path.parent, os.path.realpath(path.parent))
        return f"{self.real[1]}/{path.name}"

    def _folder(self, text: str) -> None:
        hidden = str(self.leave_out.resolve()) if self.leave_out is not None else None
        archives = 0
        for folder in _walk(text, hidden, self.notes):
            shown = "" if folder.path == "." else f"{folder.path.rstrip('/')}/".removeprefix("./")
            base = _absolute(folder.path)
            for name, is_link in folder.files:
                if self.wanted.fits(name):
                    path = f"{base}/{name}"
                    key = os.path.realpath(path) if is_link else f"{folder.real}/{name}"
                    self._put(Address.of_path(path), plain_text(f"{shown}{name}"), key)
                elif archive_kind(name):
                    archives += 1
        if archives:
            what = "archive was" if archives == 1 else "archives were"
            self.notes.append(f"{archives} {what} not opened in {plain_text(text)}: name archives to read them too")

    def _pattern(self, pattern: str) -> None:
        suffix = PurePosixPath(pattern).suffix
        named = bool(suffix) and not _MAGIC.search(suffix)
        for text in sorted(set(glob.iglob(pattern, recursive=True))):  # noqa: PTH207  # it keeps the text as given
            if stat.S_ISDIR(_mode(text)):
                self._folder(text)
            elif named or self.wanted.fits(text) or archive_kind(text):
                self._file(text)

    def _elsewhere(self, address: Address, listed: bool) -> None:
        check_no_keys(address)
        if address.scheme not in self.schemes:
            self._check_scheme(address)
        name = address.secret_name()
        if archive_kind(name) and not _MAGIC.search(name):
            self._archive(address, address.shown)
            return
        is_pattern = _MAGIC.search(address.secret()) is not None
        if listed and self.wanted.fits(name) and not is_pattern:
            self._put_remote(address)  # files of a list are not looked up: for 100,000 that takes too long
            return
        try:
            for found in RemoteFolder(address, self.timeout_s).files():
                if found == address or self.wanted.fits(found.secret_name()):
                    self._put_remote(found)
                elif archive_kind(found.secret()) and is_pattern:
                    self._archive(found, found.shown)
        except PictureError as error:
            if not listed:
                raise InputError(f"{address}: {error}") from error
            self._put_remote(address)

    def _check_scheme(self, address: Address) -> None:
        try:
            check_scheme(address)
        except PictureError as error:
            raise InputError(f"{address}: {error}") from error
        self.schemes.add(address.scheme)

    def _archive(self, address: Address, label: str, pattern: str = "", key: str = "") -> None:
        """Add the members of an archive, or the archive itself, which will fail, as far as it cannot be read."""
        kind = archive_kind(address.secret_name()) or "zip"
        key = key or address.secret()
        with Fetcher(self.timeout_s) as fetcher:
            try:
                for name in fetcher.member_names(address):
                    if _is_hidden(name) or not _fits(name, pattern, self.wanted):
                        continue
                    self._put(Address.of_member(kind, name, address), member_label(label, name), f"{key}::{name}")
            except MienError as error:
                self.refused.append(f"{label}: {line_of(error)}")
                self._put(Address.of_member(kind, "", address), label, f"{key}::")

    def _put_remote(self, address: Address) -> None:
        self._put(address, address.shown, address.secret())

    def _put(self, address: Address, label: str, key: str) -> None:
        self.met += 1
        if key not in self.seen:
            self.seen.add(key)
            self.items.append(Input(address, label))


@dataclass(frozen=True, slots=True)
class _Folder:
    """A folder as it was named, where it really is, and its files: names, and whether they are links."""

    path: str
    real: str
    files: list[tuple[str, bool]]


def _walk(path: str, hidden: str | None, notes: list[str]) -> Iterator[_Folder]:
    """Yield a folder and those below it, in the order of names; `hidden` and hidden ones are passed by.

    What cannot be looked at below it, a folder without permission or a link onto itself, costs a note and no more.
    """
    waiting = [(path, os.path.realpath(path))]
    while waiting:
        base, real = waiting.pop()
        try:
            with os.scandir(base) as entries:
                found = sorted((each for each in entries if not each.name.startswith(".")), key=lambda each: each.name)
        except OSError as error:
            if base == path:
                raise InputError(f"{plain_text(base)} cannot be read: {error.strerror}") from error
            notes.append(f"{plain_text(base)} was left out: {error.strerror}")
            continue
        files, below = [], []
        for each in found:
            try:
                if each.is_dir(follow_symlinks=False):
                    below.append((each.path, f"{real}/{each.name}"))
                elif not each.is_dir():
                    files.append((each.name, each.is_symlink()))
            except OSError as error:
                notes.append(f"{plain_text(each.path)} was left out: {error.strerror}")
        yield _Folder(base, real, files)
        waiting.extend(pair for pair in reversed(below) if pair[1] != hidden)


def _called(given: Sequence[str]) -> str:
    """Return what to call a job: the last part of what was named first."""
    first = Address.of_input(given[0]).shown if given else ""
    name = "standard input" if first == "-" else first.rstrip("/").rsplit("/", 1)[-1] or first
    return name if len(given) == 1 else f"{name}, …"


def _mode(path: str) -> int:
    """Return the mode of a file; 0 when there is none, or none that can be."""
    try:
        return Path(path).stat().st_mode
    except (OSError, ValueError):
        return 0


def _absolute(path: str) -> str:
    return str(Path(path).absolute())


def _at_its_place(address: Address) -> Address:
    return Address.of_path(address.path.absolute()) if address.is_path else address


def _fits(name: str, pattern: str, wanted: InputRequest) -> bool:
    if not pattern:
        return wanted.fits(name)
    return fnmatchcase(name, pattern) if _MAGIC.search(pattern) else name == pattern


def _is_hidden(name: str) -> bool:
    parts: Iterable[str] = name.split("/")
    return any(part == "__MACOSX" or (part.startswith(".") and part not in (".", "..")) for part in parts)
