"""Whatever lies on the bus, the dashboard shows the cameras that are well, and says what is wrong with the others."""

from __future__ import annotations

import json
import random
import threading
import time
from pathlib import Path

from mien.bus.bus import Bus
from mien.bus.entries import results_key
from mien.settings import Settings
from mien.types import Camera, CameraState, FrameResult
from tests.dashboard.conftest import running_dashboard
from tests.support.mutations import mutations
from tests.support.waiting import wait_until

MUTATIONS = 2000
PATHS = ("/api/v1/cameras", "/api/v1/cameras/good", "/api/v1/cameras/good/results", "/api/v1/cameras/good/budget")


def test_damaged_entries_of_every_kind_hide_no_other_camera(bus: Bus, settings: Settings, tmp_path: Path) -> None:
    log = tmp_path / "dashboard.log"
    damage = mutations(bus._redis, ("lobby", "yard"), random.Random(4))
    with running_dashboard(settings, log) as dashboard:
        ended = threading.Event()
        streams = [
            threading.Thread(target=_read_on, args=(f"{dashboard.url}{path}", ended), daemon=True)
            for path in ("/cameras/good/events", "/stream?cameras=good,lobby,yard")
        ]
        bus.put_camera(Camera("good", CameraState.LIVE))
        for stream in streams:
            stream.start()
        for number in range(MUTATIONS):
            damage()
            if number % 20 == 0:
                for name in ("good", "lobby"):
                    bus.put_camera(Camera(name, CameraState.LIVE))
                answer = dashboard.get(PATHS[number // 20 % len(PATHS)])
                assert answer.status_code == 200, (answer.text, log.read_text()[-3000:])
                told = json.loads(answer.text, parse_constant=_no_constant)
                if "cameras" in told:
                    assert "good" in [camera["name"] for camera in told["cameras"]]
                assert dashboard.get("/api/v1/cameras/lobby/results").status_code in (200, 404)
            if number % 200 == 0:
                assert dashboard.get("/").status_code == 200
                assert dashboard.get("/metrics").status_code == 200
        ended.set()
        assert dashboard.process.poll() is None
    assert "Traceback" not in log.read_text(), log.read_text()[-3000:]


def test_a_line_feed_in_a_result_makes_no_event_of_its_own(bus: Bus, settings: Settings, tmp_path: Path) -> None:
    good = json.loads(FrameResult("lobby", "1-0", 1, 5, 4, 3, ()).to_json())
    bad = json.dumps({**good, "on_time": True}, indent=1).replace(
        '"on_time"', '\n\nevent: camera\ndata: {"x": 1}\n\n"on_time"'
    )
    bus.put_camera(Camera("lobby", CameraState.LIVE))
    with running_dashboard(settings, tmp_path / "dashboard.log") as dashboard:
        with dashboard.get("/cameras/lobby/events", stream=True) as answer:
            lines = answer.iter_lines()
            next(lines)
            for text in (bad, json.dumps(good, indent=1), json.dumps({**good, "seq": 7})):
                bus._redis.xadd(results_key("lobby"), {"result": text})
            results = []
            event = b""
            for line in lines:
                event = line if line.startswith(b"event") else event
                assert line.partition(b": ")[0] in (b"", b"id", b"event", b"data"), line
                assert b'{"x": 1}' not in line
                if line.startswith(b"data") and event == b"event: result":
                    results.append(json.loads(line.removeprefix(b"data: "))["seq"])
                    if results[-1] == 7:
                        break
        assert results == [1, 7]

        def says_so() -> bool:
            bus.put_camera(Camera("lobby", CameraState.LIVE))
            bus.put_camera(Camera("yard", CameraState.LIVE))
            told = {camera["name"]: camera["reason"] for camera in dashboard.get("/api/v1/cameras").json()["cameras"]}
            return told.get("lobby", "").startswith("an entry could not be read: result: ") and told.get("yard") == ""

        wait_until(says_so)


def _read_on(url: str, ended: threading.Event) -> None:
    """Keep a stream open and read it, as a page does."""
    import requests

    while not ended.is_set():
        try:
            with requests.get(url, stream=True, timeout=5) as answer:
                for _ in answer.iter_content(4096):
                    if ended.is_set():
                        return
        except requests.RequestException:
            time.sleep(0.1)


def _no_constant(name: str) -> None:
    raise AssertionError(f"{name} is no JSON")
