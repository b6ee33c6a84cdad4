"""The machine that a measurement ran on, processes pinned to its cores, and medians with their spread."""

from __future__ import annotations

import ctypes
import os
import platform
import signal
import statistics
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from mien.machine import Machine, all_cores

_TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")
# Fields 14 and 15 of /proc/PID/stat (proc(5)), counted from behind the name in brackets.
_UTIME, _STIME = 11, 12
_PARENT = 1
_DIE_WITH_PARENT = 1  # PR_SET_PDEATHSIG of prctl(2)


@dataclass(frozen=True, slots=True)
class Spread:
    """The median of some measurements, with the smallest and the largest."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """Return the spread of at least one value."""
        return cls(statistics.median(values), min(values), max(values))

    def __str__(self) -> str:
        return f"{self.median:.4g} ({self.low:.4g} to {self.high:.4g})"

    def to_dict(self) -> dict[str, float]:
        """Return it as JSON types, four digits each."""
        return {name: float(f"{getattr(self, name):.4g}") for name in ("median", "low", "high")}


def describe() -> str:
    """Return one line about this machine, with its load: what else runs makes measurements worthless."""
    machine = Machine.this()
    load = f"load {os.getloadavg()[0]:.1f} before"
    return f"{all_cores()} cores, {machine.cpu} ({machine.instructions}), {platform.system()}; {load}"


def cores() -> list[int]:
    """Return the cores that this process may use; one made-up core where the system does not say."""
    return sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else [0]


def pinned(
    command: Sequence[str],
    core: int | Sequence[int],
    *,
    environment: Mapping[str, str] | None = None,
    stdin: IO[str] | int | None = None,
    output: IO[str] | int | None = None,
    errors: IO[str] | int | None = None,
) -> subprocess.Popen[str]:
    """Start a process that may use the given cores only (any where the system cannot pin).

    On Linux it ends when the bench ends, even by SIGKILL.
    """
    allowed = [core] if isinstance(core, int) else list(core)
    libc = ctypes.CDLL(None) if sys.platform == "linux" else None

    def pin() -> None:
        if hasattr(os, "sched_setaffinity"):
            os.sched_setaffinity(0, allowed)
        if libc is not None:
            libc.prctl(_DIE_WITH_PARENT, signal.SIGTERM)

    return subprocess.Popen(
        list(command),
        env={**os.environ, **(environment or {})},
        stdin=stdin,
        stdout=output,
        stderr=errors,
        text=True,
        preexec_fn=pin,
    )


def cpu_s(pid: int) -> float:
    """Return the CPU time that a running process has used, all its threads."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
    return (int(fields[_UTIME]) + int(fields[_STIME])) / _TICKS_A_SECOND


def rss_mib(pid: int, *, highest: bool = False) -> float:
    """Return the resident memory of a running process, now or the highest so far."""
    wanted = "VmHWM:" if highest else "VmRSS:"
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(wanted):
            return int(line.split()[1]) / 1024
    return 0.0


def family(pid: int) -> list[int]:
    """Return a running process and all processes under it, oldest first: a gunicorn has a child that does the work."""
    parents: dict[int, list[int]] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            fields = (folder / "stat").read_text().rpartition(") ")[2].split()
        except OSError:  # ended meanwhile
            continue
        parents.setdefault(int(fields[_PARENT]), []).append(int(folder.name))
    found = [pid]
    for each in found:
        found += sorted(parents.get(each, []))
    return found


@dataclass(frozen=True, slots=True)
class Cores:
    """CPU seconds that all processes of this machine have used since it started, and that its host took away."""

    busy_s: float
    stolen_s: float

    @classmethod
    def now(cls) -> Cores:
        """Read /proc/stat (proc(5)); zeros where there is none."""
        stat = Path("/proc/stat")
        if not stat.is_file():
            return cls(0.0, 0.0)
        user, nice, system, _, _, irq, softirq, stolen = map(int, stat.read_text().split("\n", 1)[0].split()[1:9])
        return cls((user + nice + system + irq + softirq) / _TICKS_A_SECOND, stolen / _TICKS_A_SECOND)
