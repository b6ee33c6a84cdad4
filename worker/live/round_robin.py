"""Whose turn it is when: work that comes round is spread, so that as little as possible falls on one moment."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)


class Rota(Generic[Key]):
    """The moment (ns) from which on the next turn of each key is due."""

    def __init__(self) -> None:
        self._next_ns: dict[Key, int] = {}

    def __len__(self) -> int:
        return len(self._next_ns)

    def next_ns(self, key: Key) -> int | None:
        """Return when a key is due; None when it was never booked."""
        return self._next_ns.get(key)

    def book(self, key: Key, at_ns: int, period_ns: int, step_ns: int) -> None:
        """Book the next turn of a key that had one at `at_ns`: `period_ns` later, or sooner when it is crowded there.

        Sooner by whole steps. Once two keys are apart they stay so: as they have the same period, only their first
        turns are shortened.
        """
        self._next_ns.pop(key, None)
        last_ns = at_ns + period_ns
        choices = range(last_ns, at_ns + step_ns // 2, -max(1, step_ns))
        self._next_ns[key] = min(choices, key=lambda moment: self._crowd(moment, step_ns), default=last_ns)

    def forget(self, is_gone: Callable[[Key], bool]) -> None:
        """Take keys off."""
        for key in [key for key in self._next_ns if is_gone(key)]:
            del self._next_ns[key]

    def clear(self) -> None:
        """Take all keys off."""
        self._next_ns.clear()

    def _crowd(self, moment: int, step_ns: int) -> int:
        return sum(2 * abs(other - moment) < step_ns for other in self._next_ns.values())
