"""Cameras come and go: what the dashboard holds does not grow with those that are gone."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import redis

from dashboard.cameras.browser import BrowserCameras
from dashboard.cameras.hub import Hub
from dashboard.cameras.overview import Overview
from mien.bus.budget import Budget, Quantiles
from mien.bus.bus import Bus
from mien.settings import Settings
from mien.types import Camera, CameraState, Frame, FrameResult, View

WAIT_S = 20.0
ROUNDS, EACH = 10, 100  # 1,000 cameras


@pytest.fixture
def overview(bus: Bus) -> Iterator[Overview]:
    overview = Overview(bus)
    yield overview
    overview.close()


@pytest.fixture
def hub(bus: Bus, overview: Overview) -> Iterator[Hub]:
    hub = Hub(bus, overview.names)
    yield hub
    hub.close()


def until(true: Callable[[], bool]) -> None:
    deadline_s = time.monotonic() + WAIT_S
    while not true():
        assert time.monotonic() < deadline_s
        time.sleep(0.005)


def things_in(*roots: object) -> int:
    """Return how many entries all collections hold that can be reached from objects of the dashboard."""
    seen: set[int] = set()
    count, waiting = 0, list(roots)
    while waiting:
        each = waiting.pop()
        if id(each) in seen:
            continue
        seen.add(id(each))
        inside = list(_inside(each))
        count += len(inside)
        waiting += inside
    return count


def _inside(each: Any) -> Iterator[object]:
    if isinstance(each, dict):
        yield from each.keys()
        yield from each.values()
    elif isinstance(each, (list, tuple, set, frozenset, deque)):
        yield from each
    elif type(each).__module__.startswith("dashboard."):
        names = [*getattr(each, "__dict__", ()), *getattr(type(each), "__slots__", ())]
        yield from (getattr(each, name) for name in names if hasattr(each, name))


def live(bus: Bus, camera: str) -> None:
    """Put a camera on the bus with an account, a result, a view and a budget."""
    bus.put_camera(Camera(camera, CameraState.LIVE))
    frame_id = bus.publish(Frame(camera, 1, bus.clock.now_ns(), 8, 8, b"x"))
    while not bus.read("w", [camera], block_ms=0):
        pass
    bus.finish(FrameResult(camera, frame_id, 1, bus.clock.now_ns(), 8, 8, ()), View(camera, frame_id, camera.encode()))
    bus.put_budgets([Budget(camera, bus.clock.now_ns(), 1.0, 40.0, 1, 1, Quantiles())])


def test_a_thousand_cameras_come_and_go_and_nothing_grows(hub: Hub, overview: Overview, bus: Bus) -> None:
    sizes = []
    with hub.viewer(None) as viewer, redis.Redis.from_url(bus.address.secret()) as client:
        for number in range(ROUNDS):
            cameras = [f"camera-{number}-{index}" for index in range(EACH)]
            for camera in cameras:
                live(bus, camera)
            overview.find("nobody")  # reads the bus again
            with hub.listener(cameras[0]) as listener:
                shown: set[str] = set()
                while len(shown) < EACH:
                    fresh = viewer.next(WAIT_S)
                    assert fresh
                    shown |= {each.view.camera for each in fresh}
                live(bus, cameras[0])
                assert listener.next(WAIT_S)
            for camera in cameras:
                bus.forget_camera(camera)
            overview.find("nobody")
            assert viewer.next(0.0) == []
            until(lambda: not hub._newest and not hub._events)
            sizes.append(things_in(hub, overview, viewer))
        assert max(sizes[1:]) <= sizes[0]
        until(lambda: client.dbsize() == 0)  # marks that somebody watches expire by themselves


def test_webcams_leave_nothing_behind_although_workers_read_on_for_a_moment(
    bus: Bus, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dashboard.cameras.browser._SHOWN_AS_ENDED_S", 0.0)
    webcams = BrowserCameras(bus, settings)
    before = things_in(webcams)
    read: list[str] = []
    stop = threading.Event()

    def work() -> None:
        while not stop.wait(0.01):
            read[:] = {*read, *(camera.name for camera in bus.cameras())}
            bus.read("w", read, block_ms=0)

    worker = threading.Thread(target=work)
    worker.start()
    try:
        opened = [webcams.open() for _ in range(5)]
        until(lambda: len(read) == len(opened))
        for each in opened:
            webcams.end(each.name, each.token)
        until(lambda: not bus.cameras())
        bus.read("w", read, block_ms=0)
    finally:
        stop.set()
        worker.join()
    with redis.Redis.from_url(bus.address.secret()) as client:
        assert client.dbsize() > 0  # the worker made streams again
        until(lambda: client.dbsize() == 0)
    until(lambda: things_in(webcams) <= before + 2)  # the thread that looks after them
    webcams.close()
