"""Work that comes round is spread, and once two are apart they stay apart."""

from __future__ import annotations

from worker.live.round_robin import next_due_ns

MS = 1_000_000


def done(due_ns: dict[str, int], key: str, at_ns: int, period_ns: int = 160 * MS) -> int:
    """Do work at a moment, between frames of 40 ms, and return when it is due again."""
    others = [each for other, each in due_ns.items() if other != key]
    due_ns[key] = next_due_ns(at_ns, period_ns, 40 * MS, others)
    return due_ns[key]


def test_the_first_rounds_of_four_fall_on_four_frames() -> None:
    due_ns: dict[str, int] = {}
    assert sorted(done(due_ns, key, 0) for key in "abcd") == [40 * MS, 80 * MS, 120 * MS, 160 * MS]


def test_work_that_is_apart_keeps_its_whole_period() -> None:
    due_ns: dict[str, int] = {}
    for key, at_ns in (("a", 0), ("b", 40 * MS), ("a", 160 * MS), ("b", 200 * MS)):
        assert done(due_ns, key, at_ns) == at_ns + 160 * MS


def test_where_all_frames_are_taken_the_last_of_the_emptiest_is_chosen() -> None:
    due_ns: dict[str, int] = {}
    chosen = [done(due_ns, key, 0, 120 * MS) for key in "abcdefghi"]
    assert all(chosen.count(moment * MS) == 3 for moment in (40, 80, 120))


def test_alone_it_is_due_after_its_period_however_short() -> None:
    assert next_due_ns(7 * MS, 10 * MS, 40 * MS, []) == 17 * MS
