"""Step 4, detect: when faces are detected in the whole frame of a camera, and not only where faces were."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from worker.live.desk import Desks
from worker.live.frame_work import FrameWork
from worker.live.round_robin import next_due_ns

PROMISE_NS = 124_000_000
"""A new face is boxed at most 120 ms later than by everything on every frame; 4 ms for what is not known that well."""

PROMISED_UP_TO_MS = 160.0
"""Intervals longer than this were asked for by somebody who wants something else."""

LONGEST_GAP_NS = 1_000_000_000
"""After so long without a frame a camera may show anything."""


@dataclass(frozen=True, slots=True)
class DetectionDue:
    """A detection in the whole frame of a camera: how overdue it is, and whether it may wait for the next frame."""

    camera: str
    overdue_ns: int
    may_wait: bool


class DetectionSchedule:
    """Spreads the detections of all cameras, so that seldom two fall on one moment: one takes half a budget."""

    def __init__(self, desks: Desks) -> None:
        self._desks = desks

    def due(self, work: FrameWork) -> DetectionDue | None:
        """Return the detection that a frame is due for, if it is."""
        memory, at_ns, scan_ms = work.memory, work.at_ns, work.plan.scan_ms
        if scan_ms <= 0 or memory.detected_ns is None or not 0 <= at_ns - memory.last_ns <= LONGEST_GAP_NS:
            return DetectionDue(work.frame.camera, 0, may_wait=False)
        period_ns, frame_ns = round(scan_ms * 1e6), memory.frame_ns
        # In whole frames: those of some cameras come unevenly, and every third one a few ms late is no reason.
        age_ns = round((at_ns - memory.detected_ns) / frame_ns) * frame_ns
        is_late = scan_ms <= PROMISED_UP_TO_MS and age_ns > PROMISE_NS
        due_ns = memory.detected_ns + period_ns
        due_ns = due_ns if memory.next_detection_ns is None else min(due_ns, memory.next_detection_ns)
        overdue_ns = at_ns - due_ns
        if not is_late and overdue_ns < -frame_ns // 2:
            return None
        return DetectionDue(work.frame.camera, overdue_ns, may_wait=not is_late and 2 * overdue_ns <= period_ns)

    def detected(self, work: FrameWork) -> None:
        """Remember that faces were detected in a whole frame, and when that is due again."""
        memory, scan_ms = work.memory, work.plan.scan_ms
        memory.detected_ns = work.at_ns
        if scan_ms > 0:
            others = self._due_ns(except_for=work.frame.camera)
            memory.next_detection_ns = next_due_ns(work.at_ns, round(scan_ms * 1e6), memory.frame_ns, others)

    def at_once(self, frame_ns: int, scan_ms: float) -> int:
        """Return in how many cameras' frames of one batch faces must be detected so that each is done in time."""
        cameras = len(self._due_ns())
        return max(1, math.ceil(cameras * frame_ns / (scan_ms * 1e6))) if scan_ms > 0 else cameras

    def _due_ns(self, except_for: str = "") -> list[int]:
        return [
            desk.memory.next_detection_ns
            for camera, desk in self._desks.items()
            if camera != except_for and desk.memory is not None and desk.memory.next_detection_ns is not None
        ]


def chosen(due: Sequence[DetectionDue], at_once: int = 1) -> frozenset[str]:
    """Return the cameras to detect faces of in one batch: all that may not wait, and up to `at_once`.

    Those that are overdue for the longest go first.
    """
    first = sorted(due, key=lambda each: (each.may_wait, -each.overdue_ns))
    return frozenset(each.camera for number, each in enumerate(first) if number < at_once or not each.may_wait)
