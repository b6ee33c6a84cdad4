"""`mien doctor`: what it checks, what it would do, and how it ends."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from cli.main import app
from mien.bus.bus import Bus
from mien.bus.entries import CAMERAS, results_key
from mien.bus.plan import SavingsPlan
from mien.machine import Machine
from mien.settings import Settings, load_settings
from mien.types import Camera, CameraState
from tests.support.heartbeats import kept_up
from worker.doctor import checks
from worker.tuning.cache import Cache
from worker.tuning.costs import GUESS

MANY_CORES = Machine("a CPU", 4, 8000, bf16=True, gpu=False)


class Doctor:
    """Runs `mien doctor` in this process, with costs that are known, so that nothing is measured."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self._monkeypatch = monkeypatch
        self._known = ""
        self.set(data_dir=folder / "data")

    def set(self, **settings: object) -> None:
        for name, value in settings.items():
            self._monkeypatch.setenv(f"MIEN_{name.upper()}", str(value))

    def run(self, *arguments: str) -> Result:
        if "--measure" not in arguments:
            Cache.of(load_settings(), Machine.this()).save(
                replace(GUESS, full=True, runtimes_ms={"openvino": {1: 1.2, 2: 2.4}})
            )
        return CliRunner().invoke(app, ["doctor", *arguments])

    def report(self, *arguments: str) -> dict[str, Any]:
        answer: dict[str, Any] = json.loads(self.run("--json", *arguments).stdout)
        return answer


@pytest.fixture
def doctor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Doctor:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "100")
    return Doctor(tmp_path, monkeypatch)


def by_name(report: dict[str, Any]) -> dict[str, dict[str, str]]:
    return {check["name"]: check for check in report["checks"]}


def test_without_anything_running_all_is_well(doctor: Doctor) -> None:
    ended = doctor.run()
    assert ended.exit_code == 0, ended.output
    text = ended.stdout
    for heading in ("machine", "software", "storage", "brokers", "cameras", "models", "costs", "plan"):
        assert f"\n{heading}" in text
    assert "✓ all is well" in text
    assert "✗" not in text
    assert "`mien up` does not run here" in text
    assert "no setting overrides the choice" in text
    assert max(map(len, text.splitlines())) <= 100


def test_json_is_one_document_and_nothing_else(doctor: Doctor) -> None:
    ended = doctor.run("--json")
    report = json.loads(ended.stdout)
    assert report["ok"] is True
    assert ended.exit_code == 0
    assert [plan["cameras"] for plan in report["plans"]] == [1, 2, 4, 6, 8]
    assert report["costs"]["scan_ms"] == {"48": 17.5}
    assert {check["state"] for check in report["checks"]} <= {"ok", "none"}
    assert report["machine"]["cores"] >= 1
    assert by_name(report)["instructions"]["detail"] == report["machine"]["instructions"]


def test_the_plan_for_a_number_of_cameras_is_what_workers_would_run(doctor: Doctor) -> None:
    (plan,) = doctor.report("--cameras", "3", "--fps", "10")["plans"]
    assert (plan["cameras"], plan["fps"]) == (3, 10)
    assert plan["workers"] == min(3, Machine.this().cores)
    assert SavingsPlan.from_dict(plan["plan"]) == SavingsPlan()
    assert plan["fits"]
    assert "10 fps" in plan["why"]


def test_settings_that_override_are_named(doctor: Doctor) -> None:
    doctor.set(scan_ms=100, workers=3)
    report = doctor.report("--cameras", "6")
    assert report["overrides"] == {"scan_ms": 100.0, "workers": 3}
    (plan,) = report["plans"]
    assert (plan["plan"]["scan_ms"], plan["workers"]) == (100.0, 3)
    assert "scan_ms = 100.0, workers = 3" in doctor.run().stdout


def test_brokers_cameras_and_workers_are_looked_at(doctor: Doctor, bus: Bus, broker_url: str) -> None:
    doctor.set(bus_url=broker_url, jobs_url=broker_url)
    lobby = Camera("lobby", CameraState.LIVE, source="rtsp://u:secret@h/1", fps=25, width=1280, height=720)
    with kept_up(lambda: bus.put_camera(lobby)):
        lonely = doctor.run("--json")
    assert lonely.exit_code == 1, "a live camera, and nobody who reads it"
    assert by_name(json.loads(lonely.stdout))["live workers"]["state"] == "failed"

    note = {"pid": 7, "host": "h", "cameras": ["lobby"], "fps": 24.9, "level": 1, "plan": SavingsPlan(80).to_dict()}
    with kept_up(lambda: bus.beat("w1", note), lambda: bus.put_camera(lobby)):
        found = by_name(doctor.report())
    assert found["bus broker"]["state"] == "ok"
    assert "Valkey" in found["bus broker"]["detail"]
    assert found["lobby"]["detail"] == "live, 1280×720 at 25 fps"
    assert found["w1"]["detail"] == "process 7 on h, 1 camera, 24.9 fps, level 1: detect every 80 ms"

    bus.put_camera(Camera("door", CameraState.FAILED, reason="cannot open rtsp://u:secret@h/1"))
    with kept_up(lambda: bus.beat("w1", note), lambda: bus.put_camera(lobby)):
        ended = doctor.run()
    assert ended.exit_code == 1
    assert "✗ 1 check failed: door" in ended.stdout
    assert "secret" not in ended.stdout


def test_entries_that_could_not_be_read_are_told_with_their_reason(bus: Bus, settings: Settings) -> None:
    def said() -> checks.Check:
        return next(
            check for check in checks.all_checks(settings, Machine.this()) if check.name == "unreadable entries"
        )

    assert said().state == "ok"
    bus._redis.xadd(results_key("lobby"), {"result": '{"camera": "lobby",\n\x1b[2J'})
    assert bus.recent_results("lobby") == []
    told = said()
    assert told.state == "failed"
    assert told.detail.startswith("1 were moved aside; the last, a result of camera lobby at ")
    assert "\n" not in told.detail
    assert "\x1b" not in told.detail


def test_a_camera_that_is_gone_is_no_failure(bus: Bus, settings: Settings) -> None:
    now_ns = bus.clock.now_ns()
    for name, minutes in (("lost", 0.1), ("gone", 5)):
        note = Camera(name, CameraState.LIVE, updated_ns=now_ns - int(minutes * 60e9)).to_json()
        bus._redis.hset(CAMERAS, name, note)
    found = {check.name: check for check in checks.all_checks(settings, Machine.this())}
    assert (found["lost"].state, found["gone"].state) == ("failed", "none")
    assert found["gone"].detail == "gone: nothing was heard of it for 5 min (the producer is gone)"


def test_a_broker_that_is_away_is_a_failure_in_one_line(doctor: Doctor, tmp_path: Path) -> None:
    doctor.set(bus_url=f"unix://user:secret@{tmp_path}/none.sock", jobs_url="redis://:secret@127.0.0.1:1/0")
    ended = doctor.run("--json")
    assert ended.exit_code == 1
    found = by_name(json.loads(ended.stdout))
    for name in ("bus broker", "jobs broker"):
        assert found[name]["state"] == "failed"
        assert "does not answer" in found[name]["detail"]
    assert found["cameras"]["state"] == "none"
    assert "secret" not in ended.output


def test_models_that_do_not_open_are_failures_and_nothing_is_measured(doctor: Doctor, tmp_path: Path) -> None:
    (tmp_path / "broken.zip").write_bytes(b"PK no zip")
    doctor.set(weights=tmp_path / "broken.zip", detector="yunet", yunet=tmp_path / "none.onnx")
    ended = doctor.run("--json")
    report = json.loads(ended.stdout)
    assert (ended.exit_code, report["costs"], report["plans"]) == (1, None, [])
    found = by_name(report)
    assert found["weights"]["state"] == found["detector"]["state"] == "failed"
    assert "broken.zip" in found["weights"]["detail"]
    assert doctor.run().exit_code == 1


def test_a_data_dir_that_cannot_be_written_is_a_failure(doctor: Doctor, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    doctor.set(data_dir=tmp_path / "file")
    ended = doctor.run("--json")
    assert ended.exit_code == 1
    assert by_name(json.loads(ended.stdout))["data_dir"]["state"] == "failed"


def test_a_missing_package_is_named_with_what_to_do(monkeypatch: pytest.MonkeyPatch, settings: Settings) -> None:
    monkeypatch.setattr(checks, "PACKAGES", ("numpy", "no-such-package"))
    found = {check.name: check for check in checks.all_checks(settings, MANY_CORES)}
    assert found["packages"].state == "failed"
    assert found["packages"].detail.startswith("missing: no-such-package (pip install")


def test_a_small_machine_is_told_so(settings: Settings) -> None:
    small = Machine("a CPU", 1, 512, bf16=False, gpu=False)
    found = {check.name: check for check in checks.all_checks(settings, small)}
    assert (found["memory"].state, found["bf16"].state, found["GPU"].state) == ("failed", "none", "none")


@pytest.mark.parametrize(
    ("precision", "words"), [("auto", "0.6 of the time"), ("fp32", "not used"), ("bf16", "0.6 of")]
)
def test_a_processor_with_bf16_is_told_whether_it_is_used(precision: str, words: str, settings: Settings) -> None:
    chosen = settings.model_copy(update={"precision": precision})
    found = {check.name: check for check in checks.all_checks(chosen, MANY_CORES)}
    assert found["bf16"].state == "ok"
    assert words in found["bf16"].detail


def test_it_really_measures_when_asked(doctor: Doctor) -> None:
    report = doctor.report("--measure", "--cameras", "1")
    costs = report["costs"]
    assert costs["full"]
    assert costs["scan_ms"]["48"] != GUESS.detect(48)
    assert by_name(report)["classifier"]["state"] == "ok"
    assert costs["runtime"] in by_name(report)["classifier"]["detail"]


def test_help_has_an_example() -> None:
    text = CliRunner().invoke(app, ["doctor", "--help"], env={"COLUMNS": "100"}).stdout
    assert "Example: mien doctor --cameras 4" in text
