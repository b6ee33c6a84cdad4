"""The overview: how every camera does, read twice a second while somebody asks."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from dashboard.cameras.history import MINUTE_S, History, Interval, rounded
from mien.bus.budget import Budget
from mien.bus.bus import Bus
from mien.errors import BrokerUnavailable
from mien.logs import get_logger
from mien.types import Camera, Counts, FrameResult

EVERY_S = 0.5
LATELY_S = 10.0
_IDLE_AFTER_S = 10.0
_LABELS = 3

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class CameraStatus:
    """A camera, its account, how it did over the last 10 s (`lately`) and minute, and what its worker measured."""

    camera: Camera
    counts: Counts
    lately: Interval = field(default_factory=Interval)
    minute: Interval = field(default_factory=Interval)
    budget: Budget | None = None
    newest: FrameResult | None = None
    newest_age_ms: float | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the status as JSON types."""
        newest = self.newest
        return {
            **self.camera.to_dict(),
            "analysed_fps": round(self.lately.analysed_fps, 2),
            "on_time_share": rounded(self.lately.on_time_of_analysed),
            "counts": {**self.counts.to_dict(), "balanced": self.counts.balanced},
            "faces": len(newest.faces) if newest is not None else 0,
            "labels": _labels(newest),
            "latency_ms": None if newest is None else round(newest.latency_ms, 2),
            "result_age_ms": None if self.newest_age_ms is None else round(self.newest_age_ms, 1),
            "minute": {
                "on_time_share": rounded(self.minute.on_time_share),
                "p95_ms": None if self.budget is None else round(self.budget.total.p95, 2),
            },
        }


@dataclass(frozen=True)
class Snapshot:
    """Everything known at one moment; `error` says why it is not known, in words for a person."""

    cameras: tuple[CameraStatus, ...] = ()
    workers: int = 0
    error: str = ""
    read_s: float = field(default_factory=time.monotonic)

    def to_dict(self) -> dict[str, Any]:
        """Return the snapshot as JSON types."""
        return {
            "cameras": [status.to_dict() for status in self.cameras],
            "workers": self.workers,
            "error": self.error,
        }

    @cached_property
    def json(self) -> bytes:
        """The snapshot as JSON, made once for all who look."""
        return json.dumps(self.to_dict(), separators=(",", ":")).encode()

    def get(self, name: str) -> CameraStatus | None:
        """Return the status of one camera."""
        return next((status for status in self.cameras if status.camera.name == name), None)


class Overview:
    """Keeps the newest snapshot; sleeps when nobody has asked for 10 s."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._snapshot = Snapshot(error="not read yet", read_s=-LATELY_S)
        self._histories: dict[str, History] = {}
        self._asked_s = 0.0
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._stopped = threading.Event()

    def now(self) -> Snapshot:
        """Return a snapshot at most about a second old, with its `error` set when the bus does not answer."""
        self._asked_s = time.monotonic()
        if self._asked_s - self._snapshot.read_s > 2 * EVERY_S:
            with self._lock:
                if self._asked_s - self._snapshot.read_s > 2 * EVERY_S:
                    self._read()
        self._start()
        return self._snapshot

    def checked(self) -> Snapshot:
        """Return `now`; raises BrokerUnavailable when the bus does not answer."""
        snapshot = self.now()
        if snapshot.error:
            raise BrokerUnavailable(snapshot.error)
        return snapshot

    def find(self, name: str) -> CameraStatus | None:
        """Return the status of a camera, asking the bus again for one that is not known yet."""
        status = self.checked().get(name)
        if status is None:
            with self._lock:
                self._read()
            status = self.checked().get(name)
        return status

    def names(self) -> tuple[str, ...]:
        """Return the names of all cameras of the newest snapshot."""
        return tuple(status.camera.name for status in self._snapshot.cameras)

    def close(self) -> None:
        """Stop reading."""
        self._stopped.set()
        if self._thread is not None:
            self._thread.join(timeout=2.0)

    def _start(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._loop, name="overview", daemon=True)
            self._thread.start()

    def _loop(self) -> None:
        while not self._stopped.wait(EVERY_S):
            if time.monotonic() - self._asked_s < _IDLE_AFTER_S:
                with self._lock:
                    self._read()

    def _read(self) -> None:
        try:
            self._bus.clock.sync_when_due()
            cameras = self._bus.cameras()
            names = [camera.name for camera in cameras]
            counts, budgets = self._bus.all_counts(names), self._budgets(names)
            statuses = tuple(self._status(each, counts[each.name], budgets.get(each.name)) for each in cameras)
            workers = len(self._bus.workers())
        except BrokerUnavailable:
            self._snapshot = Snapshot(self._snapshot.cameras, error="Redis does not answer; trying again every second.")
            return
        except Exception:  # an entry that another version wrote must not end the overview
            log.exception("the overview could not be read")
            self._snapshot = Snapshot(self._snapshot.cameras, error="What Redis says cannot be read.")
            return
        for gone in self._histories.keys() - counts.keys():
            self._histories.pop(gone)
        self._snapshot = Snapshot(statuses, workers)

    def _budgets(self, names: Sequence[str]) -> dict[str, Budget]:
        try:
            return self._bus.budgets(names)
        except (KeyError, TypeError, ValueError):  # a worker of another version
            return {}

    def _status(self, camera: Camera, counts: Counts, budget: Budget | None) -> CameraStatus:
        history = self._histories.setdefault(camera.name, History())
        history.note(time.monotonic(), counts)
        newest = next(iter(self._bus.recent_results(camera.name, count=1)), None)
        return CameraStatus(
            camera=camera,
            counts=counts,
            lately=history.window(LATELY_S),
            minute=history.window(MINUTE_S),
            budget=budget,
            newest=newest,
            newest_age_ms=None if newest is None else max(0, self._bus.clock.now_ns() - newest.captured_ns) / 1e6,
        )


def _labels(newest: FrameResult | None) -> list[dict[str, Any]]:
    """Return label and confidence of the largest faces, largest first."""
    if newest is None:
        return []
    largest = sorted(newest.faces, key=lambda face: face.box[2] * face.box[3], reverse=True)[:_LABELS]
    return [
        {
            "label": face.label or face.emotion,
            "confidence": round(face.label_confidence if face.label else face.confidence, 4),
        }
        for face in largest
    ]
