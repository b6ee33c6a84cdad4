"""What a job of each kind can be asked for beside its inputs: the same for the command line and the API."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import get_args

from mien.errors import InputError
from mien.formats import formats_of
from mien.jobs.request import Options, check_options
from mien.types import BaselineUse

MOST_EVERY = 10_000
"""A video job analyses every n-th frame, n at most this."""

_Check = Callable[[object], bool]


def check_job_options(kind: str, options: Mapping[str, object]) -> Options:
    """Return the options of a job of a kind, as they are stored.

    Raises InputError for an option that its kind does not have, a value that the option cannot have, and a format that
    the kind does not write.
    """
    known = _KNOWN.get(kind, {})
    for name, value in options.items():
        if name not in known or not known[name](value):
            raise InputError(f"a job of kind {kind} has no option {str(name)[:40]!r} with {str(value)[:40]!r}")
    if "formats" in options:
        options = {**options, "formats": list(formats_of(kind, options))}
    return check_options(options)


def _is_flag(value: object) -> bool:
    return isinstance(value, bool)


def _is_step(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= MOST_EVERY


def _is_baseline(value: object) -> bool:
    return value in get_args(BaselineUse)


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _are_texts(value: object) -> bool:
    return isinstance(value, list | tuple) and all(isinstance(each, str) for each in value)


_KNOWN: Mapping[str, Mapping[str, _Check]] = MappingProxyType(
    {
        "photos": {"annotate": _is_flag, "formats": _are_texts},
        "video": {"annotate": _is_flag, "formats": _are_texts, "every": _is_step, "baseline": _is_baseline},
        "evaluation": {"annotate": _is_flag, "crops": _is_flag, "source": _is_text, "split": _is_text},
    }
)
