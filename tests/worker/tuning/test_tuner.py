"""What the tuner measures and chooses, with the real models."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from mien.bus.plan import EVERYTHING, SavingsPlan
from mien.machine import Machine
from mien.settings import Settings
from tests.support.paths import ROOT
from worker.tuning import tuner
from worker.tuning.cache import Cache
from worker.tuning.costs import GUESS, Costs
from worker.tuning.measure import least
from worker.tuning.tuner import Nets, known_costs, open_tuned, settings_for


@pytest.fixture
def given(tmp_path: Path) -> Settings:
    return Settings(data_dir=tmp_path / "data")


def test_the_first_start_measures_and_the_second_one_knows(given: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    first = open_tuned(given)
    assert first.known
    costs = first.costs
    assert 0.2 < costs.decode_ms < 50
    assert costs.near_ms < costs.detect(48) < 500
    assert costs.classify(1) <= costs.classify(4)
    assert costs.runtime == first.analyzer.runtime in ("openvino", "onnxruntime")
    assert first.settings.inference_threads == costs.threads >= 1
    assert first.steps[0] == EVERYTHING

    monkeypatch.setattr(tuner, "measured", lambda *_: pytest.fail("measured again"))
    second = open_tuned(given)
    assert second.settings.runtime == second.analyzer.runtime == costs.runtime
    assert second.costs.detect(48) == pytest.approx(costs.detect(48), abs=1e-3)


def test_tune_off_measures_nothing_and_keeps_nothing(given: Settings) -> None:
    tuned = open_tuned(given.model_copy(update={"tune": "off"}))
    assert not tuned.known
    assert tuned.costs == GUESS
    assert tuned.steps == (EVERYTHING,)
    assert not given.data_dir.exists()


def test_the_doctor_measures_all_of_it_and_keeps_that(given: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    machine = Machine.this()
    costs = known_costs(given, machine)
    assert costs.full
    assert costs.detect(96) < costs.detect(48)
    assert costs.runtime in ("openvino", "onnxruntime")
    monkeypatch.setattr(tuner, "open_analyzer", lambda *_: pytest.fail("measured again"))
    kept = known_costs(given, machine)
    assert kept == Cache.of(given, machine).load()
    assert (kept.full, kept.runtime, kept.threads) == (True, costs.runtime, costs.threads)


def a_frame_takes(monkeypatch: pytest.MonkeyPatch, scan_ms: dict[int, float]) -> list[int]:
    """Let detecting take so long with so many threads; returns the numbers of threads that were tried."""
    tried: list[int] = []

    def pretend(_reader: object, settings: Settings) -> Costs:
        threads = settings.inference_threads
        tried.append(threads)
        return Costs(1.0, {48: scan_ms[threads]}, 0.5, {1: 1.0}, 0.5, 1.0, threads=threads)

    monkeypatch.setattr(tuner, "measured", pretend)
    monkeypatch.setattr(tuner, "open_analyzer", lambda _settings: object())
    return tried


@pytest.mark.parametrize(
    ("scan_ms", "cores", "threads", "tried"),
    [
        ({1: 18.0}, 8, 1, [1]),
        ({1: 40.0, 2: 22.0}, 8, 2, [1, 2]),
        ({1: 90.0, 2: 60.0, 4: 40.0}, 4, 4, [1, 2, 4]),
        ({1: 90.0}, 1, 1, [1]),
        ({1: 90.0, 2: 95.0}, 8, 1, [1, 2]),
    ],
)
def test_as_few_threads_as_make_a_frame_fit(
    scan_ms: dict[int, float],
    cores: int,
    threads: int,
    tried: list[int],
    given: Settings,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen = a_frame_takes(monkeypatch, scan_ms)
    tuned = open_tuned(given, Machine("a CPU", cores, 8000, bf16=False, gpu=False))
    assert (tuned.settings.threads, seen) == (threads, tried)


def test_threads_and_runtime_that_are_set_stay(given: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = a_frame_takes(monkeypatch, {3: 90.0})
    mine = given.model_copy(update={"threads": 3, "runtime": "onnxruntime"})
    tuned = open_tuned(mine, Machine("a CPU", 8, 8000, bf16=False, gpu=False))
    assert (tuned.settings.threads, tuned.settings.runtime, seen) == (3, "onnxruntime", [3])
    assert settings_for(GUESS, mine) == mine


def test_workers_that_start_at_once_measure_once(given: Settings) -> None:
    script = (
        "import sys; from worker.tuning import tuner; from mien.settings import Settings\n"
        "measure = tuner.measured\n"
        "def counted(*given):\n"
        "    print('measured', flush=True)\n"
        "    return measure(*given)\n"
        "lock = tuner.Cache.lock\n"
        "tuner.Cache.lock = lambda cache: lock(cache, 60)\n"
        "tuner.measured = counted\n"
        "tuner.open_tuned(Settings(data_dir=sys.argv[1], runtime='openvino', threads=1))\n"
    )
    command = [sys.executable, "-c", script, str(given.data_dir)]
    processes = [subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    said = "".join(process.communicate(timeout=100)[0] for process in processes)
    assert all(process.returncode == 0 for process in processes)
    assert said.splitlines().count("measured") == 1


def test_the_least_of_several_runs_counts() -> None:
    runs: list[int] = []

    def run() -> None:
        runs.append(1)
        time.sleep(0.02 if len(runs) < 4 else 0.001)

    taken = least(run)
    assert len(runs) >= 6
    assert taken.clock_ms < 15
    assert taken.cpu_ms < taken.clock_ms
    runs.clear()
    least(run, until_s=time.monotonic())
    assert len(runs) == 2, "one that does not count, and one that does"


class SlowNets:
    """Prepares slowly, or not at all."""

    def __init__(self, fails: bool = False) -> None:
        self.asked: list[tuple[tuple[tuple[int, int], ...], int]] = []
        self.go_on = threading.Event()
        self._fails = fails

    def prepare(self, shapes: Sequence[tuple[int, int]], smallest_face_px: int) -> None:
        self.asked.append((tuple(shapes), smallest_face_px))
        self.go_on.wait(5)
        if self._fails:
            raise RuntimeError("no memory")


@pytest.mark.parametrize("fails", [False, True])
def test_nets_are_made_once_on_a_thread_and_a_failure_stops_nothing(fails: bool) -> None:
    slow = SlowNets(fails)
    nets = Nets(slow)
    plan, shapes = SavingsPlan(smallest_face_px=96), [(640, 480), (1280, 720)]
    assert not nets(plan, shapes)
    assert not nets(plan, shapes)
    slow.go_on.set()
    deadline_s = time.monotonic() + 5
    while not nets(plan, shapes):
        assert time.monotonic() < deadline_s
        time.sleep(0.01)
    assert slow.asked == [(((640, 480), (1280, 720)), 96)]
    assert nets(plan, shapes[:1])
    assert not nets(plan, [(320, 240)])
