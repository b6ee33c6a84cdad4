"""Turns that come round are spread, and once they are apart they stay apart."""

from __future__ import annotations

from worker.live.round_robin import Rota

MS = 1_000_000


def test_the_first_turns_of_four_fall_on_four_frames() -> None:
    rota: Rota[str] = Rota()
    for key in "abcd":
        rota.book(key, 0, 160 * MS, 40 * MS)
    assert sorted(rota.next_ns(key) or 0 for key in "abcd") == [40 * MS, 80 * MS, 120 * MS, 160 * MS]


def test_turns_that_are_apart_keep_their_whole_period() -> None:
    rota: Rota[str] = Rota()
    for key, at_ns in (("a", 0), ("b", 40 * MS), ("a", 160 * MS), ("b", 200 * MS)):
        rota.book(key, at_ns, 160 * MS, 40 * MS)
        assert rota.next_ns(key) == at_ns + 160 * MS


def test_where_all_frames_are_taken_the_last_of_the_emptiest_is_booked() -> None:
    rota: Rota[int] = Rota()
    for key in range(9):
        rota.book(key, 0, 120 * MS, 40 * MS)
    booked = [rota.next_ns(key) for key in range(9)]
    assert all(booked.count(moment * MS) == 3 for moment in (40, 80, 120))


def test_who_is_taken_off_has_no_turn() -> None:
    rota: Rota[str] = Rota()
    rota.book("a", 0, 160 * MS, 40 * MS)
    rota.book("b", 0, 160 * MS, 40 * MS)
    rota.forget(lambda key: key == "a")
    assert rota.next_ns("a") is None
    assert len(rota) == 1
