"""What a person can choose for a job: the formats of its results, by kind of job, and its priority.

The command line, the API with its schema, and the workers all take their lists from here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from importlib.util import find_spec
from types import MappingProxyType
from typing import Literal, get_args

from mien.errors import InputError, RuntimeMissing

Format = Literal["csv", "json", "parquet"]
FORMATS: tuple[Format, ...] = get_args(Format)
"""What the results of any job can be exported as."""

JOB_FORMATS: Mapping[str, tuple[Format, ...]] = MappingProxyType({"photos": FORMATS, "video": ("csv", "parquet")})
"""What the jobs of a kind write their table as; an evaluation writes a report, and has no formats."""

DEFAULT_FORMATS: Mapping[str, tuple[Format, ...]] = MappingProxyType({"photos": ("csv", "json"), "video": ("csv",)})
"""What they write when a job names no format."""

_NEEDS: Mapping[str, tuple[str, str]] = MappingProxyType({"parquet": ("pyarrow", "mien[parquet]")})

Priority = Literal["high", "normal", "low"]
PRIORITIES: tuple[Priority, ...] = get_args(Priority)
"""The priorities of jobs; workers look for work in this order."""


def named(text: str) -> list[str]:
    """Return the names in a text such as `CSV, parquet`, in small letters.

    >>> named("CSV, parquet")
    ['csv', 'parquet']
    """
    return [name.strip().lower() for name in text.split(",") if name.strip()]


def check_formats(wanted: Iterable[str], kind: str = "") -> tuple[Format, ...]:
    """Return the wanted formats, each once, in the order of `FORMATS`.

    Raises InputError for none at all and for one that jobs of a kind do not have; without a kind, for one that
    nothing can be exported as.
    """
    known = JOB_FORMATS.get(kind, ()) if kind else FORMATS
    names = list(wanted)
    unknown = [name for name in names if name not in known]
    if unknown or not names:
        what = ", ".join(repr(name[:40]) for name in unknown) or "given"
        whose = f" for jobs of kind {kind}" if kind else ""
        raise InputError(f"there is no format {what}{whose}: choose from {', '.join(known) or 'none'}")
    return tuple(name for name in known if name in names)


def formats_of(kind: str, options: Mapping[str, object]) -> tuple[Format, ...]:
    """Return the formats that the options of a job ask for; raises InputError for others than its kind has."""
    wanted = options.get("formats", DEFAULT_FORMATS.get(kind, ()))
    return check_formats([str(name) for name in wanted] if isinstance(wanted, list | tuple) else [str(wanted)], kind)


def check_installed(formats: Iterable[str]) -> None:
    """Raise RuntimeMissing when a format needs a package that is not there."""
    for name in formats:
        package, extra = _NEEDS.get(name, ("", ""))
        if package and find_spec(package) is None:
            raise RuntimeMissing(f"writing {name.capitalize()} needs {package}: install {extra}")


def check_priority(priority: str) -> Priority:
    """Return a priority; raises InputError for anything else."""
    if priority not in PRIORITIES:
        raise InputError(f"there is no priority {priority[:40]!r}: choose from {', '.join(PRIORITIES)}")
    return priority
