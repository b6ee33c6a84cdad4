"""How long to wait before a lost source is tried again."""

from __future__ import annotations

import random

FIRST_S = 0.2
# A restarted camera must be back on screen within 2 s: connecting and the first key frame take 1 s of these.
LONGEST_S = 0.7
_JITTER = 0.2


class Backoff:
    """Doubles from 0.2 s to 0.7 s, less up to a fifth, so that cameras of one switch do not all come at once."""

    def __init__(self) -> None:
        self._next_s = FIRST_S

    def next_s(self) -> float:
        """Return the seconds to wait now."""
        wait_s = self._next_s * random.uniform(1 - _JITTER, 1)  # noqa: S311  not a secret
        self._next_s = min(LONGEST_S, self._next_s * 2)
        return wait_s

    def reset(self) -> None:
        """Start from the shortest wait again, after a good time."""
        self._next_s = FIRST_S
