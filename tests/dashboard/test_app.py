from __future__ import annotations

import json
from itertools import count
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient

from dashboard.app import create_app
from dashboard.openapi import ROUTES
from mien.bus.bus import Bus
from mien.settings import Settings
from mien.types import Camera, CameraState, DropReason, Frame, FrameResult
from tests.support.waiting import wait_until


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


def live(bus: Bus, name: str = "lobby") -> None:
    bus.put_camera(Camera(name, CameraState.LIVE, "", "test://pattern", "live", 25.0, 640, 360))


def test_cameras_come_with_their_account(client: FlaskClient, bus: Bus) -> None:
    live(bus)
    bus.read("w", ["lobby"], block_ms=0)
    ids = [bus.publish(Frame("lobby", seq, bus.clock.now_ns(), 8, 8, b"x")) for seq in range(1, 4)]
    bus.read("w", ["lobby"], block_ms=0)
    bus.finish(FrameResult("lobby", ids[0], 1, bus.clock.now_ns(), 8, 8, ()))
    bus.drop("lobby", [ids[1]], DropReason.STALE)
    camera = client.get("/api/v1/cameras").get_json()["cameras"][0]
    assert (camera["name"], camera["state"]) == ("lobby", "live")
    counts = camera["counts"]
    assert (counts["captured"], counts["analysed"], counts["dropped"], counts["in_flight"]) == (3, 1, 1, 1)
    assert counts["drops"]["stale"] == 1
    assert counts["balanced"]
    assert client.get("/api/v1/cameras/lobby").get_json()["counts"] == counts


def test_results_are_given_newest_first(client: FlaskClient, bus: Bus) -> None:
    live(bus)
    bus.read("w", ["lobby"], block_ms=0)
    for seq in range(1, 6):
        frame_id = bus.publish(Frame("lobby", seq, bus.clock.now_ns(), 8, 8, b"x"))
        bus.read("w", ["lobby"], block_ms=0)
        bus.finish(FrameResult("lobby", frame_id, seq, bus.clock.now_ns(), 8, 8, ()))
    results = client.get("/api/v1/cameras/lobby/results?limit=3").get_json()["results"]
    assert [result["seq"] for result in results] == [5, 4, 3]


@pytest.mark.parametrize("limit", ["0", "-1", "x", "100000", "²"])
def test_limits_are_checked(client: FlaskClient, bus: Bus, limit: str) -> None:
    live(bus)
    assert client.get(f"/api/v1/cameras/lobby/results?limit={limit}").status_code == 400


@pytest.mark.parametrize(
    "path",
    [
        "/cameras/nope",
        "/cameras/nope/stream.mjpg",
        "/cameras/nope/snapshot.jpg",
        "/cameras/nope/events",
        "/api/v1/cameras/nope",
        "/api/v1/cameras/nope/results",
        "/api/v1/jobs/0123456789abcdef0123",
        "/api/v1/jobs/..%2f..",
        "/api/v1/nothing",
        "/jobs/0123456789abcdef0123",
    ],
)
def test_what_is_not_there_is_404_with_one_line(client: FlaskClient, path: str) -> None:
    answer = client.get(path)
    assert answer.status_code == 404
    assert "\n" not in answer.get_json()["error"]["detail"]


@pytest.mark.parametrize("name", ["a%20b", "-x", "x" * 65, "%C3%A4"])
def test_bad_camera_names_are_400(client: FlaskClient, name: str) -> None:
    assert client.get(f"/api/v1/cameras/{name}").status_code == 400


def test_people_get_a_page_where_programs_get_json(client: FlaskClient) -> None:
    page = client.get("/cameras/nope", headers={"Accept": "text/html"})
    assert page.status_code == 404
    assert "<h1>" in page.get_data(as_text=True)


@pytest.mark.parametrize("path", ["/", "/jobs", "/api", "/about"])
def test_pages_are_there_and_say_that_emotions_are_apparent(client: FlaskClient, path: str) -> None:
    page = client.get(path)
    assert page.status_code == 200
    assert "what a face shows, never what a person feels" in page.get_data(as_text=True)


def test_a_camera_has_a_page(client: FlaskClient, bus: Bus) -> None:
    live(bus)
    page = client.get("/cameras/lobby").get_data(as_text=True)
    assert all(reason.value in page for reason in DropReason)


def test_snapshot_without_a_picture_is_503(client: FlaskClient, bus: Bus, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dashboard.streams.SNAPSHOT_WAIT_S", 0.1)
    live(bus)
    assert client.get("/cameras/lobby/snapshot.jpg").status_code == 503


def test_metrics_tell_the_account(client: FlaskClient, bus: Bus) -> None:
    live(bus)
    bus.skip("lobby", 7)
    text = client.get("/metrics").get_data(as_text=True)
    assert 'mien_frames_captured_total{camera="lobby"} 7.0' in text
    assert 'mien_frames_dropped_total{camera="lobby",reason="superseded"} 7.0' in text
    assert "mien_bus_up 1.0" in text


def test_ready_when_both_brokers_answer(client: FlaskClient) -> None:
    answer = client.get("/readyz")
    assert (answer.status_code, answer.get_json()["status"]) == (200, "ok")


def readiness(client: FlaskClient) -> tuple[int, str]:
    answer = client.get("/readyz")
    return answer.status_code, answer.get_json()["results"]


def test_ready_means_that_results_flow_if_any_camera_sends_frames(client: FlaskClient, bus: Bus) -> None:
    assert readiness(client) == (200, "ok"), "without a camera no result is due"
    live(bus)
    bus.read("w", ["lobby"], block_ms=0)
    why = "no camera that sends frames has had a result for 3 s; live workers that answer: 0"
    wait_until(lambda: readiness(client) == (503, why), what="a camera without any result")

    def finish(seq: int) -> bool:
        live(bus)
        frame_id = bus.publish(Frame("lobby", seq, bus.clock.now_ns(), 8, 8, b"x"))
        bus.read("w", ["lobby"], block_ms=0)
        return bus.finish(FrameResult("lobby", frame_id, seq, bus.clock.now_ns(), 8, 8, ()))

    seqs = count(1)
    wait_until(lambda: finish(next(seqs)) and readiness(client) == (200, "ok"), what="results")

    def is_stalled() -> bool:
        live(bus)  # the producer goes on
        bus.beat("w")
        return readiness(client) == (
            503,
            "no camera that sends frames has had a result for 3 s; live workers that answer: 1",
        )

    assert wait_until(is_stalled, 30, "a worker that hangs to be noticed") > 1
    bus.put_camera(Camera("slow", CameraState.LIVE, "", "test://pattern", "live", 0.2, 640, 360))
    bus.put_camera(Camera("lobby", CameraState.ENDED))
    wait_until(lambda: readiness(client)[0] == 503, what="a slow camera without any result")
    bus.put_camera(Camera("slow", CameraState.NO_SIGNAL))
    wait_until(lambda: readiness(client) == (200, "ok"), what="a camera without a signal to count no more")


def test_without_redis_pages_stay_and_the_api_says_503(settings: Settings, tmp_path: Path) -> None:
    away = f"unix://{tmp_path}/nobody.sock"
    app = create_app(settings.model_copy(update={"bus_url": away, "jobs_url": away}))
    client = app.test_client()
    assert client.get("/healthz").status_code == 200
    assert client.get("/readyz").status_code == 503
    for path in ("/", "/jobs", "/cameras/lobby", "/jobs/0123456789abcdef0123", "/metrics"):
        assert client.get(path, headers={"Accept": "text/html"}).status_code == 200
    for path in ("/api/v1/cameras", "/api/v1/jobs", "/cameras/lobby/stream.mjpg"):
        answer = client.get(path)
        assert answer.status_code == 503
        assert "does not answer" in answer.get_json()["error"]["detail"]
    app.extensions["mien"].close()


def test_a_bug_is_told_without_a_traceback(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError("secret detail")

    monkeypatch.setattr(type(app.extensions["mien"].overview), "checked", broken)
    answer = app.test_client().get("/api/v1/cameras")
    assert answer.status_code == 500
    assert "secret" not in answer.get_data(as_text=True)


def test_openapi_describes_every_address(app: Flask, client: FlaskClient) -> None:
    document = client.get("/api/v1/openapi.json").get_json()
    described = {(route.method, route.path) for route in ROUTES}
    assert {(method, path) for path, methods in document["paths"].items() for method in methods} == described
    names = {"upload_id": "id", "job_id": "id"}
    shells = {"pages", "static", "bootstrap"}
    for rule in app.url_map.iter_rules():
        if rule.endpoint.split(".")[0] in shells:
            continue
        paths = [str(rule)]
        if "any(" in paths[0]:
            paths = [f"/api/v1/jobs/<job_id>/results.{ending}" for ending in ("json", "csv", "parquet")]
        for path in paths:
            for old, new in names.items():
                path = path.replace(f"<{old}>", f"{{{new}}}")
            path = (
                path.replace("<path:path>", "{path}")
                .replace("annotated/<name>", "annotated/{picture}")
                .replace("<name>", "{name}")
            )
            for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}:
                assert (method.lower(), path) in described
    assert json.dumps(document).count("$ref") > 20
