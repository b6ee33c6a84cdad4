"""What a worker says about the frame budget comes back as it was said."""

from __future__ import annotations

from mien.bus.budget import Budget, Quantiles
from mien.bus.bus import Bus
from mien.bus.plan import SavingsPlan

A_BUDGET = Budget(
    camera="lobby",
    at_ns=5,
    window_s=12.0,
    budget_ms=40.0,
    frames=300,
    on_time=299,
    total_ms=Quantiles(18.0, 17.5, 24.25, 31.0),
    stages_ms={"detect": Quantiles(9.0, 8.0, 14.0, 15.0)},
    worker="w1",
    plan=SavingsPlan(scan_ms=80, smallest_face_px=64),
    level=2,
    why="2 cameras",
)


def test_a_budget_comes_back_as_it_was_said() -> None:
    assert Budget.from_json(A_BUDGET.to_json()) == A_BUDGET


def test_the_bus_keeps_the_last_budget_of_each_camera_until_it_is_forgotten(bus: Bus) -> None:
    bus.put_budgets([A_BUDGET])
    assert bus.budgets(["lobby", "door"]) == {"lobby": A_BUDGET}
    bus.forget_camera("lobby")
    assert bus.budgets(["lobby"]) == {}
    assert bus.budgets([]) == {}


def test_a_plan_that_a_later_version_wrote_is_read() -> None:
    assert SavingsPlan.from_dict({"scan_ms": "80", "unheard_of": 1}) == SavingsPlan(scan_ms=80.0)
