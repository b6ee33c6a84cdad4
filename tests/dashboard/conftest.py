"""A real dashboard under gunicorn, and cameras whose frames, results and views a test puts on the bus."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import requests
import simplejpeg
from flask import Flask

from dashboard.app import create_app
from mien.bus.budget import Budget, Quantiles
from mien.bus.bus import Bus
from mien.bus.plan import SavingsPlan
from mien.settings import Settings
from mien.types import Camera, CameraState, Face, Frame, FrameResult, View
from tests.support.ports import free_port
from tests.support.views import put_view

COLOURS = ((200, 40, 40), (40, 160, 60), (40, 80, 200), (220, 180, 40), (150, 60, 170), (40, 170, 180))
_COMMAND = "import typer; from cli.dashboard import dashboard; typer.run(dashboard)"


def picture(number: int, width: int = 320, height: int = 180) -> bytes:
    """Return a JPEG of one colour with a bar whose place depends on `number`."""
    pixels = np.empty((height, width, 3), np.uint8)
    pixels[:] = COLOURS[number % len(COLOURS)]
    left = number * 16 % (width - 16)
    pixels[:, left : left + 16] = 255
    return bytes(simplejpeg.encode_jpeg(pixels, quality=85))


def face(emotion_index: int = 4, confidence: float = 0.72) -> Face:
    """Return a face in the middle of a picture."""
    rest = (1 - confidence) / 7
    probabilities = tuple(confidence if index == emotion_index else rest for index in range(8))
    names = ("anger", "contempt", "disgust", "fear", "happy", "neutral", "sad", "surprise")
    return Face(
        box=(100.0, 40.0, 80.0, 90.0),
        emotion=names[emotion_index],
        confidence=confidence,
        probabilities=probabilities,
        valence=0.7,
        arousal=0.2,
        track="t1",
        smoothed=probabilities,
        label=names[emotion_index],
        label_confidence=confidence,
    )


def budget(
    camera: str, at_ns: int, mean_ms: float = 20.0, plan: SavingsPlan | None = None, **more: int | str
) -> Budget:
    """Return a minute in which frames took `mean_ms`, split over the stages, and 99 % of them 2.4 times that."""
    shares = {"queue": 0.14, "decode": 0.13, "detect": 0.28, "classify": 0.17, "track": 0.03, "draw": 0.04,
              "encode": 0.13, "publish": 0.05}  # fmt: skip
    stages = {stage: quantiles(mean_ms * share) for stage, share in shares.items()}
    plan = plan or SavingsPlan(scan_ms=160, classify_ms=120)
    told: dict[str, Any] = {"level": 2, "why": "4 cameras at 25 fps need 0.9 of 1 core.", "worker": "feeder", **more}
    return Budget(camera, at_ns, 60.0, 40.0, 1500, 1485, quantiles(mean_ms), stages, plan=plan, **told)


def quantiles(mean_ms: float) -> Quantiles:
    """Return quantiles that are as skewed as real ones."""
    return Quantiles(mean_ms, 0.9 * mean_ms, 1.6 * mean_ms, 2.4 * mean_ms)


class Feeder:
    """Producer and worker of some cameras in one thread: captures, finishes and draws `fps` frames a second."""

    def __init__(self, bus: Bus, cameras: Sequence[str], fps: float = 20.0, size: tuple[int, int] = (320, 180)) -> None:
        self._bus = bus
        self.cameras = cameras
        self._fps = fps
        self._pictures = [picture(number, *size) for number in range(40)]
        self._size = size
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.jpegs: dict[tuple[str, str], bytes] = {}

    def __enter__(self) -> Feeder:
        self._round(0)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        number = 0
        while not self._stop.wait(1 / self._fps):
            number += 1
            self._round(number)

    def _round(self, number: int) -> None:
        width, height = self._size
        for index, name in enumerate(self.cameras):
            if number % 8 == 0:
                note = Camera(name, CameraState.LIVE, "", "test://feeder", "live", self._fps, width, height)
                self._bus.put_camera(note)
                self._bus.put_budgets([budget(name, self._bus.clock.now_ns())])
                self._bus.beat("feeder", {})
            jpeg = self._pictures[(number + 5 * index) % len(self._pictures)]
            captured_ns = self._bus.clock.now_ns()
            frame = Frame(name, number, captured_ns, width, height, jpeg)
            frame_id = self._bus.publish(frame)
            self._bus.read("feeder", [name], block_ms=0)
            stages = {"queue": 1.0, "decode": 2.0, "detect": 4.0, "classify": 6.0}
            result = FrameResult(name, frame_id, number, captured_ns, width, height, (face(),),
                                 self._bus.clock.now_ns(), True, stages)  # fmt: skip
            self._bus.finish(result)
            self.jpegs[name, frame_id] = jpeg
            put_view(self._bus, View(name, frame_id, jpeg))
            if len(self.jpegs) > 2000:
                self.jpegs.pop(next(iter(self.jpegs)))


@dataclass
class Dashboard:
    """A running dashboard process."""

    url: str
    process: subprocess.Popen[bytes]
    log: Path
    session: requests.Session = field(default_factory=requests.Session)

    def get(self, path: str, **more: object) -> requests.Response:
        return self.session.get(self.url + path, timeout=10, **more)  # type: ignore[arg-type]

    def post(self, path: str, **more: object) -> requests.Response:
        token = self.session.get(f"{self.url}/api/v1/token", timeout=10).json()["token"]
        headers = {"X-CSRFToken": token, **more.pop("headers", {})}  # type: ignore[dict-item]
        return self.session.post(self.url + path, headers=headers, timeout=60, **more)  # type: ignore[arg-type]

    def rss_mb(self) -> list[float]:
        """Resident memory of gunicorn's master and worker."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        sizes = []
        for pid in (str(self.process.pid), *children):
            line = next(
                line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmRSS")
            )
            sizes.append(int(line.split()[1]) / 1024)
        return sizes


@contextmanager
def running_dashboard(settings: Settings, log: Path, **environment: str) -> Iterator[Dashboard]:
    """Run `mien dashboard` on a free port until it answers, and end it afterwards."""
    port = free_port()
    variables = {
        **os.environ,
        "MIEN_BUS_URL": settings.bus_url,
        "MIEN_JOBS_URL": settings.jobs_url,
        "MIEN_DATA_DIR": str(settings.data_dir),
        **environment,
    }
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-c", _COMMAND, "--port", str(port)], env=variables, stdout=output, stderr=output
        )
    dashboard = Dashboard(f"http://127.0.0.1:{port}", process, log)
    try:
        deadline_s = time.monotonic() + 20
        while True:
            try:
                dashboard.get("/healthz")
                break
            except requests.ConnectionError:
                assert process.poll() is None, log.read_text()
                assert time.monotonic() < deadline_s, log.read_text()
                time.sleep(0.05)
        yield dashboard
    finally:
        dashboard.session.close()
        process.terminate()
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@pytest.fixture
def app(settings: Settings) -> Iterator[Flask]:
    """The application without a server."""
    app = create_app(settings)
    yield app
    app.extensions["mien"].close()


@pytest.fixture
def dashboard(settings: Settings, tmp_path: Path) -> Iterator[Dashboard]:
    """A dashboard under gunicorn."""
    with running_dashboard(settings, tmp_path / "dashboard.log") as running:
        yield running
