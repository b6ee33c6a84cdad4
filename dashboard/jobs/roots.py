"""Which files of this machine the API may make jobs of: those in the folders of the setting `job_roots`, no others."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from dashboard.problems import Refused
from mien.errors import InputError
from mien.inputs.input import Input

MOST_PATHS = 1000


def check_roots(texts: Sequence[object], roots: Sequence[Path]) -> list[Path]:
    """Return the real paths, links followed, that a request names.

    Raises InputError for what is no absolute path or is not there, Refused (403) for everything outside the roots; a
    path outside is refused without looking whether it exists.
    """
    if not roots:
        raise Refused(403, "jobs over files of this machine are not allowed: the setting job_roots names no folder")
    if not texts or len(texts) > MOST_PATHS:
        raise InputError(f"paths must name 1 to {MOST_PATHS} files or folders, not {len(texts)}")
    return [_real(text, roots) for text in texts]


def check_inside(item: Input, roots: Sequence[Path]) -> Input:
    """Return an input that was found in a folder or an archive, at its real path, links followed.

    Raises Refused (403) when it is a link out of the roots, or not on this machine, and InputError for a link onto
    itself.
    """
    place = item.address.archive or item.address
    real = _resolved(place.path) if place.is_path and place.path.is_absolute() else None
    if real is None or not _is_inside(real, [root.resolve() for root in roots]):
        raise Refused(403, f"{item.label[:200]!r} leads out of the folders that the setting job_roots names")
    return Input(item.address.moved_to(real), item.label)


def _real(text: object, roots: Sequence[Path]) -> Path:
    if not isinstance(text, str) or not text.startswith("/") or "\x00" in text or not _can_be_named(text):
        raise InputError(f"{str(text)[:200]!r} is not an absolute path on this machine")
    path = Path(text)
    if ".." in path.parts:
        raise Refused(403, f"{text[:200]!r} has '..' in it: name the file itself")
    real_roots = [root.resolve() for root in roots]
    outside = Refused(403, f"{text[:200]!r} is not in a folder that the setting job_roots names")
    if not any(path.is_relative_to(root) for root in (*roots, *real_roots)):
        raise outside
    real = _resolved(path)
    if not _is_inside(real, real_roots):
        raise outside
    if not real.exists():
        raise InputError(f"{text[:200]!r} does not exist: check the path")
    return real


def _can_be_named(text: str) -> bool:
    """Return whether a file can have this name: JSON has halves of letters, which no file system takes."""
    try:
        os.fsencode(text)
    except UnicodeEncodeError:
        return False
    return True


def _resolved(path: Path) -> Path:
    """Return the real path, links followed. Raises InputError for one that is too long, or a link onto itself."""
    try:
        real = path.resolve()
        real.exists()  # says what `resolve` says only of links
    except (OSError, RuntimeError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else "a link leads onto itself"
        raise InputError(f"{str(path)[:200]!r} cannot be looked at: {reason}") from None
    return real


def _is_inside(path: Path, real_roots: Sequence[Path]) -> bool:
    return any(path.is_relative_to(root) for root in real_roots)
