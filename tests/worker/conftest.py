"""Workers for tests: in this process on a thread, or as processes that can be killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import simplejpeg
from prometheus_client import CollectorRegistry

from mien.bus.bus import Bus
from mien.metrics import WorkerMetrics
from mien.settings import Settings
from mien.types import Camera, CameraState, Delivery, Frame
from tests.support.paths import ROOT
from tests.support.stub import StubAnalyzer
from worker.live.live import LiveWorker
from worker.tuning.governor import Governor

START_S = 60.0
"""How long a process may take to start: about 2 s, and far more while the machine is busy."""


def a_picture(seq: int = 0, side: int = 64) -> bytes:
    """A small grey JPEG with a bright bar that moves."""
    rgb = np.full((side, side, 3), 40, np.uint8)
    rgb[:, seq % (side - 8) : seq % (side - 8) + 8] = 220
    return bytes(simplejpeg.encode_jpeg(rgb, quality=80))


class Lobby:
    """A producer in a few lines: says that cameras are live, and publishes frames."""

    def __init__(self, bus: Bus) -> None:
        self.bus = bus

    def say(self, *cameras: str, state: CameraState = CameraState.LIVE, delivery: Delivery = "live") -> None:
        for camera in cameras:
            self.bus.put_camera(Camera(camera, state, delivery=delivery))

    def send(
        self, camera: str, seq: int, *, delivery: Delivery = "live", jpeg: bytes | None = None, age_ms: float = 0
    ) -> str:
        captured_ns = self.bus.clock.now_ns() - int(age_ms * 1e6)
        return self.bus.publish(
            Frame(camera, seq, captured_ns, 64, 64, a_picture(seq) if jpeg is None else jpeg, delivery)
        )


@pytest.fixture
def lobby(bus: Bus) -> Lobby:
    return Lobby(bus)


@pytest.fixture
def metrics() -> WorkerMetrics:
    return WorkerMetrics(CollectorRegistry())


StartWorker = Callable[..., LiveWorker]


@pytest.fixture
def start_worker(settings: Settings) -> Iterator[StartWorker]:
    """A function that starts a worker on a thread; all of them are stopped after the test."""
    running: list[tuple[LiveWorker, threading.Thread, Bus]] = []

    def start(
        analyzer: StubAnalyzer | None = None,
        metrics: WorkerMetrics | None = None,
        governor: Governor | None = None,
        **changed: Any,
    ) -> LiveWorker:
        bus = Bus.from_settings(settings)
        measured = metrics or WorkerMetrics(CollectorRegistry())
        worker = LiveWorker(
            bus,
            settings.model_copy(update=changed),
            analyzer or StubAnalyzer(),
            measured,
            {"runtime": "stub"},
            governor,
        )
        thread = threading.Thread(target=worker.run, daemon=True)
        thread.start()
        running.append((worker, thread, bus))
        return worker

    yield start
    for worker, thread, bus in running:
        worker.stop()
        thread.join(5)
        assert not thread.is_alive()
        bus.close()


@contextmanager
def worker_process(
    settings: Settings, picture_ms: float = 2.0, log: Path | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """A worker in a process of its own, with the stub analyzer; it is killed at the end when it still runs."""
    environment = {**os.environ, "MIEN_BUS_URL": settings.bus_url, "PYTHONPATH": str(ROOT)}
    with log.open("ab") if log else nullcontext() as file:
        process = subprocess.Popen(
            [sys.executable, str(Path(__file__).parent / "a_worker.py"), str(picture_ms)], env=environment, stderr=file
        )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
        process.wait(10)


@contextmanager
def traffic(settings: Settings, *cameras: str, fps: float = 25.0) -> Iterator[None]:
    """Frames of live cameras, one after the other and evenly spread over the period, until the block ends."""
    ended = threading.Event()

    def produce() -> None:
        bus = Bus.from_settings(settings)
        lobby, started_s, sent = Lobby(bus), time.monotonic(), 0
        while not ended.is_set():
            if sent % len(cameras) == 0:
                lobby.say(*cameras)
            lobby.send(cameras[sent % len(cameras)], sent // len(cameras))
            sent += 1
            ended.wait(max(0.0, started_s + sent / fps / len(cameras) - time.monotonic()))
        lobby.say(*cameras, state=CameraState.ENDED)
        bus.close()

    thread = threading.Thread(target=produce, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join(10)


def results_of(bus: Bus, camera: str) -> list[int]:
    """The sequence numbers of all results, oldest first."""
    return [result.seq for result in bus.recent_results(camera, 10_000)][::-1]


def shares(bus: Bus) -> list[int]:
    """How many cameras each live worker has."""
    return sorted(len(note["cameras"]) for note in bus.workers().values())


def all_balance(bus: Bus, cameras: Sequence[str]) -> bool:
    """Whether every captured frame of some cameras is accounted for."""
    return all(counts.balanced for counts in bus.all_counts(cameras).values())
