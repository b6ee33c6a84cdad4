"""What a source of pictures is: something that opens, gives one picture after another, and closes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field

from mien.pixels import Bgr

READ_TIMEOUT_S = 2.0
"""A live source that sends nothing for this long is lost."""


@dataclass(frozen=True, slots=True)
class Grab:
    """One picture as a source gave it.

    `picture` is either a JPEG that is published unchanged, or pixels. `captured_ns` is the moment of the grab as
    `time.monotonic_ns()` gave it. `position_s` (paced sources only) is when the picture is due, in seconds after the
    first one; it never decreases, not even where a source starts again.
    """

    captured_ns: int
    picture: bytes | Bgr = field(repr=False)
    width: int
    height: int
    position_s: float = 0.0


class _Source(ABC):
    """Where the pictures of a camera come from.

    `open` may be called again after `close`, and then starts anew. Every method raises UnknownSource when trying again
    will not help and SourceLost when it may.
    """

    @abstractmethod
    def open(self) -> None:
        """Get ready to read."""

    @abstractmethod
    def read(self) -> Grab | None:
        """Return the next picture, or None at the end."""

    @abstractmethod
    def close(self) -> None:
        """Free everything; does nothing when not open."""


class LiveSource(_Source):
    """Pictures come when the camera has them: what is not read in time is gone, and a read may block for 2 s."""


class PacedSource(_Source):
    """Pictures are stored or drawn, and the producer decides by their `position_s` when each is due."""

    @abstractmethod
    def pass_over(self, position_s: float) -> int:
        """Pass over the pictures that are due before `position_s`; returns how many."""


Source = LiveSource | PacedSource
