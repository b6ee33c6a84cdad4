"""A real worker under a load that comes and goes: its governor saves work, and gives it back."""

from __future__ import annotations

from typing import Any

import pytest
import structlog

from mien.bus.bus import Bus
from mien.settings import Settings
from tests.support.stub import StubAnalyzer
from tests.support.waiting import wait_until
from tests.worker.conftest import START_S, StartWorker, traffic
from worker.tuning import governor
from worker.tuning.choose import Room
from worker.tuning.costs import Costs
from worker.tuning.governor import Governor
from worker.tuning.ladder import ladder

CHEAP = Costs(0.5, {48: 2.0}, 0.2, {1: 0.2}, 0.1, 0.2)
"""What the worker believes at first; its analyzer takes 55 ms for a whole frame then."""


def note_of(bus: Bus) -> dict[str, Any]:
    return next(iter(bus.workers().values()), {})


def test_a_worker_saves_work_while_there_is_too_much_and_not_longer(
    bus: Bus, settings: Settings, start_worker: StartWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(governor, "CALM_SECONDS", 2)
    analyzer = StubAnalyzer(55.0)
    with structlog.testing.capture_logs() as lines:
        start_worker(analyzer, governor=Governor(ladder(settings), CHEAP, Room(2)))
        with traffic(settings, "lobby"):
            wait_until(lambda: note_of(bus).get("level", 0) >= 1, START_S)
            saved = note_of(bus)
            assert saved["plan"]["scan_ms"] >= 80
            assert "busy" in saved["why"] or "late" in saved["why"]
            wait_until(lambda: bool(bus.budgets(["lobby"])))
            budget = bus.budgets(["lobby"])
            analyzer.picture_ms = 1.0
            wait_until(lambda: note_of(bus).get("level") == 0, 6 * START_S)
        wait_until(lambda: bus.in_flight("lobby") == 0)
    assert bus.counts("lobby").balanced
    changes = [line for line in lines if line["event"] == "plan changed"]
    assert changes[0]["level"] > changes[0]["was"]
    assert changes[-1]["level"] == 0
    assert budget["lobby"].level in {line["level"] for line in changes} | {0}


def test_tune_off_never_saves(bus: Bus, settings: Settings, start_worker: StartWorker) -> None:
    off = settings.model_copy(update={"tune": "off"})
    start_worker(StubAnalyzer(60.0), governor=Governor(ladder(off), CHEAP, Room(1)))
    with traffic(settings, "lobby"):
        wait_until(lambda: bus.counts("lobby").captured > 75, START_S)
        assert note_of(bus)["level"] == 0
    assert bus.counts("lobby").late > 0
