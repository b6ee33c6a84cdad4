"""`mien work` with the real models, as a process: from a photograph on the bus to a result, and its end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from skimage import data

from mien.bus.bus import Bus
from mien.settings import Settings
from mien.types import EMOTIONS, UNCERTAIN
from models.nets import weights
from models.pictures.picture import encode_jpeg
from tests.support.paths import ROOT
from tests.support.ports import free_port
from tests.support.views import newest_view
from tests.support.waiting import wait_until
from tests.worker.conftest import Lobby


@pytest.fixture(scope="module")
def weights_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The weights that ship with mien, or untrained ones of the same shape while there are none."""
    if weights.default_path().is_file():
        return weights.default_path()
    pytest.importorskip("onnx")
    from tests.support.weights import random_weights

    return weights.save(random_weights(), tmp_path_factory.mktemp("weights") / "random.zip")


@contextmanager
def mien_work(*flags: str, variables: Mapping[str, str], stderr: int | None = None) -> Iterator[subprocess.Popen[str]]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "MIEN_RUNTIME": "openvino", **variables}
    process = subprocess.Popen(
        [sys.executable, "-m", "cli", "work", *flags], env=environment, stderr=stderr, text=True, cwd=ROOT
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate(timeout=10)


def test_a_photograph_becomes_faces_and_a_view(bus: Bus, lobby: Lobby, settings: Settings, weights_path: Path) -> None:
    port = free_port()
    variables = {"MIEN_BUS_URL": settings.bus_url, "MIEN_WEIGHTS": str(weights_path)}
    astronaut = encode_jpeg(np.ascontiguousarray(data.astronaut()))
    started_s = time.monotonic()
    with mien_work("--metrics-port", str(port), variables=variables) as process:
        wait_until(lambda: bool(bus.workers()), 60)
        print(f"worker ready after {time.monotonic() - started_s:.2f} s")
        lobby.say("lobby")
        bus.watch(["lobby"])
        wait_until(lambda: "lobby" in str(bus.workers()))
        for seq in range(5):
            lobby.send("lobby", seq, jpeg=astronaut)
            time.sleep(0.2)
        wait_until(lambda: bus.in_flight("lobby") == 0)
        result = bus.recent_results("lobby")[0]
        assert (result.width, result.height) == (512, 512)
        face = max(result.faces, key=lambda each: each.score)
        x, y, width, height = face.box
        assert 170 < x + width / 2 < 275
        assert 70 < y + height / 2 < 175
        assert face.label in (*EMOTIONS, UNCERTAIN)
        assert sum(face.probabilities) == pytest.approx(1, abs=1e-5)
        # The view follows its result.
        wait_until(lambda: getattr(newest_view(bus, "lobby"), "frame_id", "") == result.frame_id)
        (note,) = bus.workers().values()
        assert (note["pid"], note["runtime"], note["cameras"]) == (process.pid, "openvino", ["lobby"])
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
            assert 'mien_stage_ms_bucket{le="40.0",stage="total"}' in answer.read().decode()
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
    assert bus.workers() == {}
    assert bus.counts("lobby").balanced


def test_a_bus_that_is_not_there_is_waited_for_and_said_in_one_line(tmp_path: Path, weights_path: Path) -> None:
    variables = {"MIEN_BUS_URL": f"unix://{tmp_path}/nothing.sock", "MIEN_WEIGHTS": str(weights_path)}
    with mien_work(variables=variables, stderr=subprocess.PIPE) as process:
        assert process.stderr is not None
        said = next(line for line in process.stderr if "does not answer" in line)
        process.send_signal(signal.SIGTERM)
        _, rest = process.communicate(timeout=30)
    assert process.returncode == 0
    assert "the broker is away" in said
    assert "the broker is away" not in rest
    assert "Traceback" not in rest


def test_weights_that_are_not_there_are_one_line(settings: Settings, tmp_path: Path) -> None:
    variables = {"MIEN_BUS_URL": settings.bus_url, "MIEN_WEIGHTS": str(tmp_path / "none.zip")}
    with mien_work(variables=variables, stderr=subprocess.PIPE) as process:
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "no weights at" in errors
    assert len(errors.strip().splitlines()) == 1
