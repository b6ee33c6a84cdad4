"""What no producer and no worker wrote is moved aside, counted and kept with its reason; the rest is read."""

from __future__ import annotations

import json
import random

import pytest

from mien.bus.bus import Bus
from mien.bus.entries import CAMERAS, budget_key, counts_key, frames_key, results_key, view_key
from mien.types import Camera, CameraState, DropReason, Frame, FrameResult, View
from tests.support.mutations import mutations

MUTATIONS = 3000
CAMERAS_HIT = ("lobby", "yard")


def a_frame(bus: Bus, camera: str = "lobby") -> Frame:
    return Frame(camera, 1, bus.clock.now_ns(), 4, 3, b"\xff\xd8jpeg\xff\xd9")


def a_result(frame: Frame) -> FrameResult:
    return FrameResult(frame.camera, frame.frame_id, frame.seq, frame.captured_ns, 4, 3, ())


@pytest.mark.parametrize("seed", [1, 2])
def test_whatever_lies_on_the_bus_every_method_answers(bus: Bus, seed: int) -> None:
    damage = mutations(bus._redis, CAMERAS_HIT, random.Random(seed))
    healthy = 0
    for number in range(MUTATIONS // 2):
        damage()
        camera = CAMERAS_HIT[number % 2]
        bus.put_camera(Camera("good", CameraState.LIVE))
        assert "good" in [each.name for each in bus.cameras()]
        bus.beat("w1", {"pid": 1})
        assert "w1" in bus.workers()
        bus.publish(a_frame(bus, "good"))
        frames = bus.read("w1", ["good", *CAMERAS_HIT], 0) or bus.read("w1", ["good", *CAMERAS_HIT], 0)
        bus.drop_all({(each.camera, DropReason.STALE): [each.frame_id] for each in frames if each.camera != "good"})
        for frame in frames:
            if frame.camera == "good":
                healthy += bus.finish(a_result(frame), View("good", frame.frame_id, b"\xff\xd8"))
        assert all(counts.captured >= 0 for counts in bus.all_counts([*CAMERAS_HIT, "good"]).values())
        for result in bus.recent_results(camera, 100):
            json.loads(result.to_json(), parse_constant=_no_constant)
        for _, _, text in bus.read_result_texts({camera: "0-0"}, 0):
            assert b"\n" not in text
            assert b"\r" not in text
            json.loads(text, parse_constant=_no_constant)
        for name, (_, view) in bus.read_views({camera: "0-0"}, 0).items():
            assert view.frame_id.replace("-", "").isdigit(), name
        bus.budgets(CAMERAS_HIT)
        bus.watched(CAMERAS_HIT)
        bus.lease(camera, "a")
        bus.reclaim("w1", camera, ["w1"])
    assert healthy == MUTATIONS // 2
    assert bus.counts("good").balanced
    count, last = bus.rejected()
    assert count > MUTATIONS // 8
    assert len(last) == 100  # bounded, however many there were
    assert {each.kind for each in last} >= {"frame", "result", "view", "camera"}
    assert all(each.reason and "\n" not in each.reason + each.where + each.camera for each in last)


def test_a_damaged_entry_is_told_once_with_its_camera_place_and_reason(bus: Bus) -> None:
    bus.publish(a_frame(bus))
    entry = bus._redis.xadd(frames_key("lobby"), {"seq": "NaN", "delivery": "live", "captured_ns": "1"})
    assert isinstance(entry, bytes)
    frames = bus.read("w1", ["lobby"], 0) or bus.read("w1", ["lobby"], 0)
    assert [frame.jpeg for frame in frames] == [b"\xff\xd8jpeg\xff\xd9"]
    for _ in range(3):
        count, (told,) = bus.rejected()
        assert (count, told.kind, told.camera, told.where) == (1, "frame", "lobby", entry.decode())
        assert told.reason == "b'NaN' is no number from 0 to 9223372036854775807"
    assert bus.finish(a_result(frames[0]))
    assert bus.counts("lobby").balanced
    assert bus.in_flight("lobby") == 0


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1" + "0" * 400])
@pytest.mark.parametrize("name", ["captured_ns", "width"])
def test_a_result_with_a_number_that_json_has_not_is_refused(bus: Bus, number: str, name: str) -> None:
    good = FrameResult("lobby", "1-0", 1, 5, 4, 3, ()).to_json()
    bad = json.dumps({**json.loads(good), name: 0}).replace(f'"{name}": 0', f'"{name}": {number}')
    bus._redis.xadd(results_key("lobby"), {"result": bad})
    bus._redis.xadd(results_key("lobby"), {"result": good})
    assert [result.to_json() for result in bus.recent_results("lobby")] == [good]
    assert bus.rejected()[0] == 1


def test_a_result_of_several_lines_is_sent_on_as_one(bus: Bus) -> None:
    good = FrameResult("lobby", "1-0", 1, 5, 4, 3, ()).to_json()
    bus._redis.xadd(results_key("lobby"), {"result": json.dumps(json.loads(good), indent=2)})
    ((_, _, text),) = bus.read_result_texts({"lobby": "0-0"}, 0)
    assert text == good


@pytest.mark.parametrize("key", [frames_key, results_key, view_key, counts_key, budget_key])
@pytest.mark.parametrize("way", ["text", "list", "exhausted", "no number"])
def test_a_key_of_another_kind_is_moved_aside_and_the_frame_ended_once(bus: Bus, key: object, way: str) -> None:
    assert callable(key)
    bus.publish(a_frame(bus))
    (frame,) = bus.read("w1", ["lobby"], 0) or bus.read("w1", ["lobby"], 0)
    name = key("lobby")
    if way == "no number":
        bus._redis.hset(counts_key("lobby"), "on_time", "many")
    elif way == "exhausted" and key in (results_key, view_key):
        bus._redis.xadd(name, {"a": "b"}, id="18446744073709551615-18446744073709551615")
    else:
        bus._redis.delete(name)
        _ = bus._redis.set(name, "text") if way == "text" else bus._redis.rpush(name, "a")
    done = bus.finish(a_result(frame), View("lobby", frame.frame_id, b"\xff\xd8"))
    assert done or (key is frames_key and way != "no number")  # the stream itself is gone, and the frame with it
    assert not bus.finish(a_result(frame))
    bus.publish(a_frame(bus))
    assert bus.counts("lobby").captured >= 1
    assert bus.budgets(["lobby"]) == {}


def test_a_ghost_among_the_workers_gets_no_camera(bus: Bus) -> None:
    for name, score in ((b"for ever", float("inf")), (b"long", 1e15), (b"\xff", 1e18)):
        bus._redis.zadd("mien:workers", {name: score})
    assert bus.beat("w1").live == ("w1",)


def test_a_record_under_another_name_is_no_camera(bus: Bus) -> None:
    note = Camera("lobby", CameraState.LIVE, updated_ns=bus.clock.now_ns()).to_json()
    for name in (b"yard", b"\xff", b"../x", b"a\nb"):
        bus._redis.hset(CAMERAS, name, note)
    assert bus.cameras() == []
    assert bus.rejected()[0] == 4
    assert bus._redis.hlen(CAMERAS) == 0


def _no_constant(name: str) -> None:
    raise AssertionError(f"{name} is no JSON")


@pytest.mark.parametrize("list_of_rejected", [b"no list", None])
def test_a_bad_entry_costs_no_frame_that_came_with_it(bus: Bus, list_of_rejected: bytes | None) -> None:
    """Although where it should be noted is damaged too, so that everything is tried once more."""
    bus.read("w1", ["good", "lobby"], 0)  # the groups of both are made
    bus.publish(Frame("good", 1, bus.clock.now_ns(), 4, 3, b"\xff\xd8jpeg\xff\xd9", "lossless"))
    bus.publish(a_frame(bus))
    bus._redis.xadd(frames_key("lobby"), {"delivery": "odd"})
    if list_of_rejected is not None:
        bus._redis.set("mien:rejected", list_of_rejected)
    assert [frame.camera for frame in bus.read("w1", ["good", "lobby"], 0)] == ["good", "lobby"]
    bus._redis.xadd(frames_key("good"), {"delivery": "odd"})
    assert bus.read("w1", ["good"], 0) == []
    assert [frame.seq for frame in bus.reclaim("w2", "good", [])] == [1]
    assert bus.rejected()[0] >= 2


def test_a_bad_entry_costs_no_frame_that_was_taken_over_with_it(bus: Bus) -> None:
    bus.read("w1", ["good", "lobby"], 0)  # the groups of both are made
    bus.publish(Frame("good", 1, bus.clock.now_ns(), 4, 3, b"\xff\xd8jpeg\xff\xd9", "lossless"))
    bus._redis.xadd(frames_key("good"), {"delivery": "odd"})
    bus._redis.xreadgroup("workers", "w1", {frames_key("good"): ">"})
    bus._redis.set("mien:rejected", b"no list")
    assert [frame.seq for frame in bus.reclaim("w2", "good", [])] == [1]
