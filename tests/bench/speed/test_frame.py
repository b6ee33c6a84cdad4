from __future__ import annotations

from pathlib import Path

import pytest

from bench.scene.clips import HEIGHT, WIDTH
from bench.scene.setup_baselines import CLASSIC_PYTHON
from bench.speed import frame, overhead, scale, start
from bench.speed.frame import Took, measure, summary, write_pictures
from bench.speed.kernel_frames import STAGES
from models.pictures.picture import decode


def test_pictures_have_the_size_of_a_frame(tmp_path: Path) -> None:
    written = write_pictures(tmp_path, 1, tmp_path / "no-media")
    assert set(written) == {0, 1, 2, 5}
    assert all(decode(paths[0].read_bytes()).shape == (HEIGHT, WIDTH, 3) for paths in written.values())


def test_a_speed_up_is_taken_picture_by_picture() -> None:
    ways = {"mien": [[Took(10, 5, 2), Took(20, 5, 2)]], "fer": [[Took(100, 100, 2), Took(400, 100, 3)]]}
    document = summary({2: ways})
    assert document["speedup_vs_fer"] == 15.0
    assert document["faces"]["2"]["speedup_vs_fer"]["cpu"]["median"] == 20.0
    assert document["faces"]["2"]["ways"]["fer"]["faces"] == 2.5
    assert "speedup_vs_classic" not in document


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_our_way_takes_its_turn(tmp_path: Path) -> None:
    pictures = write_pictures(tmp_path, 1)
    measured, rss = measure(pictures, 1, baselines=())
    found = {faces: ways["mien"][0][0].faces for faces, ways in measured.items()}
    assert found == {0: 0, 1: 1, 2: 2, 5: 5}
    # About 22 ms, on a core with nothing else to do.
    assert measured[2]["mien"][0][0].cpu_ms < 5 * 25
    assert set(rss) == {"mien"}


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.skipif(not CLASSIC_PYTHON.is_file(), reason="the baselines are not installed: make bench-setup")
def test_the_baselines_take_their_turns(tmp_path: Path) -> None:
    pictures = {2: write_pictures(tmp_path, 1)[2]}
    measured, _ = measure(pictures, 1, backbone="ConvNeXtTiny")
    document = summary(measured)
    assert document["faces"]["2"]["ways"]["classic"]["faces"] >= 1
    assert document["faces"]["2"]["ways"]["fer"]["faces"] >= 1
    assert document["speedup_vs_fer"] > 1
    assert frame.TARGETS == {"classic": 100.0, "fer": 10.0}


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_the_overhead_is_what_a_worker_uses_beside_the_kernels(tmp_path: Path) -> None:
    pytest.importorskip("av", reason="PyAV is not installed: mien[video]")
    measured = overhead.measure(1, 50, tmp_path / "site", tmp_path / "clips")
    assert set(measured["stages_ms"]) == set(STAGES)
    assert measured["rounds"]["kernels_ms"]["median"] == pytest.approx(sum(measured["stages_ms"].values()), rel=0.01)
    assert measured["overhead_ms"] < 5 * overhead.TARGET_MS


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_the_pipeline_is_measured_around_a_stub(tmp_path: Path) -> None:
    measured = scale.measure(1.5, tmp_path, cameras=(1, 8))
    assert measured["burn"]["1"]["cpu_ms"] > scale.BURN_MS
    assert measured["burn"]["1"]["fps"] < 1000 / scale.BURN_MS
    assert set(measured["cost_ms"]) == {"1", "8"}
    assert measured["cost_growth"] < 5
    assert measured["two_over_one_cpu"] > 1


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_each_process_is_ready_in_a_while(tmp_path: Path) -> None:
    pytest.importorskip("av", reason="PyAV is not installed: mien[video]")
    measured = start.measure(1, tmp_path / "site", tmp_path / "clips")
    assert set(measured["ready_s"]) == {"worker", "producer", "dashboard", "jobs"}
    assert all(spread["median"] < 5 * start.TARGET_S for spread in measured["ready_cpu_s"].values())
    assert all(0 < mib < 1000 for mib in measured["rss_mib"].values())
