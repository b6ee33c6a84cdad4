"""What is analysed and what is dropped, by a clock that the test sets."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest

from mien.types import Delivery, DropReason, Frame
from worker.live.collect import HURRIED_PART, Collector, Drop, Rules, age_ns, fitting, is_closed, is_stale
from worker.live.desk import Desks, Rhythm

MS = 1_000_000
RULES = Rules(budget_ns=40 * MS, starve_ns=250 * MS, waiting_part=0.25)


def a_frame(camera: str, captured_ms: int, delivery: Delivery = "live", came_ms: int = 0) -> Frame:
    return Frame(camera, captured_ms, captured_ms * MS, 4, 3, b"", delivery, f"{came_ms or captured_ms}-0")


@pytest.fixture
def collector() -> Collector:
    return Collector(RULES, Desks())


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


def test_a_frame_that_would_be_late_after_the_work_on_it_is_stale_before() -> None:
    frame = a_frame("a", 1000)
    assert not is_stale(frame, 1000 * MS, 1025 * MS, RULES, frame_ns=15 * MS)
    assert is_stale(frame, 1000 * MS, 1026 * MS, RULES, frame_ns=15 * MS)


def test_a_frame_that_starves_its_camera_is_done_even_when_it_will_be_late() -> None:
    assert not is_stale(a_frame("a", 1000), 750 * MS, 1030 * MS, RULES, frame_ns=15 * MS)


def test_a_machine_that_is_too_slow_for_the_budget_still_does_what_it_can() -> None:
    for frame_ms in (60, 1000):
        assert not is_stale(a_frame("a", 1000), 1000 * MS, 1020 * MS, RULES, frame_ns=frame_ms * MS)
    frame = a_frame("a", 1000, came_ms=1035)  # what captured it took most of the budget
    assert not is_stale(frame, 1000 * MS, 1038 * MS, RULES, frame_ns=10 * MS)
    assert is_stale(frame, 1000 * MS, 1041 * MS, RULES, frame_ns=10 * MS)


def test_a_batch_takes_no_frame_that_would_make_another_one_late() -> None:
    frames = [a_frame("a", 1000), a_frame("b", 1010), a_frame("c", 1015)]
    assert fitting(frames, 1015 * MS, 0, RULES) == 3
    assert fitting(frames, 1015 * MS, 8 * MS, RULES) == 3
    assert fitting(frames, 1015 * MS, 12 * MS, RULES) == 2
    assert fitting(frames, 1015 * MS, 20 * MS, RULES) == 1
    # One that is late already has nothing to lose, and one of a film has no budget to keep.
    assert fitting([a_frame("a", 900), *frames[1:]], 1015 * MS, 12 * MS, RULES) == 2
    assert fitting([a_frame("film", 0, "lossless"), a_frame("b", 1010)], 1015 * MS, 12 * MS, RULES) == 2
    assert fitting([], 1015 * MS, 12 * MS, RULES) == 1


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


def test_where_batches_cost_no_less_hardly_any_time_is_spent_waiting() -> None:
    hurried = Rules(RULES.budget_ns, RULES.starve_ns)
    assert hurried.waiting_part == HURRIED_PART
    assert not is_closed({"a": a_frame("a", 1000)}, {"a", "b"}, 1001 * MS, hurried)
    assert is_closed({"a": a_frame("a", 1000)}, {"a", "b"}, 1002 * MS, hurried)


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


def frames_of(cameras: dict[str, int], frames: int) -> list[Frame]:
    """Frames every 40 ms of each camera, which begins so many milliseconds after the first one, in their order."""
    moments = [
        (1000 + phase_ms + 40 * number, camera) for camera, phase_ms in cameras.items() for number in range(frames)
    ]
    return [a_frame(camera, at_ms) for at_ms, camera in sorted(moments)]


def passed_through(collector: Collector, frames: list[Frame]) -> tuple[list[Frame], list[Drop]]:
    """Let a worker that is fast enough take each frame when it comes."""
    done: list[Frame] = []
    drops: list[Drop] = []
    for frame in frames:
        drops += collector.add([frame])
        if (batch := collector.close(frame.captured_ns, 8)) is not None:
            done += batch.frames
            drops += batch.stale
            for each in batch.frames:
                collector.had_result(each.camera, frame.captured_ns)
    return done, drops


@pytest.mark.parametrize("every", [2, 3])
def test_frames_that_the_plan_passes_over_are_dropped_evenly_and_say_so(collector: Collector, every: int) -> None:
    cameras = {"a": 0, "b": 10, "c": 20, "d": 30}
    passed_through(collector, frames_of(cameras, 3))
    collector.analyse_every(every)
    later = [replace(frame, captured_ns=frame.captured_ns + 120 * MS) for frame in frames_of(cameras, 60)]
    done, drops = passed_through(collector, later)
    assert {drop.reason for drop in drops} == {DropReason.OVERLOAD}
    for camera in cameras:
        gaps = {
            later.captured_ns - earlier.captured_ns
            for earlier, later in pairwise(frame for frame in done if frame.camera == camera)
        }
        assert gaps == {every * 40 * MS}
    assert len(done) + len(drops) == len(later)
    # Work is spread: cameras alternate.
    most = max(sum(0 <= frame.captured_ns - start.captured_ns < 40 * MS for frame in done) for start in done)
    assert most <= -(-len(cameras) // every) + 1
    collector.analyse_every(1)
    done, drops = passed_through(collector, [a_frame("a", 9000), a_frame("a", 9040)])
    assert (len(done), len(drops)) == (2, 0)


def test_a_newer_frame_takes_the_place_of_one_that_was_to_be_analysed(collector: Collector) -> None:
    collector.analyse_every(2)
    assert collector.add([a_frame("a", 1000)]) == []
    drops = collector.add([a_frame("a", 1040), a_frame("a", 1080)])
    assert [drop.reason for drop in drops] == [DropReason.SUPERSEDED, DropReason.SUPERSEDED]
    assert collector.heads["a"].seq == 1080
    collector.close(1080 * MS, 8)
    assert [drop.reason for drop in collector.add([a_frame("a", 1120)])] == [DropReason.OVERLOAD]
    assert collector.add([a_frame("a", 1160)]) == []


def test_a_wrong_idea_of_what_a_frame_takes_starves_no_camera(collector: Collector) -> None:
    done: list[Frame] = []
    for frame in frames_of({"a": 0, "b": 20}, 100):
        collector.add([frame])
        now_ns = frame.captured_ns + 6 * MS
        batch = collector.close(now_ns, 8, frame_ns=35 * MS)
        for each in batch.frames if batch else ():
            done.append(each)
            collector.had_result(each.camera, now_ns)
    for camera in ("a", "b"):
        captured = [frame.captured_ns for frame in done if frame.camera == camera]
        gaps = [later - earlier for earlier, later in pairwise(captured)]
        assert max(gaps) <= RULES.starve_ns + 40 * MS


def test_no_lossless_frame_is_passed_over(collector: Collector) -> None:
    collector.analyse_every(3)
    done, drops = passed_through(collector, [a_frame("film", 1000 + number, "lossless") for number in range(9)])
    assert (len(done), len(drops)) == (9, 0)


def test_nobody_waits_for_a_camera_whose_next_frame_is_passed_over(collector: Collector) -> None:
    passed_through(collector, frames_of({"a": 0, "b": 1}, 3))
    collector.analyse_every(2)
    collector.add([a_frame("a", 1120)])  # b is analysed with its frame after the next one
    batch = collector.close(1122 * MS, 8)
    assert batch is not None
    assert [frame.camera for frame in batch.frames] == ["a"]
