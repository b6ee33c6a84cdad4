"""Cameras are spread over the workers, and stay where they are."""

from __future__ import annotations

import pytest

from mien.types import Camera, CameraState
from worker.live.membership import GONE, affinity, beside, new_name, share, share_cameras

CAMERAS = [f"camera-{number}" for number in range(9)]
WORKERS = ["w1", "w2", "w3"]


def test_every_worker_has_its_fair_share() -> None:
    owners = share(CAMERAS, WORKERS)
    assert owners.keys() == set(CAMERAS)
    assert {worker: list(owners.values()).count(worker) for worker in WORKERS} == {"w1": 3, "w2": 3, "w3": 3}


@pytest.mark.parametrize("cameras", range(1, 14))
def test_no_worker_has_two_cameras_more_than_another_one(cameras: int) -> None:
    names = [f"camera-{number}" for number in range(cameras)]
    for workers in range(1, 7):
        owners = share(names, [f"w{number}" for number in range(workers)])
        assert owners.keys() == set(names)
        loads = [list(owners.values()).count(f"w{number}") for number in range(workers)]
        assert max(loads) - min(loads) <= 1


def test_few_cameras_move_when_a_worker_leaves() -> None:
    needless = 0
    for number in range(20):
        workers = [f"{number}-{worker}" for worker in WORKERS]
        before, after = share(CAMERAS, workers), share(CAMERAS, workers[1:])
        needless += sum(before[camera] not in (workers[0], after[camera]) for camera in CAMERAS)
    assert needless / 20 < 1.5


def test_the_order_of_the_lists_does_not_matter() -> None:
    assert share(CAMERAS[::-1], WORKERS[::-1]) == share(CAMERAS, WORKERS)


def test_a_camera_alone_goes_where_its_affinity_is_highest() -> None:
    assert share(["lobby"], WORKERS) == {"lobby": max(WORKERS, key=lambda worker: affinity("lobby", worker))}


def test_without_workers_nobody_owns_anything() -> None:
    assert share(CAMERAS, []) == {}


def test_workers_of_one_machine_know_one_another_by_name() -> None:
    ours = [new_name() for _ in range(3)]
    assert len(set(ours)) == 3
    assert beside(ours[0], {*ours[1:], "rack-7-1234-zzzz-0a0b0c"}) == 2
    assert beside(ours[0], {"an-old-name"}) == 0


def test_cameras_that_are_gone_weigh_nothing_where_the_work_is_shared() -> None:
    for others in range(40):
        states = {f"gone-{others}-{number}": sorted(GONE)[number % 3] for number in range(14)}
        states |= {f"here-{others}-{number}": CameraState.LIVE for number in range(4)}
        owners = share_cameras({name: Camera(name, state) for name, state in states.items()}, ("w1", "w2"))
        assert owners.keys() == states.keys()
        live = [owners[name] for name, state in states.items() if state == CameraState.LIVE]
        assert (live.count("w1"), live.count("w2")) == (2, 2)
