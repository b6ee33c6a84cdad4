"""One input of a job: where it lies, and how people call it."""

from __future__ import annotations

import json
from dataclasses import dataclass

from mien.address import Address


@dataclass(frozen=True, slots=True)
class Input:
    """Something to read: where it lies, how people call it, and for an evaluation, its true emotion.

    `address` is an absolute local path, an fsspec address such as `s3://bucket/a.jpg`, or a member of an archive.
    """

    address: Address
    label: str
    truth: str = ""

    @classmethod
    def of(cls, address: str, label: str, truth: str = "") -> Input:
        """Return the input at an address as it is written and stored."""
        return cls(Address.of_input(address), label, truth)

    def to_line(self) -> bytes:
        """Return the input as a line of items.jsonl."""
        parts = [self.address.secret(), self.label, *([self.truth] if self.truth else [])]
        return json.dumps(parts, separators=(",", ":")).encode() + b"\n"

    @classmethod
    def from_line(cls, line: bytes) -> Input:
        """Read what `to_line` wrote; raises ValueError on anything else."""
        parts = json.loads(line)
        if not (isinstance(parts, list) and 2 <= len(parts) <= 3 and all(isinstance(part, str) for part in parts)):
            raise ValueError(f"{line[:80]!r} is not an input")
        return cls.of(*parts)
