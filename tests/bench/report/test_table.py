from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from bench.report import pages, table
from bench.report.machine import Cores, family
from bench.report.plots import draw
from bench.report.targets import TARGETS, rows
from tests.support.paths import ROOT

SPREAD = {"median": 2.0, "low": 1.0, "high": 3.0}
QUANTILES = {"mean": 21.0, "p50": 20.0, "p95": 30.0, "p99": 39.0}


def a_live_run(cameras: int, codec: str = "h264") -> dict[str, Any]:
    return {
        "cameras": cameras, "codec": codec, "workers": 2, "seconds": 30.0, "on_time_share": 0.995,
        "dropped": {"stale": 1}, "latency_ms": QUANTILES, "viewer_latency_ms": QUANTILES,
        "cpu_ms_a_frame": 14.0, "cpu_share_all": 1.5,
        "rss_mib": {"worker.1": 300, "dashboard": 130, "camera.1": 100},
        "cpu_share": {"worker.1": 0.5, "dashboard": 0.1, "camera.1": 0.1},
        "stages_ms": {"queue": QUANTILES, "detect": QUANTILES, "total": QUANTILES},
        "others_share": 0.0, "stolen_share": 0.0, "plans": [{"level": 3}],
    }  # fmt: skip


RESULTS: dict[str, Any] = {
    "machine": "2 cores",
    "live_4": a_live_run(4),
    "live_6_mjpeg": a_live_run(6, "mjpeg"),
    "overhead": {
        "overhead_ms": 3.5, "overhead_share": 0.14, "stages_ms": {"decode": 1.6, "detect": 17.5},
        "rounds": dict.fromkeys(("worker_ms", "kernels_ms", "overhead_ms"), SPREAD),
    },
    "fanout": {
        "viewers": 50, "fps_min": 25.0, "fps_median": 25.0, "cpu_share": 0.09, "age_ms": QUANTILES,
        "tiles": {"fps_min": 25.0, "fps_median": 25.0, "cpu_share": 0.1, "age_ms": QUANTILES},
    },
    "agreement": {"kept": True, "clips": {"a.mp4": {"frames": 9, "ways": [{
        "way": "detect 160", "cpu_ms": 9.0, "gain": 2.4, "label_share": 0.99, "found_share": 1.0, "iou": 0.9,
        "new_face_ms": 80, "kept": True,
    }]}}},
    "scale": {
        "two_over_one": 1.9, "cost_growth": 1.1, "cost_ms": {"1": 3.0, "64": 3.3},
        "burn": {"1": {"fps": 60.0, "cpu_ms": 15.0}}, "sleep": {"1": {"fps": 30.0, "cpu_ms": 3.0}},
    },
    "start": {
        "ready_s": dict.fromkeys(("worker", "producer", "dashboard", "jobs"), SPREAD),
        "ready_cpu_s": dict.fromkeys(("worker", "producer", "dashboard", "jobs"), SPREAD),
        "rss_mib": {"worker": 300, "producer": 100, "dashboard": 100, "jobs": 150},
    },
    "frame": {
        "speedup_vs_classic": 150.0,
        "faces": {"2": {
            "ways": {name: {"ms": SPREAD, "cpu_ms": SPREAD, "faces": 2.0} for name in ("mien", "classic")},
            "speedup_vs_classic": {"wall": SPREAD, "cpu": SPREAD},
        }},
    },
}  # fmt: skip


def test_each_target_says_whether_it_is_kept() -> None:
    kept = {row.what: row.kept for row in rows(RESULTS)}
    assert kept["4 cameras from H.264: frames on time"] is True
    assert kept["memory of the dashboard (4 cameras)"] is False
    assert kept["overhead a frame, two faces, everything on every frame"] is False
    assert kept["two workers over one, each on a core"] is True
    assert kept["capture → picture in the viewer, one camera, p95"] is None
    assert len(rows({})) == len(TARGETS)


def test_a_disturbed_measurement_says_so() -> None:
    disturbed = {**RESULTS, "live_4": {**a_live_run(4), "others_share": 0.8}}
    found = {row.what: row.measured for row in rows(disturbed)}
    assert found["4 cameras from H.264: frames on time"] == "99.5 % (others used 0.8 cores)"


def test_a_page_gets_its_tables_between_its_marks_and_keeps_the_rest() -> None:
    page = "# A\n<!-- bench: targets -->\nold\n<!-- bench -->\nB\n<!-- bench: start -->\nold\n<!-- bench -->\n"
    results = {name: document for name, document in RESULTS.items() if name != "start"}
    filled = pages.fill(page, results)
    assert "150 times" in filled
    assert filled.startswith("# A\n<!-- bench: targets -->\n| what |")
    assert filled.endswith("B\n<!-- bench: start -->\nold\n<!-- bench -->\n")  # not measured: stays
    assert pages.fill(filled, results) == filled


def test_every_table_can_be_written() -> None:
    for name, write in pages.TABLES.items():
        lines = write(RESULTS).splitlines()
        assert len(lines) >= 3, name
        assert len({line.count("|") for line in lines if line}) <= 2, name


def test_the_page_on_performance_has_only_marks_that_are_known() -> None:
    page = (ROOT / "docs" / "performance.md").read_text()
    marks = [line.split()[2] for line in page.splitlines() if line.startswith("<!-- bench: ")]
    assert len(marks) >= 5
    assert set(marks) <= set(pages.TABLES)


def test_pictures_are_drawn_of_what_there_is(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="matplotlib is not installed: mien[video]")
    assert [path.name for path in draw(RESULTS, tmp_path)] == [
        "performance-cameras.png", "performance-frame-time.png", "performance-speed-ups.png",
    ]  # fmt: skip
    assert draw({"machine": ""}, tmp_path) == []


def test_the_table_is_printed_from_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "results.json").write_text(json.dumps(RESULTS))
    assert table.main(["--read", "--results", str(tmp_path / "results.json")]) == 0
    assert "targets of mien" in capsys.readouterr().out


def test_the_family_of_a_process_is_its_children_too() -> None:
    child = subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"])
    try:
        assert child.pid in family(os.getpid())
    finally:
        child.kill()
        child.wait()
    assert child.pid not in family(os.getpid())


def test_the_cores_of_the_machine_are_busy_while_one_computes() -> None:
    if not Path("/proc/stat").is_file():
        pytest.skip("this system has no /proc/stat")
    before, until_s = Cores.now(), time.process_time() + 0.2
    while time.process_time() < until_s:
        pass
    assert Cores.now().busy_s - before.busy_s >= 0.1


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_benches_run_one_after_the_other(tmp_path: Path) -> None:
    pytest.importorskip("av", reason="PyAV is not installed: mien[video]")
    file = tmp_path / "results.json"
    assert table.main(["--smoke", "--only", "live_1", "--results", str(file)]) == 0
    assert json.loads(file.read_text())["live_1"]["cameras"] == 1
