"""The machine that a process runs on: its CPU, the cores and the memory that the process may use."""

from __future__ import annotations

import math
import os
import platform
from collections.abc import Collection
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

_FLAGS = {
    "avx2": {"avx2"},
    "avx512": {"avx512f"},
    "vnni": {"avx512_vnni", "avx_vnni"},
    "bf16": {"avx512_bf16", "amx_bf16", "bf16"},
    "amx": {"amx_tile"},
}
"""The instruction sets that inference is faster with, and the flags of Linux that say so, on x86 and on ARM."""

_LIMIT_VARIABLE = "ONEDNN_MAX_CPU_ISA"
"""Holds OpenVINO down to an instruction set, such as AVX2, whatever the CPU has (oneDNN's CPU dispatcher control)."""
_NO_LIMIT = ("", "ALL", "DEFAULT")
_WITH_BF16 = ("AVX512_CORE_BF16", "AVX512_CORE_FP16", "AVX512_CORE_AMX", "AVX10")
"""The limits, or what their names begin with, that leave OpenVINO its instructions for bf16."""

_MIB = 1024 * 1024
_THREAD_VARIABLES = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS")


@dataclass(frozen=True, slots=True)
class Machine:
    """What decides how fast mien is here. `cores` may be fewer than the machine has: containers are limited.

    `instructions`: in one line, the CPU's instruction sets, and what they are held down to if they are.
    """

    cpu: str
    cores: int
    memory_mib: int
    bf16: bool
    gpu: bool
    instructions: str = ""

    @classmethod
    def this(cls) -> Machine:
        """Return what is known about this machine; takes about a millisecond."""
        cpuinfo = _text(Path("/proc/cpuinfo"))
        flags = set((_field(cpuinfo, "flags") or _field(cpuinfo, "Features")).split())
        return cls(
            cpu=_field(cpuinfo, "model name") or platform.processor() or platform.machine(),
            cores=usable_cores(),
            memory_mib=usable_memory_mib(),
            bf16=bool(_FLAGS["bf16"] & flags) and not is_held_below_bf16(),
            gpu=Path("/dev/nvidiactl").exists(),
            instructions=instructions_of(flags),
        )

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON types."""
        return asdict(self)


def instructions_of(flags: Collection[str]) -> str:
    """Return the instruction sets that a CPU with some flags of /proc/cpuinfo has, in one line for people.

    Where the environment holds OpenVINO down to fewer, that is said: no figure may be taken for the whole CPU's.
    """
    line = " ".join(name for name, known in _FLAGS.items() if not known.isdisjoint(flags)) or "none that count"
    limit = os.environ.get(_LIMIT_VARIABLE, "").upper()
    return line if limit in _NO_LIMIT else f"{line}; held down to {limit} by {_LIMIT_VARIABLE}"


def is_held_below_bf16() -> bool:
    """Return whether the environment keeps OpenVINO from computing in bf16, which it would still say that it can."""
    limit = os.environ.get(_LIMIT_VARIABLE, "").upper()
    return limit not in _NO_LIMIT and not limit.startswith(_WITH_BF16)


def boot_id() -> str:
    """Return an id of this start of this machine, the same in its containers; "" where it is not known."""
    return _text(Path("/proc/sys/kernel/random/boot_id"))


def started(pid: int) -> str:
    """Return what tells a process from all others that had its id or will have it: the boot, and its start in it.

    "" when there is no such process (one that has ended and was not waited for is gone as well), or no /proc.
    """
    # The name of the program, in brackets, may have spaces and brackets in it; the state is field 3, the start, in
    # clock ticks after the boot, is field 22 (proc_pid_stat(5)).
    fields = _text(Path(f"/proc/{pid}/stat")).rpartition(")")[2].split()
    if len(fields) < 20 or fields[0] in ("Z", "X"):
        return ""
    return f"{boot_id()} {fields[19]}"


def usable_cores() -> int:
    """Return how many cores this process may use at once, rounded up: by affinity, and by the limit of its group."""
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    limits = [cores for folder in _groups("cpu") if (cores := _cpu_limit(folder)) is not None]
    return max(1, min(allowed, *(math.ceil(cores) for cores in limits))) if limits else allowed


def all_cores() -> int:
    """Return how many cores the machine has, whether this process may use them or not."""
    return os.cpu_count() or usable_cores()


def limit_library_threads() -> None:
    """Let libraries that are loaded after this start no more threads than there are usable cores.

    OpenBLAS and OpenMP ask for affinity alone: in a container limited to one of 64 cores NumPy starts 64 threads.
    Limits that the environment already sets are kept.
    """
    for variable in _THREAD_VARIABLES:
        os.environ.setdefault(variable, str(usable_cores()))


def usable_memory_mib() -> int:
    """Return how much memory this process may use in all: the machine's, or the limit of its group."""
    has = int(_field(_text(Path("/proc/meminfo")), "MemTotal").partition(" ")[0] or 0) * 1024
    limits = [limit for folder in _groups("memory") if (limit := _memory_limit(folder)) is not None]
    return min([has, *limits]) // _MIB if has else 0


def _groups(controller: str) -> list[Path]:
    """Return the folders of this process' control group and of all above it (cgroups(7)), those that are there."""
    folders = []
    for line in _text(Path("/proc/self/cgroup")).splitlines():
        _, controllers, path = line.split(":", 2)
        if not controllers:
            root = Path("/sys/fs/cgroup")
        elif controller in controllers.split(","):
            root = Path("/sys/fs/cgroup") / controller
        else:
            continue
        inner = root / path.lstrip("/")
        folders += [folder for folder in (inner, *inner.parents) if folder.is_relative_to(root) and folder.is_dir()]
    return folders


def _cpu_limit(folder: Path) -> float | None:
    quota, _, period = _text(folder / "cpu.max").partition(" ")  # version 2
    if not period:
        quota, period = _text(folder / "cpu.cfs_quota_us"), _text(folder / "cpu.cfs_period_us")
    limit, each = _number(quota), _number(period)
    return limit / each if limit is not None and each and limit > 0 else None


def _memory_limit(folder: Path) -> int | None:
    return _number(_text(folder / "memory.max") or _text(folder / "memory.limit_in_bytes"))


def _number(text: str) -> int | None:
    try:
        return int(text)
    except ValueError:  # "max", or no such file
        return None


def _field(text: str, name: str) -> str:
    for line in text.splitlines():
        key, separator, value = line.partition(":")
        if separator and key.strip() == name:
            return value.strip()
    return ""


def _text(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""
