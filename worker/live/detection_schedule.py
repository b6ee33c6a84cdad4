"""When the whole frame of a camera is searched for faces, and not only where faces were."""

from __future__ import annotations

import math
from collections.abc import Sequence, Set
from dataclasses import dataclass

from worker.live.memory import CameraMemory
from worker.live.round_robin import Rota

PROMISE_NS = 124_000_000
"""A new face is boxed at most 120 ms later than by everything on every frame; 4 ms for what is not known that well."""

PROMISED_UP_TO_MS = 160.0
"""Intervals longer than this were asked for by somebody who wants something else."""

LONGEST_GAP_NS = 1_000_000_000
"""After so long without a frame a camera may show anything."""


@dataclass(frozen=True, slots=True)
class ScanDue:
    """A scan of a camera that is due, by how much it is overdue, and whether it may wait for the next frame."""

    camera: str
    overdue_ns: int
    may_wait: bool


class Scans:
    """The scans of all cameras of a worker, spread so that seldom two fall on one moment: one takes half a budget."""

    def __init__(self) -> None:
        self._rota: Rota[str] = Rota()

    def due(self, camera: str, memory: CameraMemory, at_ns: int, scan_ms: float) -> ScanDue | None:
        """Return the scan that a frame captured at `at_ns` is due for, if it is."""
        if scan_ms <= 0 or memory.scanned_ns is None or not 0 <= at_ns - memory.last_ns <= LONGEST_GAP_NS:
            return ScanDue(camera, 0, may_wait=False)
        period_ns, frame_ns = round(scan_ms * 1e6), memory.frame_ns
        # In whole frames: those of some cameras come unevenly, and every third one a few ms late is no reason.
        age_ns = round((at_ns - memory.scanned_ns) / frame_ns) * frame_ns
        is_late = scan_ms <= PROMISED_UP_TO_MS and age_ns > PROMISE_NS
        booked_ns = self._rota.next_ns(camera)
        due_ns = memory.scanned_ns + period_ns
        due_ns = due_ns if booked_ns is None else min(due_ns, booked_ns)
        overdue_ns = at_ns - due_ns
        if not is_late and overdue_ns < -frame_ns // 2:
            return None
        return ScanDue(camera, overdue_ns, may_wait=not is_late and 2 * overdue_ns <= period_ns)

    def scanned(self, camera: str, memory: CameraMemory, at_ns: int, scan_ms: float) -> None:
        """Remember that a camera was scanned, and book its next one."""
        memory.scanned_ns = at_ns
        if scan_ms > 0:
            self._rota.book(camera, at_ns, round(scan_ms * 1e6), memory.frame_ns)

    def at_once(self, frame_ns: int, scan_ms: float) -> int:
        """Return how many cameras must be scanned in one batch so that each has its turn in time."""
        return max(1, math.ceil(len(self._rota) * frame_ns / (scan_ms * 1e6))) if scan_ms > 0 else len(self._rota)

    def forget(self, cameras: Set[str]) -> None:
        """Forget cameras."""
        self._rota.forget(lambda camera: camera in cameras)

    def clear(self) -> None:
        """Forget all cameras."""
        self._rota.clear()


def chosen(due: Sequence[ScanDue], at_once: int = 1) -> frozenset[str]:
    """Return the cameras to scan in one batch: all that may not wait, and up to `at_once`, longest overdue first."""
    first = sorted(due, key=lambda each: (each.may_wait, -each.overdue_ns))
    return frozenset(each.camera for number, each in enumerate(first) if number < at_once or not each.may_wait)
