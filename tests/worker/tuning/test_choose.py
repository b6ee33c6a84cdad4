"""The choice of a plan: properties that hold for any machine and any number of cameras."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise

import pytest

from mien.bus.plan import EVERYTHING, SavingsPlan
from mien.settings import Settings
from worker.tuning.choose import (
    WORST_PART,
    Room,
    Work,
    busy_share,
    choose,
    every_nth,
    frame_ms,
    limit_of,
    worst_frame_ms,
)
from worker.tuning.costs import GUESS, Costs
from worker.tuning.ladder import ladder

STEPS = ladder(Settings())


def cases(count: int = 400) -> Iterator[tuple[Costs, Work, Room]]:
    draw = random.Random(1)
    for _ in range(count):
        speed = draw.uniform(0.2, 5)
        costs = Costs(
            decode_ms=1.6 * speed,
            scan_ms={48: draw.uniform(5, 25) * speed},
            near_ms=draw.uniform(0.3, 1.5) * speed,
            classify_ms={1: 1.2 * speed, 2: 2.3 * speed, 4: 4.5 * speed},
            draw_ms=0.5 * speed,
            encode_ms=1.8 * speed,
            speedup=draw.uniform(1, 3),
        )
        work = Work(draw.randint(0, 20), draw.uniform(1, 60), draw.uniform(0, 6), draw.choice([None, 0, 1, 5]))
        yield costs, work, Room(draw.randint(1, 32), draw.randint(1, 8), draw.choice([20.0, 40.0, 100.0]))


def test_the_first_plan_that_fits_is_chosen() -> None:
    for costs, work, room in cases():
        choice = choose(STEPS, costs, work, room)
        assert choice.plan == STEPS[choice.level]
        for level, plan in enumerate(STEPS[: choice.level]):
            too_busy = busy_share(costs, plan, work) > limit_of(STEPS, level, room)
            assert too_busy or worst_frame_ms(costs, plan, work) > WORST_PART * room.budget_ms
        if choice.fits:
            assert choice.busy <= limit_of(STEPS, choice.level, room)
            assert choice.worst_ms <= WORST_PART * room.budget_ms or not work.cameras
        else:
            assert choice.level == len(STEPS) - 1
        assert choice.why
        assert "\n" not in choice.why


def test_more_work_or_less_room_never_gives_a_dearer_plan() -> None:
    for costs, work, room in cases():
        level = choose(STEPS, costs, work, room).level
        assert choose(STEPS, costs, replace(work, cameras=work.cameras + 1), room).level >= level
        assert choose(STEPS, costs, work, replace(room, workers=room.workers + 1)).level >= level
        assert choose(STEPS, costs, work, room, slower=1.3).level >= level
        assert choose(STEPS, costs, work, replace(room, cores=room.cores + 1)).level <= level
        assert choose(STEPS, costs, replace(work, watched=0), room).level <= level


def test_each_step_down_costs_no_more_where_following_is_cheaper_than_detecting() -> None:
    for costs, work, _ in cases():
        if work.faces * costs.near_ms > costs.detect(96):
            continue
        loads = [frame_ms(costs, plan, work) for plan in STEPS]
        assert all(below <= above + 1e-9 for above, below in pairwise(loads))


def test_frames_are_left_out_only_when_there_is_no_other_way() -> None:
    """Three quarters of a core are more than comfortable, and still better than every second frame lost."""
    assert 0.7 < busy_share(GUESS, STEPS[-2], Work(4)) < 0.8
    assert choose(STEPS, GUESS, Work(4), Room(2, 2)).plan.analyse_every == 1
    assert choose(STEPS, GUESS, Work(5), Room(2, 2)).plan.analyse_every == 2


def test_no_cameras_mean_everything() -> None:
    assert choose(STEPS, GUESS, Work(0), Room(1)).level == 0


def test_the_sentence_names_cameras_cost_and_room() -> None:
    costs = replace(GUESS, other_ms=1.0)
    choice = choose(STEPS, costs, Work(2), Room(2, 2))
    assert choice.why == (
        "2 cameras at 25 fps: detect every 120 ms would take 0.71 of a core, more than 0.60 (2 workers on 2 cores)"
    )
    assert choose(STEPS, costs, Work(1), Room(2)).why == (
        "1 camera at 25 fps: everything on every frame takes 0.62 of a core"
    )
    hopeless = choose(STEPS, GUESS, Work(99), Room(1))
    assert not hopeless.fits
    assert hopeless.why.endswith("there is no cheaper plan")


def test_everything_is_the_sum_of_its_parts() -> None:
    assert frame_ms(GUESS, EVERYTHING, Work(1)) == pytest.approx(1.6 + 17.5 + 2.4 + 0.5 + 1.8 + GUESS.other_ms)
    unwatched = Work(1, watched=0)
    assert frame_ms(GUESS, EVERYTHING, unwatched) == pytest.approx(1.6 + 17.5 + 2.4 + GUESS.other_ms)


@pytest.mark.parametrize(
    ("interval_ms", "fps", "nth"),
    [(0, 25, 1), (40, 25, 1), (80, 25, 2), (120, 25, 3), (160, 25, 4), (160, 30, 5), (80, 10, 1), (160, 0.1, 1)],
)
def test_intervals_mean_every_nth_frame(interval_ms: float, fps: float, nth: int) -> None:
    assert every_nth(interval_ms, fps) == nth


def test_a_detection_that_was_not_measured_follows_from_the_nearest() -> None:
    costs = replace(GUESS, scan_ms={48: 16.0, 96: 5.0})
    assert costs.detect(48) == 16.0
    assert costs.detect(60) == pytest.approx(16.0 * (48 / 60) ** 2)
    assert costs.detect(192) == pytest.approx(5.0 / 4)


def test_faces_are_classified_in_the_sizes_that_were_measured() -> None:
    costs = replace(GUESS, classify_ms={1: 1.5, 2: 2.6, 4: 5.0})
    assert [costs.classify(faces) for faces in (0, 1, 2, 3, 7)] == pytest.approx([0, 1.5, 2.6, 4.1, 9.1])
    assert costs.classify(2.5) == pytest.approx(2.6 + 0.75)


def test_the_plan_of_a_manual_setting_is_kept() -> None:
    steps = ladder(Settings(classify_ms=40))
    choice = choose(steps, GUESS, Work(8), Room(1))
    assert choice.plan == SavingsPlan(160, 40, 96, 2, 2)
