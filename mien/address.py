"""An address as a value: parsed once from what a person wrote, and never shown with the secrets in it.

    a job's input   a local path · `scheme://…` and whatever else fsspec reads · a member of an archive
    a camera        a webcam number · a file or folder · rtsp:// · http:// · test:// · demo://
    a broker        redis:// · rediss:// · unix://

A member is `zip://inner/a.jpg::/folder/outer.zip` (or `tar://…`), as fsspec chains them; in its name, `%` and `:` are
written as `%25` and `%3A`, so that the first `::` is always the one between the two. An archive that could not be
listed is addressed with an empty member: reading that says what is wrong with the archive.
"""

from __future__ import annotations

import re
import unicodedata
from enum import Enum
from pathlib import Path, PurePosixPath
from typing import Any, Literal, NoReturn
from urllib.parse import quote, unquote

from mien.secrets import WEB, host_start, scrubbed_address

ArchiveKind = Literal["zip", "tar"]

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)(?:://|::)")
_DEVICE = re.compile(r"(?:/dev/video)?(\d{1,3})")
_TAR_SUFFIXES = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tbz", ".tar.xz", ".txz", ".tar.lzma")
ARCHIVE_SUFFIXES = (".zip", *_TAR_SUFFIXES)
_LONGEST_LABEL = 4000
# No parser of addresses allows these inside a user or a password; people write them there all the same.
_BREAKS_PARSERS = re.compile(r"[\s/?#@\[\]\\]")
_KEEPS = ":%!$&'()*+,;=~-._"


class AddressKind(Enum):
    """What an address leads to."""

    PATH = "a file or folder of this machine"
    MEMBER = "a member of an archive"
    REMOTE = "what fsspec reads elsewhere"
    WEBCAM = "a webcam"
    RTSP = "a camera that speaks RTSP"
    HTTP = "a camera or a program that speaks HTTP"
    TEST = "the test pattern"
    DEMO = "the demo clip"
    BROKER = "Redis or Valkey"
    UNKNOWN = "a scheme that nothing here opens"


_CAMERA_KINDS = {
    "rtsp": AddressKind.RTSP,
    "rtsps": AddressKind.RTSP,
    "http": AddressKind.HTTP,
    "https": AddressKind.HTTP,
    "test": AddressKind.TEST,
    "demo": AddressKind.DEMO,
}


class Address:
    """Where something is. Immutable, equal and hashed by what was written.

    `str`, `repr`, f-strings, logs and everything else that turns it into text give the form for people, without
    passwords and keys. What was written comes out of `secret` and `to_open`, and of nothing else. It is no dataclass,
    because `dataclasses.asdict` would hand out its fields.
    """

    __slots__ = ("_text", "archive", "kind", "name", "scheme")

    kind: AddressKind
    scheme: str
    """In small letters; nothing for a path and a webcam."""
    archive: Address | None
    """Of a member: the archive that it is in."""
    name: str
    """Of a member: its name in the archive."""
    _text: str

    def __init__(
        self, text: str, kind: AddressKind, scheme: str = "", *, archive: Address | None = None, name: str = ""
    ) -> None:
        for field, value in (("_text", text), ("kind", kind), ("scheme", scheme), ("archive", archive), ("name", name)):
            object.__setattr__(self, field, value)

    @classmethod
    def of_path(cls, path: str | Path) -> Address:
        """Return the address of a file or folder of this machine, whatever its name looks like."""
        return cls(str(path), AddressKind.PATH)

    @classmethod
    def of_member(cls, kind: ArchiveKind, name: str, archive: Address) -> Address:
        """Return the address of a member of an archive; an empty name: of an archive that could not be listed."""
        quoted = name.replace("%", "%25").replace(":", "%3A")
        return cls(f"{kind}://{quoted}::{archive.secret()}", AddressKind.MEMBER, kind, archive=archive, name=name)

    @classmethod
    def of_input(cls, text: str) -> Address:
        """Return the address of an input of a job."""
        scheme = _scheme_of(text)
        if not scheme:
            return cls(text, AddressKind.PATH)
        if scheme in ("file", "local") and "://" in text:
            return cls(text, AddressKind.PATH, scheme)
        if scheme in ("zip", "tar") and "://" in text[:6] and "::" in text:
            name, archive = text[len(scheme) + 3 :].split("::", 1)
            inner = unquote(name, errors="surrogateescape")
            return cls(text, AddressKind.MEMBER, scheme, archive=cls.of_input(archive), name=inner)
        return cls(text, AddressKind.REMOTE, scheme)

    @classmethod
    def of_camera(cls, text: str) -> Address:
        """Return the address of a camera's source; a number is a webcam."""
        text = text.strip()
        scheme = _scheme_of(text) if "://" in text else ""
        if not scheme:
            return cls(text, AddressKind.WEBCAM if _DEVICE.fullmatch(text) else AddressKind.PATH)
        if scheme == "file":
            return cls(text, AddressKind.PATH, scheme)
        return cls(text, _CAMERA_KINDS.get(scheme, AddressKind.UNKNOWN), scheme)

    @classmethod
    def of_broker(cls, text: str) -> Address:
        """Return the address of Redis or Valkey."""
        return cls(text, AddressKind.BROKER, _scheme_of(text))

    @classmethod
    def of_program(cls, text: str) -> Address:
        """Return the address of a program that is called over HTTP, such as a webhook."""
        scheme = _scheme_of(text)
        return cls(text, AddressKind.HTTP if scheme in WEB else AddressKind.UNKNOWN, scheme)

    def secret(self) -> str:
        """Return what was written, with the passwords and keys in it: to store it, never to show it."""
        return self._text

    def to_open(self) -> str:
        """Return what a library opens: the secret text, with user and password quoted where they would end the host
        early."""
        start, end = self._userinfo()
        userinfo = self._text[start:end]
        if not _BREAKS_PARSERS.search(userinfo):
            return self._text
        return f"{self._text[:start]}{quote(userinfo, safe=_KEEPS)}{self._text[end:]}"

    def credentials(self) -> tuple[str, str] | None:
        """Return user and password, decoded; None when there are none. They are secrets."""
        start, end = self._userinfo()
        if end <= start:
            return None
        user, _, password = self._text[start:end].partition(":")
        return unquote(user), unquote(password)

    def without_credentials(self) -> Address:
        """Return the same address without user and password."""
        start, end = self._userinfo()
        if end <= start:
            return self
        return Address(self._text[:start] + self._text[end + 1 :], self.kind, self.scheme)

    def secret_name(self) -> str:
        """Return the part that names a file, to judge by its ending: without user and password, on the web without
        query."""
        bare = self.without_credentials().secret()
        return re.split(r"[?#]", bare, maxsplit=1)[0] if self.scheme in WEB else bare

    def moved_to(self, path: Path) -> Address:
        """Return the same file, or the same member of an archive, at another path of this machine."""
        if self.archive is None:
            return Address.of_path(path)
        return Address.of_member("tar" if self.scheme == "tar" else "zip", self.name, Address.of_path(path))

    @property
    def is_path(self) -> bool:
        """Whether it is a file or folder of this machine."""
        return self.kind is AddressKind.PATH

    @property
    def is_here(self) -> bool:
        """Whether inputs there are read one at a time, as files of this machine and members of archives are."""
        return self.kind in (AddressKind.PATH, AddressKind.MEMBER)

    @property
    def path(self) -> Path:
        """The path of a file or folder; raises ValueError for any other address."""
        if self.kind is not AddressKind.PATH:
            raise ValueError(f"{self} is not a path on this machine")
        if not self.scheme:
            return Path(self._text)
        return Path(unquote(self._text.partition("://")[2].removeprefix("localhost")))

    @property
    def number(self) -> int:
        """The number of a webcam; raises ValueError for any other address."""
        match = _DEVICE.fullmatch(self._text) if self.kind is AddressKind.WEBCAM else None
        if match is None:
            raise ValueError(f"{self} is not a webcam")
        return int(match[1])

    @property
    def shown(self) -> str:
        """The address for people, on one line: without secrets and control characters, and for inputs without `..`.

        The query of an input on the web is left out: it is more often a signature than part of the name.

        >>> Address.of_input("https://ann:secret@example.org/a.jpg?signature=123").shown
        'https://example.org/a.jpg'
        >>> Address.of_camera("rtsp://ann:secret@10.0.0.7/live?channel=1").shown
        'rtsp://***@10.0.0.7/live?channel=1'
        """
        if self.archive is not None:
            return member_label(self.archive.shown, self.name) if self.name else self.archive.shown
        if self.kind is AddressKind.REMOTE:
            shown = scrubbed_address(self._text, mark="")
            return plain_text(re.split(r"[?#]", shown, maxsplit=1)[0] if self.scheme in WEB else shown)
        return plain_text(self._text if self._is_own_path() else scrubbed_address(self._text))

    @property
    def stem(self) -> str:
        """The last part without its ending, to name a result after; see `stem_of`."""
        return stem_of(self.name or self.shown)

    def __str__(self) -> str:
        return self.shown

    def __repr__(self) -> str:
        return f"Address({self.shown!r})"

    def __format__(self, spec: str) -> str:
        return format(self.shown, spec)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Address) and (self._text, self.kind) == (other._text, other.kind)

    def __hash__(self) -> int:
        return hash((self._text, self.kind))

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(f"an address does not change: {name} cannot be set")

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError(f"an address does not change: {name} cannot be deleted")

    def __copy__(self) -> Address:
        return self

    def __deepcopy__(self, _memo: dict[int, Any]) -> Address:
        return self

    def __reduce__(self) -> NoReturn:
        raise TypeError("an address is not pickled, since its secrets would be in the bytes: store address.secret()")

    def _is_own_path(self) -> bool:
        """Whether it is surely a path, and not an address whose scheme was forgotten."""
        text = self._text
        return self.kind is AddressKind.PATH and text.startswith(("/", ".", "~")) and not text.startswith("//")

    def _userinfo(self) -> tuple[int, int]:
        """Return where user and password begin and end in the text, as whoever wrote them meant it."""
        start = self._text.find("://") + 3
        if start < 3 or self.kind in (AddressKind.PATH, AddressKind.MEMBER):
            return 0, 0
        rest = self._text[start:]
        authority = re.split(r"[/?#]", rest, maxsplit=1)[0]
        if "@" in authority:
            return start, start + authority.rindex("@")
        # A port that is no number: the password goes on behind a `/`, `?` or `#`.
        if re.fullmatch(r"(?:\[[^\]]*\]|[^:]*)(?::\d*)?|arn:.*", authority) is None:
            return start, start + max(0, host_start(self.scheme, rest) - 1)
        return 0, 0


def archive_kind(name: str) -> ArchiveKind | None:
    """Return the kind of archive that the ending of a name promises."""
    low = name.lower()
    if low.endswith(".zip"):
        return "zip"
    return "tar" if low.endswith(_TAR_SUFFIXES) else None


def member_label(archive: str, name: str) -> str:
    """Return how people call a member: below its archive, whatever its name tries to lead to."""
    parts = [part for part in re.split(r"[/\\]", name) if part not in ("", ".")]
    inside = "/".join("(..)" if part == ".." else part for part in parts)
    root = "(/)" if name.startswith(("/", "\\")) else ""
    return plain_text(f"{archive}/{root}{inside}")


def plain_text(text: str) -> str:
    """Return a text on one line, of at most 4000 letters: what cannot be shown is written as `\\n`, `\\x1b`, …"""
    if text.isprintable() and len(text) <= _LONGEST_LABEL:
        return text
    shown = "".join(
        letter.encode("unicode_escape").decode("ascii") if unicodedata.category(letter)[0] == "C" else letter
        for letter in text
    )
    return shown if len(shown) <= _LONGEST_LABEL else f"{shown[: _LONGEST_LABEL - 1]}…"


def stem_of(name: str) -> str:
    """Return the last part of a name or label without its ending, to name a result after; never empty.

    It may hold any letter: whoever makes a file name of it keeps the harmless ones.
    """
    return PurePosixPath(name.replace("\\", "/")).stem or "input"


def _scheme_of(text: str) -> str:
    found = _SCHEME.match(text)
    return found[1].lower() if found else ""
