"""How often a part of `mien up` may die, and how long it waits until it is started again."""

from __future__ import annotations

from collections import deque

MOST = 5
"""A part that dies this often within a minute is not started again: trying once more would not help."""

WITHIN_S = 60.0

# The first time at once, since cameras wait for their worker; then longer, so that what fails at its start does not
# take the cores from the others. All together 1.4 s: a mistake in the settings is said after a few seconds.
_WAITS_S = (0.0, 0.2, 0.4, 0.8)


class Deaths:
    """The deaths of one part within the last minute."""

    def __init__(self) -> None:
        self._at_s: deque[float] = deque()

    def note(self, now_s: float) -> float | None:
        """Count one more death; return how many seconds to wait before the part is started again, None: never."""
        while self._at_s and now_s - self._at_s[0] > WITHIN_S:
            self._at_s.popleft()
        self._at_s.append(now_s)
        return _WAITS_S[len(self._at_s) - 1] if len(self._at_s) < MOST else None
