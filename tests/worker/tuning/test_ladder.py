"""The ladder of plans, and what settings make of it."""

from __future__ import annotations

import pytest

from mien.bus.plan import EVERYTHING, SavingsPlan
from mien.settings import Settings, load_settings
from worker.tuning.ladder import ladder


def test_it_begins_with_everything_and_ends_with_the_least() -> None:
    steps = ladder(Settings())
    assert steps[0] == EVERYTHING
    assert steps[-1] == SavingsPlan(160, 120, 96, 2, 2)
    assert len(set(steps)) == len(steps) == 9


def test_a_new_face_is_never_looked_for_later_than_160_ms() -> None:
    assert max(plan.scan_ms for plan in ladder(Settings())) <= 160


def test_tune_off_is_one_step() -> None:
    assert ladder(Settings(tune="off")) == (EVERYTHING,)
    assert ladder(Settings(tune="off", scan_ms=100)) == (SavingsPlan(scan_ms=100),)


def test_what_is_given_is_in_every_step_and_equal_steps_vanish() -> None:
    steps = ladder(Settings(scan_ms=100, classify_ms=0))
    assert {(plan.scan_ms, plan.classify_ms) for plan in steps} == {(100, 0)}
    assert [plan.smallest_face_px for plan in steps] == [48, 64, 96, 96, 96]


def test_a_smallest_face_that_is_given_is_never_coarsened(monkeypatch: pytest.MonkeyPatch) -> None:
    assert {plan.smallest_face_px for plan in ladder(Settings(smallest_face_px=48))} == {48}
    monkeypatch.setenv("MIEN_SMALLEST_FACE_PX", "48")
    assert {plan.smallest_face_px for plan in ladder(load_settings())} == {48}


def test_plans_are_said_in_words() -> None:
    assert EVERYTHING.words == "everything on every frame"
    assert SavingsPlan(120, 80).words == "detect every 120 ms, classify every 80 ms"
    assert SavingsPlan(160, 0, 96, 2, 3).words == (
        "detect every 160 ms, draw every 2nd frame, analyse every 3rd frame, faces from 96 px"
    )
