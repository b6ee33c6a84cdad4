"""How long a part that died waits, and when it is given up."""

from __future__ import annotations

from cli.up.deaths import MOST, Deaths


def test_the_first_start_is_at_once_and_each_further_one_later() -> None:
    deaths = Deaths()
    waits = [deaths.note(float(number)) for number in range(MOST)]
    assert waits[0] == 0
    assert waits[-1] is None
    known = [wait for wait in waits if wait is not None]
    assert len(known) == MOST - 1
    assert known == sorted(set(known)), "it waits longer each time"


def test_deaths_that_are_a_minute_old_are_forgotten() -> None:
    deaths = Deaths()
    assert [deaths.note(number * 15.1) for number in range(40)].count(None) == 0, "five never fall into one minute"
    assert Deaths().note(0) == deaths.note(10_000.0) == 0


def test_the_fifth_death_within_a_minute_is_the_last_one_whenever_the_minute_began() -> None:
    deaths = Deaths()
    times_s = [0.0, 50.0, 70.0, 80.0, 90.0, 100.0]
    assert [deaths.note(at_s) is None for at_s in times_s] == [False] * 5 + [True]
