from __future__ import annotations

import json
from pathlib import Path

import pytest

from bench.report.machine import Spread, cores, cpu_s, describe, rss_mib
from bench.scene.pictures import KINDS, Kind, write_folder
from bench.speed import kernels, memory, photos
from bench.speed.photos import Outcome, Pace, PhotoRounds
from mien.machine import Machine
from models.pictures.picture import decode


def test_the_folder_has_the_same_share_of_each_kind_anywhere(tmp_path: Path) -> None:
    kinds = [Kind("astronaut", 60, 40), Kind("astronaut", 50, 50)]
    paths = write_folder(tmp_path, 10, tmp_path / "no-media", kinds)
    sizes = [decode(path.read_bytes()).shape[1::-1] for path in paths]
    assert sizes == [(60, 40), (50, 50)] * 5
    assert len({path.read_bytes() for path in paths}) == 8  # each kind in four variants


def test_ratios_are_taken_within_a_round() -> None:
    outcome = Outcome(
        {
            "kernels": [Pace(9, 9), Pace(90, 9)],
            "one": [Pace(10, 10), Pace(100, 10)],
            "two": [Pace(5, 10), Pace(50, 10)],
            "fer": [],
        },
        [{"decode": 1.0}],
    )
    summary = photos.summary(outcome)
    assert summary["share_of_kernels"]["wall"]["median"] == pytest.approx(0.9)
    assert summary["two_over_one"] == {
        "target": 1.8,
        "wall": {"median": 2.0, "low": 2.0, "high": 2.0},
        "cpu": {"median": 2.0, "low": 2.0, "high": 2.0},
    }
    assert "over_fer" not in summary
    assert "fer" not in summary["ways"]


def test_the_machine_and_a_process_are_described() -> None:
    import os

    assert "cores" in describe()
    assert f"({Machine.this().instructions})" in describe()
    assert cores()
    assert cpu_s(os.getpid()) > 0
    assert 1 < rss_mib(os.getpid()) <= rss_mib(os.getpid(), highest=True)
    assert str(Spread.of([3.0, 1.0, 2.0])) == "2 (1 to 3)"


def test_the_kernels_are_measured_stage_by_stage(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_folder(tmp_path, 2, tmp_path / "no-media", KINDS[:1])
    kernels.main([str(tmp_path), "--warm", "1", "--json"])
    measured = json.loads(capsys.readouterr().out)
    assert (measured["pictures"], measured["faces"]) == (2, 2)
    assert all(milliseconds > 0 for milliseconds in measured["stages_ms"].values())


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_photos_are_measured_through_the_real_queue(tmp_path: Path) -> None:
    outcome = photos.measure(PhotoRounds(pictures=32, fer_pictures=0, rounds=1), tmp_path)
    summary = photos.summary(outcome)
    assert set(summary["ways"]) == {"kernels", "one", "two"}
    # The target is 0.9, on a machine with nothing else to do.
    assert summary["share_of_kernels"]["cpu"]["median"] > 0.6


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_memory_of_a_worker_is_flat(tmp_path: Path) -> None:
    measured = memory.measure(600, tmp_path)
    assert measured["growth_mib"] <= memory.MOST_GROWTH_MIB
