"""Live, `mien photo`, a job and a notebook give the same numbers for the same picture, whatever the runtime."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import chain, islice
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from mien import FaceAnalyzer
from mien.bus.bus import Bus
from mien.settings import Settings
from mien.types import EMOTIONS
from models.pictures.picture import encode_jpeg
from tests.support.demo_media import clip
from tests.support.media import astronaut, demo_media
from tests.support.paths import ROOT

TRIES_S = 120.0

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


class Shop:
    """Runs commands of mien on the brokers of a test."""

    def __init__(self, settings: Settings, folder: Path) -> None:
        self.folder = folder
        self.environment = {
            **os.environ,
            "MIEN_BUS_URL": settings.bus_url,
            "MIEN_JOBS_URL": settings.jobs_url,
            "MIEN_DATA_DIR": str(settings.data_dir),
            "PYTHONPATH": str(ROOT),
        }

    def run(self, *arguments: str, **more: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "cli", *arguments],
            env={**self.environment, **more}, cwd=self.folder, capture_output=True, text=True, timeout=TRIES_S,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout

    @contextmanager
    def running(self, *arguments: str, **more: str) -> Iterator[None]:
        process = subprocess.Popen(
            [sys.executable, "-m", "cli", *arguments], env={**self.environment, **more}, cwd=self.folder
        )
        try:
            yield
        finally:
            process.send_signal(signal.SIGTERM)
            assert process.wait(30) == 0


@pytest.fixture
def shop(settings: Settings, tmp_path: Path) -> Shop:
    return Shop(settings, tmp_path)


@pytest.fixture
def hundred(pictures: Path) -> Path:
    """A hundred faces and a few more: one, five, frames of a clip as they are, and walls of nine frames each."""
    frames = list(islice(clip(demo_media("WolfgangLanger_Pexels.mp4")), 0, None, 4))
    for number, frame in enumerate(frames[::30]):
        (pictures / f"frame-{number}.jpg").write_bytes(encode_jpeg(frame, 92))
    for number in range(11):
        tiles = [cv2.resize(frame, (426, 240), interpolation=cv2.INTER_AREA) for frame in frames[9 * number :][:9]]
        wall = np.vstack([np.hstack(tiles[row : row + 3]) for row in (0, 3, 6)])
        (pictures / f"wall-{number}.jpg").write_bytes(encode_jpeg(wall, 92))
    return pictures


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """One face, and five."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    (folder / "1.jpg").write_bytes(encode_jpeg(astronaut(), 90))
    (folder / "2.jpg").write_bytes(demo_media("multi_face.jpg").read_bytes())
    return folder


def faces_live(shop: Shop, bus: Bus, pictures: Path, **environment: str) -> list[list[Mapping[str, Any]]]:
    """The faces of each picture when the folder plays as a camera."""
    camera = f"c{time.monotonic_ns()}"
    with shop.running("work", **environment):
        # A frame's faces must be those of fresh tracks, so each picture is a camera of its own.
        names = []
        for picture in sorted(pictures.iterdir()):
            name = f"{camera}-{picture.stem}"
            single = shop.folder / name
            single.mkdir()
            (single / picture.name).write_bytes(picture.read_bytes())
            shop.run("produce", "--camera", name, "--lossless", str(single))
            names.append(name)
        results = [bus.recent_results(name) for name in names]
    assert [len(each) for each in results] == [1] * len(names)
    assert all(bus.counts(name).balanced and bus.counts(name).in_flight == 0 for name in names)
    return [[face.to_dict() for face in each[0].faces] for each in results]


def faces_of_photo(shop: Shop, pictures: Path) -> list[list[Mapping[str, Any]]]:
    document = json.loads(shop.run("photo", "--json", *map(str, sorted(pictures.iterdir()))))
    return [entry["faces"] for entry in document["pictures"]]


def faces_of_job(shop: Shop, pictures: Path) -> list[list[Mapping[str, Any]]]:
    with shop.running("jobs", "work"):
        report = json.loads(shop.run("photos", "enqueue", str(pictures), "--wait", "--json"))
    inputs = len(list(pictures.iterdir()))
    assert (report["inputs"], report["done"], report["failed"]) == (inputs, inputs, 0)
    document = json.loads((Path(report["out"]) / "results.json").read_text())
    return [entry["faces"] for entry in sorted(document["pictures"], key=lambda entry: entry["path"])]


def assert_same(one: list[list[Mapping[str, Any]]], other: list[list[Mapping[str, Any]]], within: float) -> None:
    assert [len(faces) for faces in one] == [len(faces) for faces in other]
    for a, b in zip(chain(*one), chain(*other), strict=True):
        assert a["box"] == pytest.approx(b["box"], abs=1.0)
        assert [a["probabilities"][name] for name in EMOTIONS] == pytest.approx(
            [b["probabilities"][name] for name in EMOTIONS], abs=within
        )
        assert a["emotion"] == b["emotion"]
        assert a["source"] == "full"


def faces_in_a_notebook(pictures: Path) -> list[list[Mapping[str, Any]]]:
    results = FaceAnalyzer().analyze_many(sorted(pictures.iterdir()))
    return [result.to_dict()["faces"] for result in results]


def test_live_photo_job_and_notebook_agree_on_a_hundred_faces(shop: Shop, bus: Bus, hundred: Path) -> None:
    photo = faces_of_photo(shop, hundred)
    assert [len(faces) for faces in photo[:2]] == [1, 5]
    assert sum(map(len, photo)) >= 100
    assert len({face["emotion"] for face in chain(*photo)}) >= 3
    assert_same(faces_live(shop, bus, hundred), photo, 1e-4)
    assert_same(faces_of_job(shop, hundred), photo, 1e-4)
    assert_same(faces_in_a_notebook(hundred), photo, 1e-4)


def test_live_agrees_on_every_runtime(shop: Shop, bus: Bus, pictures: Path) -> None:
    pytest.importorskip("tensorflow", reason="TensorFlow is not installed: make setup-train")
    live = {
        runtime: faces_live(shop, bus, pictures, MIEN_RUNTIME=runtime)
        for runtime in ("openvino", "onnxruntime", "tensorflow")
    }
    assert_same(live["onnxruntime"], live["openvino"], 1e-4)
    assert_same(live["tensorflow"], live["openvino"], 1e-4)
