"""A lost source is tried again soon, then less often."""

from __future__ import annotations

import pytest

from producer.backoff import FIRST_S, LONGEST_S, Backoff


def test_waits_grow_up_to_the_longest_and_start_again_after_a_good_time() -> None:
    backoff = Backoff()
    waits = [backoff.next_s() for _ in range(8)]
    assert waits[0] == pytest.approx(FIRST_S, rel=0.2)
    assert waits[1] == pytest.approx(2 * FIRST_S, rel=0.2)
    assert waits[-1] == pytest.approx(LONGEST_S, rel=0.2)
    assert max(waits) <= LONGEST_S
    backoff.reset()
    assert backoff.next_s() <= FIRST_S


def test_cameras_of_one_switch_do_not_come_all_at_once() -> None:
    assert len({Backoff().next_s() for _ in range(10)}) > 5
