"""Views are drawn for those who look, as often as the plan says, and never for nothing."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mien.bus.bus import Bus
from mien.metrics import WorkerMetrics
from mien.settings import Settings
from mien.types import Box, DropReason, Face, Frame
from models.pictures.picture import decode
from tests.support.stub import PROBABILITIES
from tests.support.views import newest_view
from tests.worker.conftest import Lobby, a_picture
from worker.live.analyse import Analysed
from worker.live.desk import Desks
from worker.live.publish import Publisher


@pytest.fixture
def desks() -> Desks:
    return Desks()


@pytest.fixture
def publisher(bus: Bus, settings: Settings, metrics: WorkerMetrics, desks: Desks) -> Publisher:
    return Publisher(bus, settings, metrics, desks)


def a_face(box: Box = (2, 2, 20, 20)) -> Face:
    return Face(box, "happy", 0.86, PROBABILITIES, 0.9, 0.2, track="a", label="happy", label_confidence=0.86)


def read(bus: Bus, lobby: Lobby, camera: str = "lobby", *, jpeg: bytes | None = None) -> Frame:
    """Send a frame and read it."""
    lobby.send(camera, 1, jpeg=a_picture() if jpeg is None else jpeg)
    (frame,) = bus.read("w1", [camera], 100) or bus.read("w1", [camera], 100)
    return frame


def analysed(frame: Frame, *faces: Face, repeats: bool = False) -> Analysed:
    picture = None if repeats else decode(frame.jpeg)
    return Analysed(frame, picture, (64, 64), faces, {"decode": 1.0}, repeats=repeats)


def test_every_nth_frame_of_a_watched_camera_is_drawn(publisher: Publisher) -> None:
    frames = [Frame(camera, 1, 1, 64, 64, b"") for camera in ("a", "b")]
    turns = [publisher.to_draw(frames, {"a"}, 3) for _ in range(7)]
    assert [sorted(turn) for turn in turns] == [["a"], [], [], ["a"], [], [], ["a"]]
    assert publisher.to_draw(frames, {"b"}, 3) == {"b"}
    assert publisher.to_draw(frames, {"a", "b"}, 3) == {"a"}  # looked at again: drawn at once
    assert publisher.to_draw(frames, {"a", "b"}, 1) == frozenset()
    assert all(publisher.to_draw(frames, {"a", "b"}) for _ in range(3))


def test_results_and_views_of_a_batch_are_published_together(
    bus: Bus, lobby: Lobby, publisher: Publisher, desks: Desks
) -> None:
    frames = [read(bus, lobby, camera) for camera in ("lobby", "yard")]
    done = publisher.publish([analysed(frame, a_face()) for frame in frames], {"lobby"}, 1.0)
    assert [(each.frame.camera, each.faces) for each in done] == [("lobby", 1), ("yard", 1)]
    view = newest_view(bus, "lobby")
    assert view is not None
    assert view.frame_id == frames[0].frame_id
    assert newest_view(bus, "yard") is None
    assert {"draw", "encode", "total"} <= set(bus.recent_results("lobby")[0].stages_ms)
    assert set(bus.recent_results("yard")[0].stages_ms) == {"decode", "total"}
    assert desks["lobby"].recent.summary(1.0).stages.keys() == {"decode", "draw", "encode", "publish"}


def test_of_a_frame_that_another_worker_ended_nothing_is_told(
    bus: Bus, lobby: Lobby, publisher: Publisher, desks: Desks
) -> None:
    frame = read(bus, lobby)
    bus.drop("lobby", [frame.frame_id], DropReason.WORKER_LOST)
    assert publisher.publish([analysed(frame, a_face())], {"lobby"}, 1.0) == []
    assert newest_view(bus, "lobby") is None
    assert not desks["lobby"].recent.has_frames


def test_the_same_view_is_not_drawn_twice(bus: Bus, lobby: Lobby, publisher: Publisher) -> None:
    publisher.publish([analysed(read(bus, lobby), a_face())], {"lobby"}, 1.0)
    first = newest_view(bus, "lobby")
    again = read(bus, lobby)
    publisher.publish([analysed(again, a_face((2.2, 1.9, 20, 20)), repeats=True)], {"lobby"}, 1.04)
    view = newest_view(bus, "lobby")
    assert first is not None
    assert view == replace(first, frame_id=again.frame_id)
    assert "draw" not in bus.recent_results("lobby", 1)[0].stages_ms


def test_the_same_frame_with_another_label_is_drawn_anew(bus: Bus, lobby: Lobby, publisher: Publisher) -> None:
    publisher.publish([analysed(read(bus, lobby), a_face())], {"lobby"}, 1.0)
    first = newest_view(bus, "lobby")
    moved = replace(a_face(), label_confidence=0.95)
    publisher.publish([analysed(read(bus, lobby), moved, repeats=True)], {"lobby"}, 1.04)
    view = newest_view(bus, "lobby")
    assert first is not None
    assert view is not None
    assert view.jpeg != first.jpeg
    # Another frame between the two that nobody was shown: the view is that of its own frame.
    publisher.publish([analysed(read(bus, lobby, jpeg=a_picture(30)), moved)], set(), 1.08)
    publisher.publish([analysed(read(bus, lobby, jpeg=a_picture(30)), moved, repeats=True)], {"lobby"}, 1.12)
    last = newest_view(bus, "lobby")
    assert last is not None
    assert last.jpeg != view.jpeg
