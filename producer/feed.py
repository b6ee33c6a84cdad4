"""A feed hands the pictures of a source to the producer, each at its time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from producer.sources.source import Grab


@dataclass(frozen=True, slots=True)
class Captured:
    """A picture, and how many were captured before it that it replaced."""

    grab: Grab
    skipped: int = 0


class Feed(Protocol):
    """The pictures of one opening of a source, from `start` to `close`."""

    @property
    def ended(self) -> bool:
        """Whether the source came to its end and everything was handed over."""

    def start(self) -> None:
        """Open the source; raises what the source raises."""

    def next(self, timeout_s: float) -> Captured | None:
        """Return the next picture, or None when there is none in time; raises what the source raises."""

    def close(self) -> int:
        """Close the source and return how many captured pictures will not be handed out."""
