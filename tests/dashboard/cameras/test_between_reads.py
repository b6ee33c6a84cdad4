"""Results that arrive between two reads of the hub: it reads on from the last one, so none of them is lost."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import pytest
import redis

from dashboard.cameras.hub import Hub, Listener
from mien.bus.bus import Bus
from mien.settings import Settings
from mien.types import Frame, FrameResult, View
from tests.support.views import put_view

WAIT_S = 10.0


class PausedBus(Bus):
    """A bus whose reader of results can be held before its next read, which is between two reads."""

    def __init__(self, url: str, settings: Settings) -> None:
        super().__init__(url, settings)
        self._may_read = threading.Event()
        self._may_read.set()
        self._held = threading.Event()

    def read_result_texts(
        self, after: Mapping[str, str], block_ms: int = 20, count: int = 100
    ) -> list[tuple[str, str, bytes]]:
        read = super().read_result_texts(after, block_ms, count)
        self._held.set()
        assert self._may_read.wait(WAIT_S)
        self._held.clear()
        return read

    @contextmanager
    def between_reads(self) -> Iterator[None]:
        """Hold the reader, after a read that gave all there was, for as long as the context lasts."""
        self._may_read.clear()
        self._held.clear()
        assert self._held.wait(WAIT_S)
        yield
        self._may_read.set()


@pytest.fixture
def bus(settings: Settings) -> Iterator[PausedBus]:
    bus = PausedBus.from_settings(settings)
    assert isinstance(bus, PausedBus)
    bus.clock.sync()
    yield bus
    bus.close()


@pytest.fixture
def hub(bus: PausedBus) -> Iterator[Hub]:
    hub = Hub(bus, lambda: ("a", "b"))
    yield hub
    hub.close()


def result(bus: Bus, camera: str, seq: int) -> None:
    """Publish a frame and its result as producer and worker do."""
    frame_id = bus.publish(Frame(camera, seq, bus.clock.now_ns(), 8, 8, b"x"))
    while not bus.read("w", [camera], block_ms=0):
        pass  # the first time makes the group
    assert bus.finish(FrameResult(camera, frame_id, seq, bus.clock.now_ns(), 8, 8, ()))


def heard(listener: Listener, most: int) -> list[int]:
    """Return the numbers of the results that come, until there are `most` or none comes for a while."""
    numbers: list[int] = []
    while len(numbers) < most and (events := listener.next(1.0)):
        numbers += [FrameResult.from_json(event.sent.partition(b"data: ")[2]).seq for event in events]
    return numbers


def test_a_result_before_the_first_read_is_heard(hub: Hub, bus: PausedBus, monkeypatch: pytest.MonkeyPatch) -> None:
    result(bus, "a", 1)
    start = hub._start

    def start_later() -> None:
        result(bus, "a", 2)
        start()

    monkeypatch.setattr(hub, "_start", start_later)
    with hub.listener("a") as listener:
        assert heard(listener, 1) == [2]


def test_what_came_before_somebody_listened_is_not_heard(hub: Hub, bus: PausedBus) -> None:
    result(bus, "a", 1)
    with hub.listener("a") as listener:
        with bus.between_reads():
            result(bus, "a", 2)
        assert heard(listener, 1) == [2]


@pytest.mark.parametrize("earlier", [0, 1, 3])
def test_results_between_two_reads_are_heard(hub: Hub, bus: PausedBus, earlier: int) -> None:
    for seq in range(earlier):
        result(bus, "a", seq)
    with hub.listener("a") as listener:
        for seq in range(10, 15):
            with bus.between_reads():
                result(bus, "a", seq)
        assert heard(listener, 5) == [10, 11, 12, 13, 14]


def test_a_busy_camera_does_not_hide_the_results_of_others(hub: Hub, bus: PausedBus) -> None:
    with hub.listener("a") as busy, hub.listener("b") as quiet:
        for seq in range(3):
            with bus.between_reads():
                result(bus, "a", seq)
        with bus.between_reads():
            result(bus, "b", 7)
            result(bus, "a", 3)
        assert heard(quiet, 1) == [7]
        assert heard(busy, 4) == [0, 1, 2, 3]


def test_a_camera_that_appears_between_two_reads_is_heard_from_its_first_result(hub: Hub, bus: PausedBus) -> None:
    with hub.listener("a"), bus.between_reads(), hub.listener("b") as listener:
        result(bus, "b", 1)
        bus._may_read.set()
        assert heard(listener, 1) == [1]


def test_somebody_who_listens_again_hears_all_from_then_on(hub: Hub, bus: PausedBus) -> None:
    with hub.listener("b"):
        with hub.listener("a") as first:
            with bus.between_reads():
                result(bus, "a", 1)
            assert heard(first, 1) == [1]
        with bus.between_reads():
            pass  # now nobody listens to it
        result(bus, "a", 2)
        with bus.between_reads(), hub.listener("a") as again:
            result(bus, "a", 3)
            bus._may_read.set()
            assert heard(again, 1)[-1] == 3


def forget(bus: Bus, client: redis.Redis) -> None:
    bus.forget_camera("a")


def flush(bus: Bus, client: redis.Redis) -> None:
    client.flushall()


def trim(bus: Bus, client: redis.Redis) -> None:
    client.xtrim("mien:camera:a:results", maxlen=0, approximate=False)


@pytest.mark.parametrize("empty", [forget, flush, trim])
@pytest.mark.parametrize("heard_before", [False, True])
def test_a_camera_whose_stream_was_emptied_is_heard_from_its_first_result(
    hub: Hub, bus: PausedBus, empty: Callable[[Bus, redis.Redis], None], heard_before: bool
) -> None:
    result(bus, "a", 1)
    with redis.Redis.from_url(bus.address.secret()) as client, hub.listener("a") as listener:
        if heard_before:
            with bus.between_reads():
                result(bus, "a", 2)
            assert heard(listener, 1) == [2]
        with bus.between_reads():
            empty(bus, client)
            result(bus, "a", 3)
            result(bus, "a", 4)
        assert heard(listener, 2) == [3, 4]


def test_a_stream_that_begins_anew_with_smaller_ids_is_heard(
    hub: Hub, bus: PausedBus, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a broker makes them that was started again with its clock set back."""
    monkeypatch.setattr("dashboard.cameras.places.QUIET_S", 0.1)
    result(bus, "a", 1)
    with redis.Redis.from_url(bus.address.secret()) as client, hub.listener("a") as listener:
        with bus.between_reads():
            client.flushall()
            for seq in (2, 3):
                text = FrameResult("a", "1-0", seq, 1, 8, 8, ()).to_json()
                client.xadd("mien:camera:a:results", {"result": text}, id=f"{seq}-0")
        assert heard(listener, 2) == [2, 3]


def test_views_of_a_stream_that_begins_anew_with_smaller_ids_are_shown(
    hub: Hub, bus: PausedBus, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dashboard.cameras.places.QUIET_S", 0.1)
    with redis.Redis.from_url(bus.address.secret()) as client, hub.viewer(["a"]) as viewer:
        put_view(bus, View("a", "1-0", b"before"))
        assert [shown.view.jpeg for shown in viewer.next(WAIT_S)] == [b"before"]
        client.flushall()
        a_second_ago_ms = bus.clock.now_ns() // 1_000_000 - 1000
        client.xadd("mien:camera:a:view", {"jpeg": b"after", "frame_id": "2-0"}, id=f"{a_second_ago_ms}-0")
        assert [shown.view.jpeg for shown in viewer.next(WAIT_S)] == [b"after"]
