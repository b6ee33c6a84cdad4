"""What is analysed and what is dropped, by a clock that the test sets."""

from __future__ import annotations

import pytest

from mien.types import Delivery, DropReason, Frame
from worker.collect import Collector, Rhythm, Rules, age_ns, is_closed, is_stale

MS = 1_000_000
RULES = Rules(budget_ns=40 * MS, starve_ns=250 * MS)


def a_frame(camera: str, captured_ms: int, delivery: Delivery = "live") -> Frame:
    return Frame(camera, captured_ms, captured_ms * MS, 4, 3, b"", delivery, f"{captured_ms}-0")


@pytest.fixture
def collector() -> Collector:
    return Collector(RULES)


def test_only_the_newest_live_frame_is_kept(collector: Collector) -> None:
    drops = collector.add([a_frame("a", 1), a_frame("b", 2), a_frame("a", 3), a_frame("a", 4)])
    assert [(drop.frame.seq, drop.reason) for drop in drops] == [
        (1, DropReason.SUPERSEDED),
        (3, DropReason.SUPERSEDED),
    ]
    assert {camera: frame.seq for camera, frame in collector.heads.items()} == {"a": 4, "b": 2}


def test_every_lossless_frame_is_kept_in_order(collector: Collector) -> None:
    assert collector.add([a_frame("film", number, "lossless") for number in range(3)]) == []
    seen = []
    while (batch := collector.close(10_000 * MS, 8)) is not None:
        assert batch.stale == ()
        seen += [frame.seq for frame in batch.frames]
    assert seen == [0, 1, 2]


def test_a_frame_over_the_budget_is_stale() -> None:
    frame = a_frame("a", 1000)
    assert not is_stale(frame, 1000 * MS, 1040 * MS, RULES)
    assert is_stale(frame, 1000 * MS, 1041 * MS, RULES)


def test_a_camera_that_starves_gets_its_newest_frame_however_old() -> None:
    frame = a_frame("a", 1000)
    assert is_stale(frame, 851 * MS, 1100 * MS, RULES)
    assert not is_stale(frame, 850 * MS, 1100 * MS, RULES)
    assert not is_stale(frame, None, 1100 * MS, RULES)


def test_a_lossless_frame_is_never_stale() -> None:
    assert not is_stale(a_frame("a", 0, "lossless"), 999 * MS, 1000 * MS, RULES)


def test_a_frame_from_the_future_has_no_age() -> None:
    assert age_ns(a_frame("a", 1000), 990 * MS) == 0


def test_stale_frames_are_handed_back_with_the_batch(collector: Collector) -> None:
    collector.had_result("a", 950 * MS)
    collector.add([a_frame("a", 900), a_frame("b", 990)])
    batch = collector.close(1000 * MS, 8)
    assert batch is not None
    assert [frame.camera for frame in batch.frames] == ["b"]
    assert [(drop.frame.camera, drop.reason) for drop in batch.stale] == [("a", DropReason.STALE)]
    assert collector.heads == {}


def test_one_camera_alone_is_not_kept_waiting() -> None:
    assert is_closed({"a": a_frame("a", 1000)}, {"a"}, 1000 * MS, RULES)


def test_a_batch_waits_for_cameras_that_are_due_until_its_oldest_frame_has_spent_its_share() -> None:
    heads = {"a": a_frame("a", 1000)}
    assert not is_closed({}, set(), 1000 * MS, RULES)
    assert not is_closed(heads, {"a", "b"}, 1009 * MS, RULES)
    assert is_closed(heads, {"a", "b"}, 1010 * MS, RULES)
    assert is_closed({**heads, "b": a_frame("b", 1003)}, {"a", "b"}, 1004 * MS, RULES)


def test_a_camera_is_due_when_its_rhythm_says_so() -> None:
    rhythm = Rhythm()
    assert not rhythm.is_due(0)
    for captured_ms in (1000, 1040, 1080):
        rhythm.note(captured_ms * MS)
    assert not rhythm.is_due(1119 * MS)
    assert rhythm.is_due(1121 * MS)
    assert not rhythm.is_due(1250 * MS)


def test_of_too_many_cameras_those_without_a_result_for_the_longest_go_first(collector: Collector) -> None:
    for camera, last_ms in (("a", 990), ("b", 970), ("c", 980)):
        collector.had_result(camera, last_ms * MS)
        collector.add([a_frame(camera, 995)])
    batch = collector.close(1006 * MS, 2)
    assert batch is not None
    assert [frame.camera for frame in batch.frames] == ["b", "c"]
    assert collector.heads.keys() == {"a"}


def test_a_batch_holds_one_frame_of_each_camera(collector: Collector) -> None:
    collector.add([a_frame("film", 1, "lossless"), a_frame("film", 2, "lossless"), a_frame("a", 3)])
    batch = collector.close(20 * MS, 8)
    assert batch is not None
    assert {frame.camera: frame.seq for frame in batch.frames} == {"film": 1, "a": 3}
    assert collector.has_queue("film")


def test_all_that_is_held_can_be_taken_out(collector: Collector) -> None:
    collector.add([a_frame("film", 1, "lossless"), a_frame("film", 2, "lossless"), a_frame("a", 3)])
    assert sorted(frame.seq for frame in collector.take_all()) == [1, 2, 3]
    assert collector.heads == {}
