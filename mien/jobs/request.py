"""What a job was asked to do: its kind, its inputs, its options.

    <job>/inputs.json   kind, out, options, chunk size, number of inputs, webhook
    <job>/items.jsonl   [address, label] or [address, label, truth], a line for each input
    <job>/items.idx     where each line begins, and the end: 8 bytes each, little endian

A worker reads the lines it needs and no others: a chunk of a job over 100,000 pictures costs what a small job costs.
"""

from __future__ import annotations

import hashlib
import json
import re
import sys
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal, cast, overload
from urllib.parse import urlsplit

from mien.address import Address
from mien.errors import JobError
from mien.inputs.input import Input

JobKind = Literal["photos", "video", "evaluation"]
KINDS: tuple[JobKind, ...] = ("photos", "video", "evaluation")

Option = str | int | float | bool | list[str]
Options = Mapping[str, Option]

MOST_INPUTS = 10_000_000
_OPTION_NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")
_LONGEST_TEXT = 4096
_MOST_TEXTS = 1000
_OFFSET_BYTES = 8


@dataclass(frozen=True, slots=True)
class Inputs:
    """All that a job was asked to do; chunk k holds the inputs from k × `chunk_size` on."""

    kind: str
    out: Path
    chunk_size: int
    items: Sequence[Input]
    options: Options = field(default_factory=lambda: MappingProxyType({}))
    webhook: str = field(default="", repr=False)

    @property
    def annotate(self) -> bool:
        """Whether to write inputs with their faces drawn in; the default is yes."""
        return bool(self.options.get("annotate", True))

    @property
    def chunks(self) -> int:
        """How many chunks there are."""
        return -(-len(self.items) // self.chunk_size)

    def chunk(self, number: int) -> dict[int, Input]:
        """Return the inputs of a chunk by their index; raises JobError when there is no such chunk."""
        if not 0 <= number < self.chunks:
            raise JobError(f"there is no chunk {number} in a job of {self.chunks}")
        start = number * self.chunk_size
        return dict(enumerate(self.items[start : start + self.chunk_size], start))

    def item(self, index: int) -> Input:
        """Return one input; raises JobError when there is none of that number."""
        if not 0 <= index < len(self.items):
            raise JobError(f"there is no input {index} in a job of {len(self.items)}")
        return self.items[index]

    def digest(self, out: Path | None) -> str:
        """Return a digest that is equal for jobs that ask for the same results in the same place; None: in any
        place."""
        options = sorted((name, repr(value)) for name, value in self.options.items())
        hashed = hashlib.sha256(json.dumps([self.kind, str(out or ""), options]).encode())
        for item in self.items:
            hashed.update(item.to_line())
        return hashed.hexdigest()


class StoredItems(Sequence[Input]):
    """The inputs of a job in its folder; each is read when it is asked for. Raises JobError when it cannot be."""

    def __init__(self, folder: Path, count: int) -> None:
        self._lines = folder / "items.jsonl"
        self._offsets = folder / "items.idx"
        self._count = count

    def __len__(self) -> int:
        return self._count

    @overload
    def __getitem__(self, which: int) -> Input: ...
    @overload
    def __getitem__(self, which: slice) -> Sequence[Input]: ...

    def __getitem__(self, which: int | slice) -> Input | Sequence[Input]:
        if isinstance(which, slice):
            start, stop, step = which.indices(self._count)
            return self._read(start, stop) if step == 1 else [self[index] for index in range(start, stop, step)]
        index = which + self._count if which < 0 else which
        if not 0 <= index < self._count:
            raise IndexError(f"input {which} of {self._count}")
        return self._read(index, index + 1)[0]

    def __iter__(self) -> Iterator[Input]:
        for start in range(0, self._count, 1000):
            yield from self._read(start, min(start + 1000, self._count))

    def _read(self, start: int, stop: int) -> tuple[Input, ...]:
        if stop <= start:
            return ()
        try:
            with self._offsets.open("rb") as file:
                file.seek(start * _OFFSET_BYTES)
                ends = _offsets_from(file.read((stop - start + 1) * _OFFSET_BYTES))
            with self._lines.open("rb") as file:
                file.seek(ends[0])
                lines = file.read(ends[-1] - ends[0]).splitlines()
            if len(lines) != stop - start:
                raise ValueError(f"{stop - start} inputs wanted, {len(lines)} there")
            return tuple(Input.from_line(line) for line in lines)
        except (OSError, ValueError, IndexError) as error:
            raise JobError(
                f"the inputs in {self._lines.parent} cannot be read ({error}): queue the job again"
            ) from error


def lines_of(items: Iterable[Input]) -> tuple[list[bytes], bytes]:
    """Return the lines of inputs and the index of where each begins, as `StoredItems` reads them."""
    lines = [item.to_line() for item in items]
    offsets = array("Q", [0])
    for line in lines:
        offsets.append(offsets[-1] + len(line))
    return lines, _little(offsets).tobytes()


def check_kind(kind: object) -> JobKind:
    """Return a kind of job; raises JobError for anything else."""
    if kind not in KINDS:
        raise JobError(f"there are no jobs of kind {str(kind)[:40]!r}: {', '.join(KINDS)} are known")
    return kind


def check_options(options: Mapping[str, object]) -> Options:
    """Return options that cannot change; raises JobError for a name or a value that cannot be one."""
    for name, value in options.items():
        if not isinstance(name, str) or not _OPTION_NAME.fullmatch(name):
            raise JobError(f"option {str(name)[:40]!r} cannot be used: small letters, digits and underscores")
        if not _is_option(value):
            raise JobError(f"option {name!r} cannot be {str(value)[:40]!r}: a text, a number, or a list of texts")
    return MappingProxyType({name: _frozen(cast(Option, value)) for name, value in options.items()})


def check_webhook(address: str) -> str:
    """Return the address of a webhook, or nothing; raises JobError for one that must not be called."""
    if not address:
        return ""
    try:
        parts = urlsplit(address)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable or len(address) > 2000 or not address.isprintable() or " " in address:
        raise JobError(f"webhook '{Address.of_program(address)}' cannot be used: it must be an http or https address")
    return address


def _is_option(value: object) -> bool:
    if isinstance(value, list):
        return len(value) <= _MOST_TEXTS and all(_is_text(text) for text in value)
    if isinstance(value, float):
        return value == value and abs(value) != float("inf")
    return isinstance(value, bool | int) or _is_text(value)


def _is_text(value: object) -> bool:
    return isinstance(value, str) and len(value) <= _LONGEST_TEXT


def _frozen(value: Option) -> Option:
    return list(value) if isinstance(value, list) else value


def _little(offsets: array[int]) -> array[int]:
    if sys.byteorder == "big":
        offsets.byteswap()
    return offsets


def _offsets_from(data: bytes) -> Sequence[int]:
    offsets = array("Q")
    offsets.frombytes(data)
    return _little(offsets)


def inputs_from(document: Any, folder: Path) -> Inputs:
    """Return the inputs that inputs.json in a folder describes; raises JobError, ValueError, KeyError, TypeError."""
    count, chunk_size = int(document["count"]), int(document["chunk_size"])
    if not 0 < count <= MOST_INPUTS or not 0 < chunk_size <= MOST_INPUTS:
        raise ValueError(f"{count} inputs in chunks of {chunk_size}")
    return Inputs(
        kind=check_kind(document["kind"]),
        out=Path(document["out"]),
        chunk_size=chunk_size,
        items=StoredItems(folder, count),
        options=check_options(dict(document["options"])),
        webhook=str(document.get("webhook", "")),
    )
