from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from dashboard.cameras.hub import Hub, Shown
from mien.bus.bus import Bus
from mien.types import Frame, FrameResult, View
from tests.support.views import put_view


@pytest.fixture
def hub(bus: Bus) -> Iterator[Hub]:
    hub = Hub(bus, lambda: ("a", "b"))
    yield hub
    hub.close()


def view(camera: str, number: int, jpeg: bytes = b"") -> View:
    return View(camera, f"{number}-0", jpeg or b"jpeg %d" % number)


def until_watched(bus: Bus, camera: str) -> None:
    deadline_s = time.monotonic() + 5
    while not bus.watched([camera]):
        assert time.monotonic() < deadline_s
        time.sleep(0.01)


def test_a_camera_is_watched_only_while_somebody_looks(hub: Hub, bus: Bus) -> None:
    assert not bus.watched(["a", "b"])
    with hub.viewer(["a"]):
        until_watched(bus, "a")
        assert bus.watched(["a", "b"]) == {"a"}
        assert hub.viewers() == {"a": 1}
    assert hub.viewers() == {}


def test_a_viewer_of_all_cameras_watches_all(hub: Hub, bus: Bus) -> None:
    with hub.viewer(None) as viewer:
        until_watched(bus, "b")
        put_view(bus, view("b", 1))
        assert [shown.view.camera for shown in viewer.next(2.0)] == ["b"]


def test_a_slow_viewer_gets_the_newest_view_and_no_other(hub: Hub, bus: Bus) -> None:
    with hub.viewer(["a"]) as slow, hub.viewer(["a"]) as fast:
        until_watched(bus, "a")
        for number in range(20):
            put_view(bus, view("a", number))
            assert [shown.view.frame_id for shown in fast.next(2.0)] == [f"{number}-0"]
        assert [shown.view.frame_id for shown in slow.next(2.0)] == ["19-0"]
        assert slow.next(0.05) == []


def test_equal_pictures_are_given_once(hub: Hub, bus: Bus) -> None:
    with hub.viewer(["a"]) as viewer:
        until_watched(bus, "a")
        put_view(bus, view("a", 1, b"same"))
        assert len(viewer.next(2.0)) == 1
        put_view(bus, view("a", 2, b"same"))
        assert viewer.next(0.5) == []
        newest = hub.newest("a")
        assert newest is not None
        assert newest.view.frame_id == "2-0"
        assert hub.views_same == 1


def test_views_of_long_ago_are_not_shown(hub: Hub, bus: Bus, monkeypatch: pytest.MonkeyPatch) -> None:
    put_view(bus, view("a", 1))
    monkeypatch.setattr("dashboard.cameras.hub.FRESH_S", 0.05)
    time.sleep(0.1)
    with hub.viewer(["a"]) as viewer:
        until_watched(bus, "a")
        assert viewer.next(0.4) == []


def test_a_viewer_is_woken_by_its_own_cameras_only(hub: Hub, bus: Bus) -> None:
    with hub.viewer(["a"]) as viewer, hub.viewer(["b"]) as other:
        until_watched(bus, "b")
        put_view(bus, view("b", 1))
        assert other.next(2.0)
        assert viewer.next(0.05) == []


def test_a_listener_hears_every_result_once_and_in_order(hub: Hub, bus: Bus) -> None:
    bus.read("w", ["a"], block_ms=0)
    with hub.listener("a") as listener:
        for seq in range(1, 6):
            frame_id = bus.publish(Frame("a", seq, bus.clock.now_ns(), 8, 8, b"x"))
            bus.read("w", ["a"], block_ms=0)
            assert bus.finish(FrameResult("a", frame_id, seq, bus.clock.now_ns(), 8, 8, ()))
        heard: list[bytes] = []
        deadline_s = time.monotonic() + 5
        while len(heard) < 5 and time.monotonic() < deadline_s:
            heard += [event.sent for event in listener.next(0.5)]
    results = [FrameResult.from_json(sent.partition(b"data: ")[2]) for sent in heard]
    assert [result.seq for result in results] == [1, 2, 3, 4, 5]


def test_a_result_is_relayed_as_it_was_written(hub: Hub, bus: Bus) -> None:
    bus.read("w", ["a"], block_ms=0)
    with hub.listener("a") as listener:
        result = FrameResult("a", bus.publish(Frame("a", 1, bus.clock.now_ns(), 8, 8, b"x")), 1, 7, 8, 8, ())
        bus.read("w", ["a"], block_ms=0)
        assert bus.finish(result)
        (event,) = listener.next(5.0)
    assert event.sent == b"id: %d\nevent: result\ndata: %b\n\n" % (event.number, result.to_json())


def test_what_is_sent_of_a_view_is_made_once_for_all_viewers(hub: Hub, bus: Bus) -> None:
    made: list[str] = []

    def part(shown: Shown) -> bytes:
        made.append(shown.view.frame_id)
        return b"<" + shown.view.jpeg + b">"

    with hub.viewer(["a"]) as one, hub.viewer(["a"]) as other:
        until_watched(bus, "a")
        put_view(bus, view("a", 1, b"same"))
        parts = [viewer.next(2.0)[0].made(part) for viewer in (one, other)]
        assert parts[0] is parts[1]
        assert made == ["1-0"]
        put_view(bus, view("a", 2, b"same"))
        deadline_s = time.monotonic() + 5
        while hub.views_same < 1:
            assert time.monotonic() < deadline_s
            time.sleep(0.01)
        newest = hub.newest("a")
        assert newest is not None
        assert newest.made(part) == b"<same>"
        assert made == ["1-0", "2-0"]  # the same picture is another frame now
