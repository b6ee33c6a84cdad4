"""A live worker on a real bus: every frame is ended once, whatever happens."""

from __future__ import annotations

import signal
import time

import numpy as np
import redis

from mien.bus.bus import Bus
from mien.bus.embedded import EmbeddedBroker
from mien.bus.plan import EVERYTHING, SavingsPlan
from mien.metrics import WorkerMetrics
from mien.settings import Settings
from mien.types import CameraState, View
from models.pictures.picture import decode, encode_jpeg
from tests.support.stub import StubAnalyzer
from tests.support.views import newest_view
from tests.support.waiting import wait_until
from tests.worker.conftest import (
    START_S,
    Lobby,
    StartWorker,
    results_of,
    traffic,
    worker_process,
)
from worker.tuning.governor import Governor


def test_a_frame_becomes_a_result_with_its_times(bus: Bus, lobby: Lobby, start_worker: StartWorker) -> None:
    start_worker()
    lobby.say("lobby")
    wait_until(lambda: "lobby" in str(bus.workers()))
    frame_id = lobby.send("lobby", 7)
    wait_until(lambda: bus.counts("lobby").analysed == 1)
    (result,) = bus.recent_results("lobby")
    assert (result.frame_id, result.seq, result.width, result.height) == (frame_id, 7, 64, 64)
    assert set(result.stages_ms) == {"queue", "decode", "detect", "classify", "track", "total"}
    assert result.on_time == (result.latency_ms <= 40)
    (face,) = result.faces
    assert len(face.track) == 8
    assert face.smoothed == face.probabilities
    assert (face.label, face.label_confidence) == ("happy", 0.86)


def test_with_live_baseline_a_result_says_that_a_face_is_being_learned(
    bus: Bus, lobby: Lobby, start_worker: StartWorker
) -> None:
    start_worker(live_baseline="auto")
    lobby.say("lobby")
    wait_until(lambda: "lobby" in str(bus.workers()))
    lobby.send("lobby", 7)
    wait_until(lambda: bus.counts("lobby").analysed == 1)
    (result,) = bus.recent_results("lobby")
    assert [(face.baseline, face.label) for face in result.faces] == [("learning", "happy")]


def test_a_worker_says_where_the_budget_went(
    bus: Bus, lobby: Lobby, start_worker: StartWorker, metrics: WorkerMetrics
) -> None:
    start_worker(StubAnalyzer(picture_ms=3), metrics)
    lobby.say("lobby")
    bus.watch(["lobby"])
    for seq in range(5):
        lobby.send("lobby", seq)
        time.sleep(0.05)
    wait_until(lambda: bus.in_flight("lobby") == 0)
    wait_until(lambda: "lobby" in bus.budgets(["lobby"]) and bus.budgets(["lobby"])["lobby"].frames > 0)
    budget, counts = bus.budgets(["lobby"])["lobby"], bus.counts("lobby")
    (name,) = bus.workers()
    assert (budget.camera, budget.worker, budget.budget_ms) == ("lobby", name, 40)
    assert (budget.plan, budget.level) == (EVERYTHING, 0)
    assert budget.why
    assert {"queue", "decode", "detect", "classify", "track", "publish"} <= set(budget.stages_ms)
    assert budget.stages_ms["detect"].p50 >= 3
    assert budget.total_ms.p99 >= budget.total_ms.p50 > budget.stages_ms["detect"].p50
    assert budget.on_time <= budget.frames <= counts.analysed
    (note,) = bus.workers().values()
    assert (note["plan"], note["level"], note["why"]) == (EVERYTHING.to_dict(), 0, budget.why)
    told = {
        (sample.labels["camera"], sample.labels["outcome"]): sample.value
        for family in metrics.registry.collect()
        for sample in family.samples
        if sample.name == "mien_frames_total"
    }
    assert told.pop(("lobby", "on_time"), 0) == counts.on_time
    assert told.pop(("lobby", "late"), 0) == counts.late
    assert sum(told.values()) == counts.dropped


def test_frames_that_the_plan_leaves_out_are_counted_as_overload(
    bus: Bus, lobby: Lobby, settings: Settings, start_worker: StartWorker
) -> None:
    start_worker(governor=Governor((SavingsPlan(analyse_every=2),)))
    lobby.say("a", "b")
    lobby.say("film", delivery="lossless")
    wait_until(lambda: "film" in str(bus.workers()))
    with traffic(settings, "a", "b"):
        for seq in range(20):
            lobby.send("film", seq, delivery="lossless")
        wait_until(lambda: bus.counts("a").captured > 40)
    wait_until(lambda: bus.in_flight("a") == bus.in_flight("b") == bus.in_flight("film") == 0)
    for camera in ("a", "b"):
        counts = bus.counts(camera)
        assert counts.drops["overload"] > 10
        # Each analysed one passes over one more; while the machine is busy some are replaced or given up as well.
        others = counts.dropped - counts.drops["overload"]
        assert abs(counts.analysed + others - counts.drops["overload"]) <= 2 + 2 * others
    assert bus.counts("film").analysed == 20


def test_a_new_camera_has_a_result_soon(bus: Bus, lobby: Lobby, start_worker: StartWorker) -> None:
    start_worker()
    wait_until(lambda: bool(bus.workers()))
    lobby.say("lobby")
    lobby.send("lobby", 1)
    took_s = wait_until(lambda: bus.counts("lobby").analysed == 1)
    print(f"first result of a new camera after {took_s:.2f} s")
    assert took_s < 10  # 2 s, with slack


def test_a_view_is_made_only_while_somebody_watches(bus: Bus, lobby: Lobby, start_worker: StartWorker) -> None:
    start_worker()
    lobby.say("lobby", "yard")
    bus.watch(["lobby"])
    wait_until(lambda: "lobby" in str(bus.workers()))
    for camera in ("lobby", "yard"):
        lobby.send(camera, 1)
    wait_until(lambda: bus.counts("lobby").analysed == bus.counts("yard").analysed == 1)
    wait_until(lambda: newest_view(bus, "lobby") is not None)
    (result,) = bus.recent_results("lobby")
    view = newest_view(bus, "lobby")
    assert isinstance(view, View)
    assert view.frame_id == result.frame_id
    assert decode(view.jpeg).shape == (64, 64, 3)
    assert {"draw", "encode"} <= set(result.stages_ms)
    assert newest_view(bus, "yard") is None


def test_views_of_many_frames_belong_to_results(bus: Bus, lobby: Lobby, start_worker: StartWorker) -> None:
    start_worker()
    lobby.say("lobby")
    bus.watch(["lobby"])
    wait_until(lambda: "lobby" in str(bus.workers()))
    seen = set()
    for seq in range(20):
        lobby.send("lobby", seq)
        time.sleep(0.01)
        if (view := newest_view(bus, "lobby")) is not None:
            seen.add(view.frame_id)
    wait_until(lambda: bus.in_flight("lobby") == 0)
    assert seen
    assert seen <= {result.frame_id for result in bus.recent_results("lobby", 100)}


def test_frames_that_are_no_picture_are_counted_and_the_others_go_on(
    bus: Bus, lobby: Lobby, start_worker: StartWorker
) -> None:
    start_worker()
    lobby.say("lobby", "yard", delivery="lossless")
    good = lobby.send("yard", 0, delivery="lossless")
    for jpeg in (b"", b"\xff\xd8no picture", b"text"):
        lobby.send("lobby", 1, delivery="lossless", jpeg=jpeg)
        lobby.send("yard", 1, delivery="lossless")
    wait_until(lambda: bus.in_flight("lobby") == bus.in_flight("yard") == 0)
    assert bus.counts("lobby").drops["undecodable"] == 3
    assert bus.counts("yard").analysed == 4
    assert bus.recent_results("yard")[-1].frame_id == good


def test_a_frame_whose_analysis_fails_takes_no_other_with_it(bus: Bus, lobby: Lobby, start_worker: StartWorker) -> None:
    start_worker()
    black = encode_jpeg(np.zeros((64, 64, 3), np.uint8))
    for camera in ("lobby", "yard"):
        lobby.say(camera, delivery="lossless")
    for seq in range(5):
        lobby.send("lobby", seq, delivery="lossless", jpeg=black)
        lobby.send("yard", seq, delivery="lossless")
    wait_until(lambda: bus.in_flight("lobby") == bus.in_flight("yard") == 0)
    assert bus.counts("lobby").drops["undecodable"] == 5
    assert results_of(bus, "yard") == [0, 1, 2, 3, 4]


def test_lossless_frames_are_all_analysed_in_order(bus: Bus, lobby: Lobby, start_worker: StartWorker) -> None:
    lobby.say("film", delivery="lossless")
    for seq in range(60):
        lobby.send("film", seq, delivery="lossless")
    start_worker()
    wait_until(lambda: bus.in_flight("film") == 0)
    assert results_of(bus, "film") == list(range(60))
    assert bus.counts("film").balanced


def test_the_account_balances_under_more_load_than_a_worker_can_do(
    bus: Bus, lobby: Lobby, start_worker: StartWorker
) -> None:
    cameras = [f"camera-{number}" for number in range(6)]
    worker = start_worker(StubAnalyzer(picture_ms=12))
    lobby.say(*cameras)
    wait_until(lambda: "camera-5" in str(bus.workers()))
    for seq in range(60):
        for camera in cameras:
            lobby.send(camera, seq)
        assert all(counts.balanced for counts in bus.all_counts(cameras).values())
        time.sleep(0.02)
    lobby.say(*cameras, state=CameraState.ENDED)
    worker.stop()
    wait_until(lambda: not bus.workers())
    for camera, counts in bus.all_counts(cameras).items():
        assert counts.balanced
        assert counts.in_flight == 0
        assert counts.captured == 60
        assert counts.analysed >= 3, camera  # none of them starves
        assert counts.drops["superseded"] + counts.drops["stale"] + counts.drops["trimmed"] > 0
        seen = results_of(bus, camera)
        assert seen == sorted(set(seen))


def test_after_a_clean_stop_nothing_is_in_flight(bus: Bus, lobby: Lobby, start_worker: StartWorker) -> None:
    worker = start_worker(StubAnalyzer(picture_ms=5))
    lobby.say("lobby")
    lobby.say("film", delivery="lossless")
    for seq in range(40):
        lobby.send("lobby", seq)
        lobby.send("film", seq, delivery="lossless")
    wait_until(lambda: bus.counts("film").analysed > 0)
    lobby.say("lobby", state=CameraState.ENDED)
    lobby.say("film", state=CameraState.ENDED, delivery="lossless")
    started = time.monotonic()
    worker.stop()
    wait_until(lambda: not bus.workers())
    assert time.monotonic() - started < 5  # 1 s, with slack
    wait_until(lambda: bus.in_flight("lobby") == 0)
    assert bus.counts("lobby").balanced
    assert bus.counts("film").balanced
    assert results_of(bus, "film") == list(range(bus.counts("film").analysed))


def test_frames_from_the_future_are_counted(
    bus: Bus, lobby: Lobby, start_worker: StartWorker, metrics: WorkerMetrics
) -> None:
    start_worker(metrics=metrics)
    lobby.say("lobby")
    lobby.send("lobby", 1, age_ms=-5000)
    wait_until(lambda: bus.counts("lobby").analysed == 1)
    assert metrics.negative_ages._value.get() == 1
    assert bus.recent_results("lobby")[0].stages_ms["queue"] == 0


def test_a_worker_goes_on_when_the_bus_was_away(settings: Settings) -> None:
    with EmbeddedBroker() as broker:
        own = settings.model_copy(update={"bus_url": broker.url})
        with worker_process(own) as process, redis.Redis.from_url(broker.url) as client:
            bus = Bus.from_settings(own)
            lobby = Lobby(bus)
            lobby.say("film", delivery="lossless")
            lobby.send("film", 0, delivery="lossless")
            wait_until(lambda: bus.counts("film").analysed == 1, START_S)
            client.client_kill_filter(_type="normal", skipme=True)
            client.flushall()
            bus.close()
            bus = Bus.from_settings(own)
            lobby = Lobby(bus)
            lobby.say("film", delivery="lossless")
            lobby.send("film", 1, delivery="lossless")
            wait_until(lambda: bus.counts("film").analysed == 1)
            wait_until(lambda: len(bus.workers()) == 1)
            process.send_signal(signal.SIGTERM)
            assert process.wait(5) == 0
            assert bus.workers() == {}
            bus.close()
