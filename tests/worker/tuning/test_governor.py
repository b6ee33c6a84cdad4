"""The governor: down the ladder under load, up again after, and never back and forth."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from itertools import pairwise

import structlog

from mien.bus.plan import EVERYTHING, SavingsPlan
from mien.settings import Settings
from worker.tuning.choose import Room, Work, busy_share
from worker.tuning.costs import GUESS, Costs
from worker.tuning.governor import CALM_SECONDS, Governor
from worker.tuning.ladder import ladder

STEPS = ladder(Settings())
TURN_S = 0.1


@dataclass
class Day:
    """A worker's time: `slower` than its costs say, `cameras` at 25 fps; every 100 ms it tells its governor."""

    governor: Governor
    cameras: int = 1
    slower: float = 1.0
    late_part: float | None = None
    costs: Costs = GUESS
    now_s: float = 100.0

    def __post_init__(self) -> None:
        self.levels: list[int] = []
        self.have(self.cameras)

    def have(self, cameras: int, workers: int = 1) -> None:
        self.cameras = cameras
        self.governor.cameras(cameras, 25.0, workers=workers)

    def load(self) -> float:
        return self.slower * busy_share(self.costs, self.governor.plan, Work(self.cameras))

    def live(self, seconds: float, until: Callable[[], bool] = lambda: False) -> float:
        """Let time pass; returns how much of it did."""
        began_s = self.now_s
        while self.now_s < began_s + seconds and not until():
            self.now_s += TURN_S
            busy = min(1.0, self.load())
            frames = round(self.cameras * 25 * TURN_S * 10) // 10 + 1 if self.cameras else 0
            late = frames if busy > 0.97 else 0
            if self.late_part is not None:
                late = round(self.late_part * frames)
            self.governor.note(self.now_s, busy * TURN_S, frames, late, 0, 2 * frames)
            self.levels.append(self.governor.level)
        return self.now_s - began_s

    def changes(self) -> int:
        return sum(before != after for before, after in pairwise(self.levels))


def a_governor(cores: int = 2, steps: tuple[SavingsPlan, ...] = STEPS, **more: object) -> Governor:
    return Governor(steps, GUESS, Room(cores), **more)  # type: ignore[arg-type]


def test_a_governor_without_a_ladder_does_everything_on_every_frame() -> None:
    day = Day(Governor(), cameras=12)
    day.live(20)
    assert (day.governor.plan, day.governor.level) == (EVERYTHING, 0)


def test_it_begins_where_the_costs_say() -> None:
    day = Day(a_governor(), cameras=1)
    assert day.governor.level == 0
    day.have(2)
    assert day.governor.level == 3
    assert "2 cameras at 25 fps" in day.governor.why


def test_too_much_work_takes_it_down_a_step_a_second_until_it_fits() -> None:
    day = Day(a_governor(), slower=2.4)
    assert day.load() > 1
    took_s = day.live(20, lambda: day.load() < 0.85)
    assert took_s < 6
    day.live(3)
    level = day.governor.level
    assert 0 < level < len(STEPS) - 1
    assert all(after - before in (0, 1) for before, after in pairwise(day.levels))
    assert "busy" in day.governor.why


def test_late_frames_take_it_down_after_two_seconds_and_not_sooner() -> None:
    day = Day(a_governor(), late_part=0.5)
    day.live(1.5)
    assert day.governor.level == 0
    day.live(2)
    assert day.governor.level == 1
    assert "late" in day.governor.why


def test_frames_that_come_late_from_elsewhere_are_not_its_fault() -> None:
    day = Day(a_governor(), slower=0.2, late_part=1.0)
    day.live(10)
    assert day.governor.level == 0


def test_frames_lost_beside_the_late_ones_count() -> None:
    governor = a_governor()
    governor.cameras(1, 25.0)
    for second in range(1, 4):
        governor.note(float(second), 0.6, frames=20, late=0, overload=5)
    assert governor.level > 0


def test_at_the_last_step_it_stays() -> None:
    day = Day(a_governor(), cameras=1, slower=20.0)
    day.live(30)
    assert day.governor.level == len(STEPS) - 1


def test_it_recovers_one_step_at_a_time_when_the_load_is_gone() -> None:
    day = Day(a_governor(), slower=2.4)
    day.live(10)
    low = day.governor.level
    day.slower = 0.9
    day.live(CALM_SECONDS - 1)
    assert day.governor.level == low > 1
    took_s = day.live(200, lambda: day.governor.level == 0)
    assert (low - 1) * CALM_SECONDS <= took_s <= low * (CALM_SECONDS + 2)


def test_a_load_at_the_edge_does_not_swing() -> None:
    """Measured room that is not there: each step up is taken back, and tried again ever more seldom."""
    day = Day(a_governor(), slower=1.0)
    day.live(5)

    def busy_above_level_one() -> float:
        return 0.99 if day.governor.level < 2 else 0.3

    day.load = busy_above_level_one  # type: ignore[method-assign]
    day.live(20)
    day.levels.clear()
    day.live(600)
    assert day.changes() <= 14
    day.levels.clear()
    day.live(600)
    assert day.changes() <= 4


def test_more_cameras_take_it_down_at_once_and_fewer_up() -> None:
    day = Day(a_governor(), cameras=1)
    day.live(5)
    day.have(4)
    assert day.governor.level >= 6
    day.live(5)
    day.have(1)
    assert day.governor.level == 0


def test_what_it_learned_of_a_slow_machine_counts_for_the_next_cameras() -> None:
    slow, fair = Day(a_governor(), slower=1.7), Day(a_governor())
    for day in (slow, fair):
        day.live(30)
        day.have(2)
    assert slow.governor.level > fair.governor.level


def test_workers_that_share_the_machine_leave_less_room() -> None:
    day = Day(a_governor())
    day.have(1, workers=3)
    assert day.governor.level > 0


def test_viewers_that_come_are_reckoned_with_before_they_cost_frames() -> None:
    governor = a_governor()
    governor.cameras(2, 25.0, watched=0)
    before = governor.level
    governor.cameras(2, 25.0, watched=2)
    watched = governor.level
    assert watched > before
    governor.cameras(2, 25.0, watched=0)
    assert governor.level == watched, "that they left is measured, not reckoned"


def test_a_rate_that_hardly_changes_or_stumbles_chooses_nothing_anew() -> None:
    governor = a_governor()
    governor.cameras(1, 50.0)
    level = governor.level
    assert level > 0
    for tenth, fps in enumerate([49.3, 50.5, 42.0, 5.0, 90.0, 5.0, 50.0, 5.0] * 5):
        governor.note(100 + tenth / 10, 0.0, 5)
        governor.cameras(1, fps)
        assert governor.level == level
    for tenth in range(40):
        governor.note(110 + tenth / 10, 0.0, 1)
        governor.cameras(1, 5.0)
    assert governor.level < level


def test_manual_settings_are_in_every_step() -> None:
    steps = ladder(Settings(scan_ms=0, smallest_face_px=48))
    day = Day(a_governor(steps=steps), cameras=8, slower=3.0)
    for _ in range(30):
        day.live(1)
        assert day.governor.plan.scan_ms == 0
        assert day.governor.plan.smallest_face_px == 48


def test_a_step_with_other_nets_is_taken_when_they_are_ready() -> None:
    ready: set[int] = {48}
    asked: list[int] = []

    def is_ready(plan: SavingsPlan, shapes: Collection[tuple[int, int]]) -> bool:
        asked.append(plan.smallest_face_px)
        assert shapes == {(1280, 720)}
        return plan.smallest_face_px in ready

    governor = a_governor(ready=is_ready)
    governor.cameras(4, 25.0, shapes=[(1280, 720)])
    waiting = governor.plan
    assert waiting == STEPS[4], "as far down as the nets that are there allow"
    assert asked
    for tenth in range(12):
        governor.note(100 + tenth / 10, 0.05, 10)
    assert governor.plan == waiting
    ready |= {64, 96}
    for tenth in range(12, 24):
        governor.note(100 + tenth / 10, 0.05, 10)
    assert governor.plan.smallest_face_px == 96


def test_every_change_is_one_line_with_its_reason() -> None:
    with structlog.testing.capture_logs() as lines:
        Day(a_governor(), slower=2.0).live(3)
    changes = [line for line in lines if line["event"] == "plan changed"]
    assert changes
    assert {"level", "was", "plan", "before", "why"} <= changes[0].keys()


def test_a_pause_of_the_cameras_is_no_room() -> None:
    day = Day(a_governor(), cameras=2)
    level = day.governor.level
    for quarter in range(400):
        day.governor.note(day.now_s + quarter / 4, 0.0, 0)
    assert day.governor.level == level > 0


def test_lossless_cameras_may_take_all_the_time() -> None:
    day = Day(a_governor(), cameras=0)
    day.load = lambda: 1.0  # type: ignore[method-assign]
    day.live(20)
    assert day.governor.level == 0


def test_quiet_hours_are_forgotten_not_counted_as_calm() -> None:
    day = Day(a_governor(), slower=1.6)
    day.live(10)
    level = day.governor.level
    day.now_s += 3600
    day.live(3)
    assert day.governor.level == level


def test_faces_that_are_seen_count_instead_of_two_that_are_assumed() -> None:
    many, none = a_governor(), a_governor()
    for governor, faces in ((many, 8), (none, 0)):
        governor.cameras(1, 25.0)
        for turn in range(200):
            expected = busy_share(GUESS, governor.plan, Work(1, faces=faces))
            governor.note(turn / 10, TURN_S * min(0.8, expected), 3, faces=3 * faces)
        governor.cameras(2, 25.0)
    assert many.level > none.level


def test_a_budget_that_one_frame_breaks_is_kept_by_coarser_detection() -> None:
    slow = replace(GUESS, scan_ms={48: 40.0})
    governor = Governor(STEPS, slow, Room(8))
    governor.cameras(1, 2.0)
    assert governor.plan.smallest_face_px > 48
    for tenth in range(600):
        governor.note(tenth / 10, 0.002, 1)
    assert governor.plan.smallest_face_px > 48, "calm seconds alone do not make the dearest frame fit"
