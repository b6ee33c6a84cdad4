"""The account of a camera balances, whoever is killed when."""

from __future__ import annotations

import threading
import time

import pytest

from mien.bus.bus import Bus, Workers, stored_ns
from mien.bus.embedded import EmbeddedBroker
from mien.bus.entries import lease_key
from mien.errors import BrokerUnavailable
from mien.settings import Settings
from mien.types import Camera, CameraState, Delivery, DropReason, Frame, FrameResult, View
from tests.support.views import newest_view, put_view
from tests.support.waiting import wait_until


def a_frame(bus: Bus, seq: int, delivery: Delivery = "live", camera: str = "lobby") -> Frame:
    return Frame(camera, seq, bus.clock.now_ns(), 4, 3, b"\xff\xd8jpeg\xff\xd9", delivery)


def a_result(frame: Frame, *, on_time: bool = True) -> FrameResult:
    return FrameResult(
        frame.camera, frame.frame_id, frame.seq, frame.captured_ns, frame.width, frame.height, (), on_time=on_time
    )


def read(bus: Bus, worker: str = "w1", camera: str = "lobby") -> list[Frame]:
    return bus.read(worker, [camera], 0) or bus.read(worker, [camera], 0)


def test_a_published_frame_comes_back_as_it_was(bus: Bus) -> None:
    sent = a_frame(bus, 7)
    frame_id = bus.publish(sent)
    (got,) = read(bus)
    assert got.frame_id == frame_id
    assert (got.seq, got.captured_ns, got.width, got.height, got.jpeg) == (7, sent.captured_ns, 4, 3, sent.jpeg)


def test_unread_frames_beyond_the_backlog_are_trimmed_and_counted(bus: Bus) -> None:
    for seq in range(20):
        bus.publish(a_frame(bus, seq))
    counts = bus.counts("lobby")
    assert counts.captured == 20
    assert counts.in_flight == 8
    assert counts.drops["trimmed"] == 12
    assert counts.balanced
    assert [frame.seq for frame in read(bus)] == list(range(12, 20))


def test_frames_that_a_worker_holds_are_never_trimmed(bus: Bus) -> None:
    for seq in range(8):
        bus.publish(a_frame(bus, seq))
    held = read(bus)
    for seq in range(8, 40):
        bus.publish(a_frame(bus, seq))
    assert all(bus.finish(a_result(frame)) for frame in held)
    counts = bus.counts("lobby")
    assert counts.on_time == 8
    assert counts.drops["trimmed"] == 24
    assert counts.balanced


def test_a_frame_is_ended_exactly_once(bus: Bus) -> None:
    bus.publish(a_frame(bus, 1))
    (frame,) = read(bus)
    assert bus.finish(a_result(frame))
    assert not bus.finish(a_result(frame))
    assert bus.drop("lobby", [frame.frame_id], DropReason.STALE) == 0
    assert len(bus.recent_results("lobby")) == 1
    assert bus.counts("lobby").analysed == 1


def test_the_frames_of_a_batch_are_ended_together_each_once(bus: Bus) -> None:
    cameras = ("lobby", "yard", "gate")
    for camera in cameras:
        bus.publish(a_frame(bus, 1, camera=camera))
    frames = [read(bus, camera=camera)[0] for camera in cameras]
    bus.drop("yard", [frames[1].frame_id], DropReason.WORKER_LOST)
    batch = [
        (a_result(frame, on_time=frame.camera != "gate"), View(frame.camera, frame.frame_id, b"\xff\xd8\0view"))
        for frame in frames
    ]
    assert bus.finish_all([*batch[:2], (batch[2][0], None)]) == [True, False, True]
    assert bus.finish_all(batch) == [False, False, False]
    assert bus.finish_all([]) == []
    for camera, on_time, late, results, view in (
        ("lobby", 1, 0, 1, batch[0][1]),
        ("yard", 0, 0, 0, None),  # a view only counts when its frame was ended by whoever drew it
        ("gate", 0, 1, 1, None),
    ):
        counts = bus.counts(camera)
        assert (counts.on_time, counts.late, counts.balanced, counts.in_flight) == (on_time, late, True, 0)
        assert len(bus.recent_results(camera)) == results
        assert newest_view(bus, camera) == view


def test_frames_of_many_cameras_are_dropped_together_each_once(bus: Bus) -> None:
    held = {}
    for camera in ("lobby", "yard"):
        for seq in range(4):
            bus.publish(a_frame(bus, seq, camera=camera))
        held[camera] = [frame.frame_id for frame in read(bus, camera=camera)]
    bus.drop("lobby", held["lobby"][:1], DropReason.TRIMMED)
    dropped = bus.drop_all(
        {
            ("lobby", DropReason.STALE): held["lobby"][:3],
            ("lobby", DropReason.SUPERSEDED): held["lobby"][3:],
            ("yard", DropReason.OVERLOAD): held["yard"],
        }
    )
    assert list(dropped.values()) == [2, 1, 4]
    assert bus.drop_all({}) == {}
    drops = bus.counts("lobby").drops
    assert (drops["stale"], drops["superseded"], drops["trimmed"]) == (2, 1, 1)
    assert bus.counts("yard").drops["overload"] == 4
    assert all(counts.balanced and counts.in_flight == 0 for counts in bus.all_counts(["lobby", "yard"]).values())


def test_scripts_are_loaded_again_when_the_broker_forgot_them(bus: Bus) -> None:
    bus.publish(a_frame(bus, 1))
    (frame,) = read(bus)
    bus._redis.script_flush()
    assert bus.finish(a_result(frame), View("lobby", frame.frame_id, b"jpeg"))
    assert newest_view(bus, "lobby") == View("lobby", frame.frame_id, b"jpeg")


def test_a_frame_that_was_read_tells_when_it_came(bus: Bus) -> None:
    before_ns = bus.clock.now_ns()
    bus.publish(a_frame(bus, 1))
    (frame,) = read(bus)
    assert before_ns - 5_000_000 <= stored_ns(frame) <= bus.clock.now_ns() + 5_000_000


def test_a_second_try_with_the_same_token_adds_nothing(bus: Bus) -> None:
    frame = a_frame(bus, 1)
    assert bus.publish(frame, token="a") == bus.publish(frame, token="a")
    assert bus.counts("lobby").captured == 1


def test_a_lossless_camera_is_never_trimmed(bus: Bus) -> None:
    for seq in range(100):
        bus.publish(a_frame(bus, seq, "lossless"))
    assert bus.in_flight("lobby") == 100


def test_frames_of_a_dead_worker_are_lost_when_live_and_handed_on_when_lossless(bus: Bus) -> None:
    for seq in range(3):
        bus.publish(a_frame(bus, seq, "live", "live"))
        bus.publish(a_frame(bus, seq, "lossless", "film"))
    read(bus, "dead", "live")
    read(bus, "dead", "film")
    assert bus.reclaim("w2", "live", ["w2"]) == []
    assert bus.counts("live").drops["worker_lost"] == 3
    frames = bus.reclaim("w2", "film", ["w2"])
    assert [frame.seq for frame in frames] == [0, 1, 2]
    assert all(bus.finish(a_result(frame)) for frame in frames)
    assert bus.counts("live").balanced
    assert bus.counts("film").balanced
    assert bus.counts("film").in_flight == 0


def test_a_live_workers_frames_are_left_alone(bus: Bus) -> None:
    bus.publish(a_frame(bus, 1, "lossless"))
    (frame,) = read(bus, "w1")
    assert bus.reclaim("w2", "lobby", ["w1", "w2"]) == []
    assert bus.finish(a_result(frame))


def test_the_account_balances_at_any_moment_under_load(bus: Bus, settings: Settings) -> None:
    stop = threading.Event()

    def produce() -> None:
        own = Bus.from_settings(settings)
        for seq in range(600):
            own.publish(a_frame(own, seq), skipped=seq % 3)
        stop.set()
        own.close()

    def work(name: str) -> None:
        own = Bus.from_settings(settings)
        while not stop.is_set():
            frames = own.read(name, ["lobby"], 20)
            own.drop("lobby", [frame.frame_id for frame in frames[:-1]], DropReason.SUPERSEDED)
            if frames:
                own.finish(a_result(frames[-1], on_time=frames[-1].seq % 2 == 0))
        own.close()

    threads = [threading.Thread(target=produce), *(threading.Thread(target=work, args=(n,)) for n in ("w1", "w2"))]
    for thread in threads:
        thread.start()
    while not stop.is_set():
        assert bus.counts("lobby").balanced
    for thread in threads:
        thread.join()
    bus.flush("lobby")
    counts = bus.counts("lobby")
    assert counts.balanced
    assert counts.captured == 600 + sum(seq % 3 for seq in range(600))
    assert counts.analysed > 0


def test_a_camera_whose_producer_is_silent_has_no_signal(bus: Bus, monkeypatch: pytest.MonkeyPatch) -> None:
    bus.put_camera(Camera("lobby", CameraState.LIVE))
    assert bus.cameras()[0].state == CameraState.LIVE
    later_ns = bus.clock.now_ns() + 3_000_000_000
    monkeypatch.setattr(bus.clock, "now_ns", lambda: later_ns)
    assert bus.cameras()[0].state == CameraState.NO_SIGNAL


def test_a_camera_has_one_producer_at_a_time(bus: Bus) -> None:
    assert bus.lease("lobby", "a") == "a"
    assert bus.lease("lobby", "a") == "a"
    assert bus.lease("lobby", "b") == "a"
    bus.release("lobby", "b")
    assert bus.lease("lobby", "b") == "a"  # only the holder gives it back
    bus.release("lobby", "a")
    assert bus.lease("lobby", "b") == "b"


def test_a_lease_that_expires_while_it_is_renewed_stays_with_its_holder(bus: Bus) -> None:
    """Nobody else wants the camera: whoever is refused it is refused for a producer that does not exist."""
    bus.lease("lobby", "a")
    for trial in range(600):
        bus._redis.set(lease_key("lobby"), "a", px=1)
        ask_ns = time.perf_counter_ns() + trial * 2_000  # a little later each time, over the moment of its end
        while time.perf_counter_ns() < ask_ns:
            pass
        assert bus.lease("lobby", "a") == "a", trial


def test_a_camera_that_expires_has_exactly_one_next_producer(settings: Settings, bus: Bus) -> None:
    buses = [Bus.from_settings(settings) for _ in range(4)]
    for _ in range(50):
        bus._redis.set(lease_key("lobby"), "old", px=2)
        took: dict[str, str] = {}

        def take(name: str, own: Bus, took: dict[str, str] = took) -> None:
            while (holder := own.lease("lobby", name)) == "old":
                pass
            took[name] = holder

        threads = [threading.Thread(target=take, args=(f"p{place}", own)) for place, own in enumerate(buses)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(set(took.values())) == 1  # all of them name the same one
        bus._redis.delete(lease_key("lobby"))
    for own in buses:
        own.close()


@pytest.mark.parametrize("value", [{"a": "hash"}, ["a", "list"]])
def test_a_lease_of_another_type_keeps_no_camera(bus: Bus, value: object) -> None:
    if isinstance(value, dict):
        bus._redis.hset(lease_key("lobby"), mapping=value)
    else:
        bus._redis.rpush(lease_key("lobby"), "a", "list")
    assert bus.lease("lobby", "a") == "a"
    assert bus.lease("lobby", "b") == "a"


def test_only_the_newest_view_is_read(bus: Bus) -> None:
    for number in range(3):
        put_view(bus, View("lobby", f"{number}-0", b"jpeg%d" % number))
    views = bus.read_views({"lobby": "0", "other": "0"}, 0)
    assert views["lobby"][1] == View("lobby", "2-0", b"jpeg2")
    assert bus.read_views({"lobby": views["lobby"][0]}, 10) == {}


def test_watching_lasts_until_it_is_not_renewed(bus: Bus) -> None:
    bus.watch(["lobby"])
    assert bus.watched(["lobby", "yard"]) == {"lobby"}


def test_workers_know_each_other_by_their_heartbeats(bus: Bus) -> None:
    bus.beat("w1", {"pid": 1})
    assert set(bus.beat("w2").live) == {"w1", "w2"}
    assert bus.workers()["w1"] == {"pid": 1}
    seen: list[Workers] = []

    def w1_is_gone() -> bool:
        seen.append(bus.beat("w2"))
        return "w1" not in seen[-1].live

    assert wait_until(w1_is_gone) > 1
    assert seen[-1].live == ("w2",)
    assert seen[-1].dead == ("w1",)
    bus.leave("w2")
    assert bus.workers() == {}


def test_a_broker_that_is_away_is_one_error(settings: Settings) -> None:
    with EmbeddedBroker() as broker:
        bus = Bus(broker.url, settings)
        bus.ping()
    with pytest.raises(BrokerUnavailable, match="does not answer"):
        bus.ping()
    bus.close()


def test_a_restarted_broker_is_a_fresh_start(bus: Bus) -> None:
    bus.publish(a_frame(bus, 1))
    assert len(read(bus)) == 1
    bus._redis.flushall()
    bus.publish(a_frame(bus, 2))
    assert [frame.seq for frame in read(bus)] == [2]
