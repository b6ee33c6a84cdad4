"""Addresses of inputs: a local path, `scheme://…` for fsspec, or a member of an archive.

A member is `zip://inner/a.jpg::/folder/outer.zip` (or `tar://…`), as fsspec chains them; in its name, `%` and `:` are
written as `%25` and `%3A`, so that the first `::` is always the one between the two. An archive that could not be
listed is addressed with an empty member: reading that says what is wrong with the archive.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Literal
from urllib.parse import unquote

ArchiveKind = Literal["zip", "tar"]

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)(?:://|::)")
_TAR_SUFFIXES = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tbz", ".tar.xz", ".txz", ".tar.lzma")
ARCHIVE_SUFFIXES = (".zip", *_TAR_SUFFIXES)
_LONGEST_LABEL = 4000


@dataclass(frozen=True, slots=True)
class MemberAddress:
    """A member of an archive: `archive` is the address of the archive, `name` the member's name in it."""

    kind: ArchiveKind
    name: str
    archive: str

    def __str__(self) -> str:
        quoted = self.name.replace("%", "%25").replace(":", "%3A")
        return f"{self.kind}://{quoted}::{self.archive}"


def member_of(address: str) -> MemberAddress | None:
    """Return the parts of the address of a member; None when it is no such address."""
    for kind in ("zip", "tar"):
        if address.startswith(f"{kind}://") and "::" in address:
            name, archive = address[len(kind) + 3 :].split("::", 1)
            return MemberAddress(kind, unquote(name, errors="surrogateescape"), archive)
    return None


def archive_kind(name: str) -> ArchiveKind | None:
    """Return the kind of archive that the ending of a name promises."""
    low = name.lower()
    if low.endswith(".zip"):
        return "zip"
    return "tar" if low.endswith(_TAR_SUFFIXES) else None


def scheme_of(address: str) -> str:
    """Return the scheme of an fsspec address, in small letters; nothing for a local path."""
    found = _SCHEME.match(address)
    return found[1].lower() if found else ""


def is_local(address: str) -> bool:
    """Say whether an address is a path on this machine."""
    return not scheme_of(address)


def harmless(address: str) -> str:
    """Return an address or path for people to read: no password, no query, no control characters, no `..` to follow.

    >>> harmless("https://ann:secret@example.org/a.jpg?signature=123")
    'https://example.org/a.jpg'
    """
    member = member_of(address)
    if member is not None:
        return member_label(harmless(member.archive), member.name) if member.name else harmless(member.archive)
    scheme = scheme_of(address)
    if scheme:
        address = re.sub(r"//[^/@]*@", "//", address)
        if scheme in ("http", "https"):
            address = re.split(r"[?#]", address, maxsplit=1)[0]
    return plain_text(address)


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


def stem_of(address: str) -> str:
    """Return the last part of an address or label without its ending, to name a result after; never empty.

    It may hold any letter: whoever makes a file name of it keeps the harmless ones.
    """
    member = member_of(address)
    name = member.name if member is not None and member.name else harmless(address)
    return PurePosixPath(name.replace("\\", "/")).stem or "input"
