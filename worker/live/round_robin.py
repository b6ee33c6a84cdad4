"""Work that comes round is spread over time, so that as little as possible falls on one moment."""

from __future__ import annotations

from collections.abc import Collection


def next_due_ns(at_ns: int, period_ns: int, step_ns: int, others_ns: Collection[int]) -> int:
    """Return when work that was done at `at_ns` is due again: `period_ns` later, or sooner when it is crowded there.

    `others_ns`: when all other work of the kind is due next. Sooner by whole steps. Once two are apart they stay so: as
    they have the same period, only their first rounds are shortened.
    """
    last_ns = at_ns + period_ns
    choices = range(last_ns, at_ns + step_ns // 2, -max(1, step_ns))
    return min(choices, key=lambda moment: _crowd(moment, step_ns, others_ns), default=last_ns)


def _crowd(moment: int, step_ns: int, others_ns: Collection[int]) -> int:
    return sum(2 * abs(other - moment) < step_ns for other in others_ns)
