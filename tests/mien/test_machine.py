"""What is found out about the machine."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

from mien import machine
from mien.machine import Machine, instructions_of, is_held_below_bf16, usable_cores, usable_memory_mib
from tests.support.paths import ROOT


def test_this_machine_has_a_name_cores_and_memory() -> None:
    found = Machine.this()
    assert found.cpu
    assert 1 <= found.cores <= (os.cpu_count() or 1)
    assert found.memory_mib > 100
    assert found.to_dict()["cores"] == found.cores


@pytest.mark.parametrize(
    ("flags", "limit", "line"),
    [
        ("fpu avx avx2", "", "avx2"),
        ("avx2 avx512f avx512_vnni avx512_bf16", "", "avx2 avx512 vnni bf16"),
        ("avx2 avx512f avx512_vnni avx512_bf16 amx_tile amx_bf16", "default", "avx2 avx512 vnni bf16 amx"),
        ("avx2 avx_vnni", "ALL", "avx2 vnni"),
        ("fp asimd bf16", "", "bf16"),
        ("sse4_2", "", "none that count"),
        ("avx2 avx512f", "avx2", "avx2 avx512; held down to AVX2 by ONEDNN_MAX_CPU_ISA"),
    ],
)
def test_instruction_sets_are_named_and_what_holds_them_down(
    flags: str, limit: str, line: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", limit)
    assert instructions_of(flags.split()) == line
    assert ("held down" in Machine.this().instructions) == ("held down" in line)


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


def test_only_this_module_counts_cores_so_that_no_pool_forgets_the_container() -> None:
    counts = {"cpu_count", "process_cpu_count", "sched_getaffinity"}
    asked = []
    for room in ("mien", "models", "worker", "producer", "dashboard", "cli"):
        for path in sorted((ROOT / room).rglob("*.py")):
            names = {each.attr for each in ast.walk(ast.parse(path.read_text())) if isinstance(each, ast.Attribute)}
            if names & counts:
                asked.append(str(path.relative_to(ROOT)))
    assert asked == ["mien/machine.py"]


def test_only_this_module_reads_the_id_of_the_boot_so_that_all_mean_the_same_machine() -> None:
    rooms = ("mien", "models", "worker", "producer", "dashboard", "cli")
    paths = [path for room in rooms for path in sorted((ROOT / room).rglob("*.py"))]
    assert [str(path.relative_to(ROOT)) for path in paths if "/random/boot_id" in path.read_text()] == [
        "mien/machine.py"
    ]


@pytest.mark.parametrize(("given", "threads"), [({}, 1), ({"OPENBLAS_NUM_THREADS": "2"}, 2)])
def test_numpy_of_a_command_has_no_more_threads_than_a_container_cores(
    given: dict[str, str], threads: int, tmp_path: Path
) -> None:
    if len(os.sched_getaffinity(0)) < 2:
        pytest.skip("one core: NumPy never starts a second thread")
    (tmp_path / "cpu.max").write_text("100000 100000\n")
    script = (
        "import os, pathlib, sys\n"
        "from mien import machine\n"
        "machine._groups = lambda _: [pathlib.Path(sys.argv.pop())]\n"
        "from cli.main import main\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        "import numpy\n"
        "print(len(os.listdir('/proc/self/task')))\n"
    )
    unset = {name: value for name, value in os.environ.items() if not name.endswith("_NUM_THREADS")}
    command = [sys.executable, "-c", script, "--version", str(tmp_path)]
    said = subprocess.run(command, cwd=ROOT, env={**unset, **given}, capture_output=True, text=True, timeout=60)
    assert said.stdout.splitlines()[-1] == str(threads), said.stderr


@pytest.mark.parametrize(
    ("limit", "held"),
    [
        ("", False), ("ALL", False), ("default", False), ("SSE41", True), ("AVX2", True), ("avx2", True),
        ("AVX2_VNNI", True), ("AVX512_CORE", True), ("AVX512_CORE_VNNI", True), ("AVX512_CORE_BF16", False),
        ("AVX512_CORE_FP16", False), ("AVX512_CORE_AMX", False), ("AVX10_1_512", False),
    ],
)  # fmt: skip
def test_a_cpu_that_is_held_down_computes_in_no_bf16(limit: str, held: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", limit)
    assert is_held_below_bf16() == held
    assert not (held and Machine.this().bf16)
