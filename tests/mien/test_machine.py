"""What is found out about the machine."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from mien import machine
from mien.machine import Machine, usable_cores, usable_memory_mib


def test_this_machine_has_a_name_cores_and_memory() -> None:
    found = Machine.this()
    assert found.cpu
    assert 1 <= found.cores <= (os.cpu_count() or 1)
    assert found.memory_mib > 100
    assert found.to_dict()["cores"] == found.cores


def test_affinity_limits_the_cores() -> None:
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(before)})
    try:
        assert usable_cores() == 1
    finally:
        os.sched_setaffinity(0, before)


@pytest.mark.parametrize(
    ("files", "cores", "mib"),
    [
        ({"cpu.max": "50000 100000", "memory.max": str(256 << 20)}, 1, 256),
        ({"cpu.cfs_quota_us": "100000", "cpu.cfs_period_us": "100000", "memory.limit_in_bytes": str(64 << 20)}, 1, 64),
        ({"cpu.max": "max 100000", "memory.max": "max"}, None, None),
        ({"cpu.cfs_quota_us": "-1", "cpu.cfs_period_us": "100000"}, None, None),
        ({"cpu.max": "nonsense"}, None, None),
        ({}, None, None),
    ],
)
def test_the_limits_of_a_container_count(
    files: dict[str, str], cores: int | None, mib: int | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "_groups", lambda _controller: [])
    without = usable_cores(), usable_memory_mib()
    for name, text in files.items():
        (tmp_path / name).write_text(f"{text}\n")
    monkeypatch.setattr(machine, "_groups", lambda _controller: [tmp_path])
    assert (usable_cores(), usable_memory_mib()) == (cores or without[0], mib or without[1])
