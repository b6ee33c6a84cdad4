"""A camera that leaves a worker is forgotten: nothing that the worker holds mentions it any more."""

from __future__ import annotations

import gc
import types
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from mien.bus.bus import Bus
from mien.errors import BrokerUnavailable
from mien.metrics import WorkerMetrics
from mien.types import Frame
from tests.support.stub import StubAnalyzer
from tests.support.waiting import wait_until
from tests.worker.conftest import Lobby, StartWorker, shares
from worker.live.desk import Desks
from worker.live.live import LiveWorker

LEAVING, STAYING = "the-camera-that-leaves", "the-camera-that-stays"

ELSEWHERE = (Bus, WorkerMetrics, CollectorRegistry, types.ModuleType, types.FunctionType, types.FrameType, type)
"""Where nobody looks: code, the connection, and the metrics, whose counters of a camera go on when it comes back."""


def mentions(start: object, word: str) -> list[str]:
    """Return how each text with `word` in it, among all that can be reached from an object, is held."""
    seen, found = {id(start)}, []
    waiting: list[tuple[object, tuple[str, ...]]] = [(start, ())]
    while waiting:
        held, way = waiting.pop()
        if isinstance(held, str | bytes):
            if word in (held if isinstance(held, str) else held.decode("latin-1")):
                found.append(" > ".join(way))
            continue
        for each in gc.get_referents(held):
            if id(each) not in seen and not isinstance(each, ELSEWHERE):
                seen.add(id(each))
                waiting.append((each, (*way, type(held).__name__)))
    return found


@pytest.fixture
def worker(bus: Bus, lobby: Lobby, start_worker: StartWorker) -> LiveWorker:
    """A worker that knows two watched cameras well, and had trouble with both."""
    worker = start_worker(StubAnalyzer(picture_ms=5))
    bus.watch([LEAVING, STAYING])
    lobby.say(LEAVING, STAYING)
    wait_until(lambda: LEAVING in str(bus.workers()) and STAYING in str(bus.workers()))
    for camera in (LEAVING, STAYING):
        for seq in range(3):
            send_and_wait(lobby, camera, seq)
            send_and_wait(lobby, camera, seq, jpeg=b"no picture")
    assert mentions(worker, LEAVING)
    return worker


def send_and_wait(lobby: Lobby, camera: str, seq: int, jpeg: bytes | None = None) -> None:
    """Send a frame and wait until it was ended."""
    lobby.send(camera, seq, jpeg=jpeg)
    wait_until(lambda: lobby.bus.in_flight(camera) == 0)


def is_forgotten(worker: LiveWorker, lobby: Lobby, camera: str = LEAVING, other: str = STAYING) -> bool:
    """Return whether nothing mentions a camera any more, while the other one goes on."""
    lobby.say(other)
    send_and_wait(lobby, other, 1000)
    return not mentions(worker, camera)


def test_a_camera_that_is_gone_is_mentioned_nowhere(bus: Bus, lobby: Lobby, worker: LiveWorker) -> None:
    bus.forget_camera(LEAVING)
    wait_until(lambda: is_forgotten(worker, lobby))
    assert mentions(worker, STAYING)


def test_a_camera_that_moved_to_another_worker_is_mentioned_nowhere(
    bus: Bus, lobby: Lobby, worker: LiveWorker, start_worker: StartWorker
) -> None:
    (name,) = bus.workers()
    start_worker()
    wait_until(lambda: shares(bus) == [1, 1])
    (own,) = bus.workers()[name]["cameras"]
    moved = LEAVING if own == STAYING else STAYING
    wait_until(lambda: is_forgotten(worker, lobby, moved, own))


def test_a_camera_whose_last_frames_are_still_here_is_forgotten_once_they_are_ended(
    bus: Bus, lobby: Lobby, worker: LiveWorker
) -> None:
    lobby.say(LEAVING, delivery="lossless")
    for seq in range(60):
        lobby.send(LEAVING, seq, delivery="lossless")
    wait_until(lambda: bus.counts(LEAVING).analysed > 10)
    bus.forget_camera(LEAVING)
    wait_until(lambda: is_forgotten(worker, lobby))


def test_a_camera_that_is_gone_when_the_bus_is_back_is_mentioned_nowhere(
    bus: Bus, lobby: Lobby, worker: LiveWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    read, away = Bus.read, [True]

    def away_once(*given: Any) -> list[Frame]:
        if away:
            away.clear()
            bus.forget_camera(LEAVING)
            raise BrokerUnavailable("the bus went away")
        return read(*given)

    monkeypatch.setattr(Bus, "read", away_once)
    wait_until(lambda: is_forgotten(worker, lobby))


def test_frames_of_a_camera_that_left_stay_until_they_are_ended() -> None:
    desks = Desks()
    desks["a"].newest = Frame("a", 1, 1, 4, 3, b"")
    desks["a"].logged_s["trouble"] = 1.0
    desks["b"].logged_s["trouble"] = 1.0
    desks.leave({"a", "b", "c"})
    desks.sweep([])
    assert set(desks) == {"a"}
    assert desks["a"].logged_s == {}
    desks["a"].take(Frame("a", 1, 1, 4, 3, b""))
    desks.sweep(["b"])
    assert not desks
