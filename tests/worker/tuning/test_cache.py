"""Costs are kept for the next start, and nothing that is wrong with the file stops one."""

from __future__ import annotations

import fcntl
import json
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

from mien.machine import Machine
from mien.settings import Settings
from worker.tuning.cache import Cache
from worker.tuning.costs import GUESS, Costs

MACHINE = Machine("a CPU", 2, 8000, bf16=True, gpu=False)
COSTS = replace(GUESS, near_ms=0.7, runtimes_ms={"openvino": {1: 1.0, 2: 2.0}}, full=True)


@pytest.fixture
def given(tmp_path: Path) -> Settings:
    return Settings(data_dir=tmp_path / "data")


def test_what_is_kept_comes_back(given: Settings) -> None:
    cache = Cache.of(given, MACHINE)
    assert cache.load() is None
    cache.save(COSTS)
    assert Cache.of(given, MACHINE).load() == COSTS
    assert [path.name for path in cache.folder.iterdir()] == [cache.path.name]


@pytest.mark.parametrize(
    "other",
    [
        replace(MACHINE, cpu="another"),
        replace(MACHINE, cores=4),
        replace(MACHINE, bf16=False),
        replace(MACHINE, instructions="avx2 avx512; held down to AVX2 by ONEDNN_MAX_CPU_ISA"),
        {"precision": "bf16"},
        {"precision": "fp32"},
        {"threads": 2},
        {"detector": "haar"},
        {"smallest_face_px": 32},
        {"runtime": "onnxruntime"},
    ],
)
def test_another_machine_or_setting_has_other_costs(other: Machine | dict[str, object], given: Settings) -> None:
    Cache.of(given, MACHINE).save(COSTS)
    if isinstance(other, Machine):
        assert Cache.of(given, other).load() is None
    else:
        assert Cache.of(given.model_copy(update=other), MACHINE).load() is None


def test_other_weights_have_other_costs(given: Settings, tmp_path: Path) -> None:
    weights = tmp_path / "mine.zip"
    weights.write_bytes(b"one")
    mine = given.model_copy(update={"weights": weights})
    Cache.of(mine, MACHINE).save(COSTS)
    assert Cache.of(mine, MACHINE).load() == COSTS
    weights.write_bytes(b"two")
    assert Cache.of(mine, MACHINE).load() is None


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: text[: len(text) // 2],
        lambda text: "",
        lambda text: "[]",
        lambda text: "null",
        lambda text: text.replace("17.5", '"fast"'),
        lambda text: text.replace("17.5", "-1"),
        lambda text: text.replace("17.5", "NaN"),
        lambda text: text.replace('"threads": 1', '"threads": 0'),
        lambda text: text.replace('"decode_ms"', '"encoded_ms"'),
        lambda text: text.replace('"48": 17.5', '"none": 17.5'),
        lambda text: json.dumps({**json.loads(text), "key": "another machine's"}),
        lambda text: json.dumps({**json.loads(text), "costs": []}),
        lambda text: "x" * 1_000_000,
    ],
)
def test_a_damaged_or_foreign_file_counts_as_none(damage: object, given: Settings) -> None:
    assert callable(damage)
    cache = Cache.of(given, MACHINE)
    cache.save(COSTS)
    before = cache.path.read_text()
    cache.path.write_text(damage(before))
    assert cache.path.read_text() != before
    assert cache.load() is None
    cache.save(COSTS)
    assert cache.load() == COSTS


def test_random_bytes_count_as_none(given: Settings) -> None:
    cache = Cache.of(given, MACHINE)
    cache.save(COSTS)
    cache.path.write_bytes(b"\xff\xfe\x00" * 99)
    assert cache.load() is None


def test_a_folder_that_cannot_be_written_is_no_failure(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file where the folder should be")
    cache = Cache.of(Settings(data_dir=tmp_path / "data"), MACHINE)
    cache.save(COSTS)
    with cache.lock(0.1):
        assert cache.load() is None


def test_only_one_at_a_time_measures_and_nobody_waits_forever(given: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = Cache.of(given, MACHINE)
    order: list[str] = []

    def measure() -> None:
        with cache.lock(5):
            order.append("second")

    refused = threading.Event()
    flock = fcntl.flock

    def watched(descriptor: int, operation: int) -> None:
        try:
            flock(descriptor, operation)
        except OSError:
            refused.set()
            raise

    monkeypatch.setattr("fcntl.flock", watched)
    with cache.lock(5):
        other = threading.Thread(target=measure)
        other.start()
        assert refused.wait(10), "the other one was let in"
        order.append("first")
    other.join(5)
    assert order == ["first", "second"]
    with cache.lock(5):
        started_s = time.monotonic()
        with cache.lock(0.2):
            assert time.monotonic() - started_s < 2


def test_costs_survive_json() -> None:
    assert Costs.from_dict(json.loads(json.dumps(COSTS.to_dict()))) == COSTS
