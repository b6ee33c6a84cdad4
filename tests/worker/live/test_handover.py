"""Workers share cameras: what one leaves behind another takes over, and nothing is counted twice."""

from __future__ import annotations

import os
import signal
import threading
import time

import pytest

from mien.bus.bus import Bus
from mien.settings import Settings
from tests.support.waiting import wait_until
from tests.worker.conftest import (
    START_S,
    Lobby,
    StartWorker,
    all_balance,
    results_of,
    shares,
    traffic,
    worker_process,
)


def test_a_killed_workers_cameras_move(bus: Bus, lobby: Lobby, settings: Settings) -> None:
    cameras = [f"camera-{number}" for number in range(4)]
    with worker_process(settings) as first, worker_process(settings):
        lobby.say(*cameras)
        wait_until(lambda: sorted(len(note["cameras"]) for note in bus.workers().values()) == [2, 2], START_S)
        os.kill(first.pid, signal.SIGKILL)
        killed_ns, seq = bus.clock.now_ns(), 0
        while not all(any(r.captured_ns > killed_ns for r in bus.recent_results(camera)) for camera in cameras):
            for camera in cameras:
                lobby.send(camera, seq := seq + 1)
            time.sleep(0.04)
            assert bus.clock.now_ns() - killed_ns < 10e9  # 2 s, with slack
        print(f"a killed worker's cameras were read again after {(bus.clock.now_ns() - killed_ns) / 1e9:.2f} s")
        assert all(counts.balanced for counts in bus.all_counts(cameras).values())


def test_a_worker_killed_in_lossless_delivery_loses_no_frame_and_repeats_none(
    bus: Bus, lobby: Lobby, settings: Settings
) -> None:
    frames, cameras = 150, ("film", "tape")
    with worker_process(settings, 4) as first, worker_process(settings, 4) as second:
        lobby.say(*cameras, delivery="lossless")
        wait_until(lambda: len(bus.workers()) == 2, START_S)

        def produce() -> None:
            own = Bus.from_settings(settings)
            for seq in range(frames):
                for camera in cameras:
                    Lobby(own).send(camera, seq, delivery="lossless")
                time.sleep(0.002)
            own.close()

        producer = threading.Thread(target=produce)
        producer.start()
        wait_until(lambda: all(bus.counts(camera).analysed > 20 for camera in cameras))
        os.kill(first.pid, signal.SIGKILL)
        assert all(counts.balanced for counts in bus.all_counts(cameras).values())
        producer.join()
        wait_until(lambda: all(bus.in_flight(camera) == 0 for camera in cameras), 30)
        for camera in cameras:
            assert sorted(results_of(bus, camera)) == list(range(frames))
            assert bus.counts(camera).balanced
        second.send_signal(signal.SIGTERM)
        assert second.wait(5) == 0


def test_a_worker_that_is_stopped_leaves_its_lossless_frames_to_the_others(
    bus: Bus, lobby: Lobby, settings: Settings
) -> None:
    with worker_process(settings, 4) as first, worker_process(settings, 4) as second:
        lobby.say("film", "tape", delivery="lossless")
        wait_until(lambda: len(bus.workers()) == 2, START_S)
        for seq in range(100):
            for camera in ("film", "tape"):
                lobby.send(camera, seq, delivery="lossless")
        first.send_signal(signal.SIGTERM)
        assert first.wait(5) == 0
        wait_until(lambda: bus.in_flight("film") == bus.in_flight("tape") == 0, 20)
        assert sorted(results_of(bus, "film")) == sorted(results_of(bus, "tape")) == list(range(100))
        second.send_signal(signal.SIGTERM)
        assert second.wait(5) == 0


def test_workers_share_cameras_evenly_and_again_when_one_more_comes(
    bus: Bus, lobby: Lobby, start_worker: StartWorker
) -> None:
    lobby.say(*(f"camera-{number}" for number in range(6)))
    for _ in range(3):
        start_worker()
    wait_until(lambda: shares(bus) == [2, 2, 2])
    start_worker()
    wait_until(lambda: shares(bus) == [1, 1, 2, 2])
    owned = [camera for note in bus.workers().values() for camera in note["cameras"]]
    assert len(set(owned)) == 6


def test_a_stopped_workers_cameras_move_and_come_back_when_it_goes_on(
    bus: Bus, lobby: Lobby, settings: Settings
) -> None:
    cameras = [f"camera-{number}" for number in range(4)]
    with worker_process(settings) as first, worker_process(settings):
        lobby.say(*cameras)
        wait_until(lambda: shares(bus) == [2, 2], START_S)
        names = set(bus.workers())
        (its_name,) = (name for name, note in bus.workers().items() if note["pid"] == first.pid)
        its_cameras = bus.workers()[its_name]["cameras"]
        with traffic(settings, *cameras):
            wait_until(lambda: all(bus.counts(camera).analysed > 3 for camera in cameras))
            os.kill(first.pid, signal.SIGSTOP)
            stopped_ns = bus.clock.now_ns()

            def are_read() -> bool:
                assert all_balance(bus, cameras)
                return all(bus.recent_results(camera, 1)[0].captured_ns > stopped_ns for camera in its_cameras)

            took_s = wait_until(are_read)  # 2 s, with slack
            print(f"a stopped worker's cameras were read again after {took_s:.2f} s")
            wait_until(lambda: shares(bus) == [4])
            os.kill(first.pid, signal.SIGCONT)
            woken_ns = bus.clock.now_ns()

            def is_back() -> bool:
                assert all_balance(bus, cameras)
                told = bus.budgets(its_cameras)
                return all(
                    camera in told and told[camera].worker == its_name and told[camera].at_ns > woken_ns
                    for camera in its_cameras
                )

            took_s = wait_until(is_back)
            print(f"a worker that goes on had its cameras again after {took_s:.2f} s")
            wait_until(lambda: shares(bus) == [2, 2])
            assert set(bus.workers()) == names
        wait_until(lambda: all(counts.in_flight == 0 for counts in bus.all_counts(cameras).values()))
        assert all_balance(bus, cameras)
        for camera in cameras:
            frame_ids = [result.frame_id for result in bus.recent_results(camera, 10_000)]
            assert len(frame_ids) == len(set(frame_ids)) == bus.counts(camera).analysed


def test_the_account_balances_in_overload_when_a_worker_is_killed_and_the_other_one_stops(
    bus: Bus, lobby: Lobby, settings: Settings
) -> None:
    cameras = [f"camera-{number}" for number in range(4)]
    with worker_process(settings, 30) as first, worker_process(settings, 30) as second:
        lobby.say(*cameras)
        wait_until(lambda: shares(bus) == [2, 2], START_S)
        with traffic(settings, *cameras):
            for moment in ("both", "one"):
                until_s = time.monotonic() + 1.5
                while time.monotonic() < until_s:
                    assert all_balance(bus, cameras), moment
                os.kill(first.pid, signal.SIGKILL)
        second.send_signal(signal.SIGTERM)
        while second.poll() is None:
            assert all_balance(bus, cameras)
            time.sleep(0.005)
        assert second.returncode == 0
    for camera in cameras:
        bus.flush(camera)  # as a producer does when it ends
        # What the killed worker held was ended by the other one if it had the time, or is by the next one.
        assert bus.reclaim("next", camera, ["next"]) == []
    counts = bus.all_counts(cameras).values()
    assert all(each.balanced and each.in_flight == 0 and each.analysed > 0 for each in counts)
    # Which camera's frames come when there is time for them is chance.
    assert sum(each.dropped for each in counts) > sum(each.analysed for each in counts) / 4


@pytest.mark.slow
def test_a_worker_that_hangs_is_taken_for_dead_and_repeats_nothing_when_it_wakes(
    bus: Bus, lobby: Lobby, settings: Settings
) -> None:
    with worker_process(settings, 4) as first, worker_process(settings, 4):
        lobby.say("film", "tape", delivery="lossless")
        wait_until(lambda: len(bus.workers()) == 2, START_S)
        for seq in range(100):
            for camera in ("film", "tape"):
                lobby.send(camera, seq, delivery="lossless")
        wait_until(lambda: bus.counts("film").analysed > 10 and bus.counts("tape").analysed > 10)
        os.kill(first.pid, signal.SIGSTOP)
        wait_until(lambda: bus.in_flight("film") == bus.in_flight("tape") == 0, 20)
        os.kill(first.pid, signal.SIGCONT)
        wait_until(lambda: len(bus.workers()) == 2, START_S)
        for camera in ("film", "tape"):
            assert sorted(results_of(bus, camera)) == list(range(100))
            assert bus.counts(camera).balanced
