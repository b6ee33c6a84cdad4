"""How many workers `mien up` has."""

from __future__ import annotations

import threading

import pytest

from cli.up import scaler
from cli.up.scaler import WorkerScaler
from mien.bus.bus import Bus
from mien.machine import Machine
from mien.settings import Settings
from mien.types import Camera, CameraState
from worker.tuning.forecast import most_workers


def put_cameras(bus: Bus, *states: CameraState) -> None:
    for number, state in enumerate(states):
        bus.put_camera(Camera(f"camera-{number}", state))


@pytest.mark.parametrize(("live", "most", "hired"), [(0, 4, 0), (1, 4, 0), (3, 4, 2), (6, 2, 1), (2, 1, 0)])
def test_there_are_as_many_workers_as_live_cameras_up_to_the_most(bus: Bus, live: int, most: int, hired: int) -> None:
    put_cameras(bus, *[CameraState.LIVE] * live, CameraState.FAILED, CameraState.CONNECTING)
    calls: list[int] = []
    staff = WorkerScaler(bus, most, lambda: calls.append(1))
    for _ in range(8):
        staff.look()
    assert len(calls) == hired


def test_workers_stay_when_cameras_go(bus: Bus) -> None:
    calls: list[int] = []
    staff = WorkerScaler(bus, 4, lambda: calls.append(1))
    put_cameras(bus, CameraState.LIVE, CameraState.LIVE)
    staff.look()
    put_cameras(bus, CameraState.ENDED, CameraState.ENDED)
    staff.look()
    put_cameras(bus, CameraState.LIVE, CameraState.LIVE)
    staff.look()
    assert len(calls) == 1


def test_a_bus_that_is_away_is_waited_for(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scaler, "_LOOK_EVERY_S", 0.01)
    asked = threading.Semaphore(0)

    class AwayBus(Bus):
        def cameras(self) -> list[Camera]:
            asked.release()
            return super().cameras()

    bus = AwayBus(f"unix://{tmp_path_factory.mktemp('x')}/no.sock", Settings())
    stopping = threading.Event()
    staff = WorkerScaler(bus, 4, lambda: pytest.fail("nobody is needed"))
    thread = threading.Thread(target=staff.watch, args=(stopping,))
    thread.start()
    assert all(asked.acquire(timeout=10) for _ in range(3)), "it does not ask again"
    stopping.set()
    thread.join(10)
    assert not thread.is_alive()


def test_a_gpu_is_for_one_worker_and_each_core_for_one(monkeypatch: pytest.MonkeyPatch) -> None:
    with_gpu, settings = Machine("cpu", 8, 1000, bf16=True, gpu=True), Settings()
    assert most_workers(settings, Machine("cpu", 8, 1000, bf16=True, gpu=False)) == 8
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    assert most_workers(settings, with_gpu) == 8, "nothing is installed that uses it"
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: object())
    assert most_workers(settings, with_gpu) == 1
    assert most_workers(Settings(runtime="openvino"), with_gpu) == 8
