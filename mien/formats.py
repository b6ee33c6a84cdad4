"""The formats of results: what a person may ask for, and what must be installed for it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from importlib.util import find_spec

from mien.errors import InputError, RuntimeMissing

FORMATS = ("csv", "json", "parquet")
DEFAULT_FORMATS = ("csv", "json")


def check_formats(wanted: str | Iterable[str]) -> tuple[str, ...]:
    """Return the formats in a text such as `csv,parquet`, or in a list, each once; raises InputError for others.

    >>> check_formats("JSON, csv")
    ('json', 'csv')
    """
    parts = wanted.split(",") if isinstance(wanted, str) else list(wanted)
    formats = tuple(dict.fromkeys(part.strip().lower() for part in parts))
    unknown = [name for name in formats if name not in FORMATS]
    if unknown or not formats:
        raise InputError(
            f"there is no format {', '.join(map(repr, unknown)) or 'given'}: choose of {', '.join(FORMATS)}"
        )
    return formats


def check_installed(formats: Iterable[str]) -> None:
    """Raise RuntimeMissing when a format needs a package that is not there."""
    if "parquet" in formats and find_spec("pyarrow") is None:
        raise RuntimeMissing("writing Parquet needs pyarrow: install mien[parquet]")


def formats_of(options: Mapping[str, object]) -> tuple[str, ...]:
    """Return the formats that the options of a job ask for; raises InputError for others."""
    wanted = options.get("formats", DEFAULT_FORMATS)
    return check_formats(wanted if isinstance(wanted, str | list | tuple) else str(wanted))
