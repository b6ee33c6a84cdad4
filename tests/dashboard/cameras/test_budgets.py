from __future__ import annotations

import json
import time
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from dashboard.cameras.budgets import DROP_WORDS, STAGE_WORDS
from mien.bus.budget import STAGES
from mien.bus.bus import Bus
from mien.types import Camera, CameraState, DropReason, Frame, FrameResult
from tests.dashboard.conftest import Dashboard, Feeder, budget


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


def live(bus: Bus, name: str = "lobby") -> None:
    bus.put_camera(Camera(name, CameraState.LIVE, "", "test://pattern", "live", 25.0, 640, 360))


def test_every_stage_and_every_reason_has_words() -> None:
    assert tuple(STAGE_WORDS) == STAGES
    assert set(DROP_WORDS) == set(DropReason)


def test_the_budget_is_what_the_worker_said_and_what_became_of_the_frames(client: FlaskClient, bus: Bus) -> None:
    live(bus)
    bus.read("w", ["lobby"], block_ms=0)
    client.get("/api/v1/cameras/lobby/budget")  # the first account
    ids = [bus.publish(Frame("lobby", seq, bus.clock.now_ns(), 8, 8, b"x")) for seq in range(1, 5)]
    bus.read("w", ["lobby"], block_ms=0)
    bus.finish(FrameResult("lobby", ids[0], 1, bus.clock.now_ns(), 8, 8, ()))
    bus.drop("lobby", ids[1:3], DropReason.STALE)
    bus.put_budgets([budget("lobby", bus.clock.now_ns(), level=2)])
    deadline_s = time.monotonic() + 5
    while (document := client.get("/api/v1/cameras/lobby/budget").get_json())["minute"]["captured"] < 4:
        assert time.monotonic() < deadline_s
        time.sleep(0.05)
    minute, measured = document["minute"], document["measured"]
    assert (minute["captured"], minute["analysed"], minute["drops"]["stale"]) == (4, 1, 2)
    assert minute["on_time_share"] == 0.3333
    assert minute["on_time_of_analysed"] == 1.0
    assert document["budget_ms"] == 40.0
    assert list(measured["stages_ms"]) == list(STAGES)
    assert measured["total_ms"] == {"mean": 20.0, "p50": 18.0, "p95": 32.0, "p99": 48.0}
    assert measured["plan"]["scan_ms"] == 160
    assert measured["plan_words"].startswith("Detect every 160 ms")
    assert (measured["level"], measured["why"]) == (2, "4 cameras at 25 fps need 0.9 of 1 core.")
    overview = client.get("/api/v1/cameras/lobby").get_json()
    assert overview["minute"] == {"on_time_share": 0.3333, "p95_ms": 32.0}


def test_without_a_worker_the_account_is_still_told(client: FlaskClient, bus: Bus) -> None:
    live(bus)
    document = client.get("/api/v1/cameras/lobby/budget").get_json()
    assert document["measured"] is None
    assert document["budget_ms"] == 40.0
    assert document["minute"]["captured"] == 0
    assert client.get("/api/v1/cameras/nope/budget").status_code == 404


def test_a_budget_of_another_version_does_not_end_the_overview(client: FlaskClient, bus: Bus) -> None:
    live(bus)
    bus._redis.set("mien:camera:lobby:budget", '{"camera": "lobby"}')
    document = client.get("/api/v1/cameras/lobby/budget").get_json()
    assert document["measured"] is None
    assert client.get("/api/v1/cameras").get_json()["error"] == ""


def test_the_event_stream_tells_the_budget_about_once_a_second(dashboard: Dashboard, bus: Bus) -> None:
    with Feeder(bus, ["lobby"]), dashboard.get("/cameras/lobby/events", stream=True) as answer:
        told: list[tuple[float, dict[str, Any]]] = []
        kind, deadline_s = "", time.monotonic() + 15
        for line in answer.iter_lines():
            assert time.monotonic() < deadline_s
            if line.startswith(b"event: "):
                kind = line[7:].decode()
            elif line.startswith(b"data: ") and kind == "budget":
                told.append((time.monotonic(), json.loads(line[6:])))
            if len(told) == 4:
                break
    assert 1.5 < told[-1][0] - told[0][0] < 15
    last = told[-1][1]
    assert last["measured"]["stages_ms"]["detect"]["mean"] == 5.6
    assert last["minute"]["captured"] > told[0][1]["minute"]["captured"]
    assert last["minute"]["on_time_share"] == 1.0
