"""The overview: the state of every camera, read twice a second while somebody asks."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from typing import Annotated

from dashboard.cameras.history import MINUTE_S, History, Interval, MaybeShare
from dashboard.endings import Refusal, say
from mien.bus.budget import Budget
from mien.bus.bus import Bus
from mien.bus.outage import Outage
from mien.documents import Count, Document, Inner, Share, derived, digits
from mien.errors import BrokerRefused, BrokerUnavailable, line_of
from mien.logs import get_logger
from mien.types import Camera, CameraState, Counts, FrameResult, Label

EVERY_S = 0.5
LATELY_S = 10.0
_IDLE_AFTER_S = 10.0
_LABELS = 3

log = get_logger(__name__)


FLOW_S = 3.0
FLOW_FRAMES = 4
"""Results flow when the newest one of a camera is younger than this time, or than the time of this many frames."""


@dataclass(frozen=True, slots=True)
class FaceLabel(Document):
    """What one face shows, and how sure that is."""

    label: Label
    confidence: Annotated[Share, digits(4)]


@dataclass(frozen=True, slots=True)
class Minute(Document):
    """The last minute in two numbers."""

    on_time_share: MaybeShare
    p95_ms: Annotated[float, digits(2)] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CameraStatus(Camera):
    """A camera, its account, how it did over the last 10 s (`lately`) and minute, and what its worker measured."""

    counts: Counts
    lately: Inner[Interval] = field(default_factory=Interval)
    last_minute: Inner[Interval] = field(default_factory=Interval)
    budget: Inner[Budget | None] = None
    newest: Inner[FrameResult | None] = None
    newest_age_ms: Inner[float | None] = None

    @derived
    def analysed_fps(self) -> Annotated[float, digits(2)]:
        """Results a second."""
        return self.lately.analysed_fps

    @derived
    def on_time_share(self) -> MaybeShare:
        """Share on time of the frames that were analysed lately."""
        return self.lately.on_time_of_analysed

    @derived
    def faces(self) -> Count:
        """How many faces the newest result has."""
        return len(self.newest.faces) if self.newest is not None else 0

    @derived
    def labels(self) -> tuple[FaceLabel, ...]:
        """What the largest faces of the newest result show, largest first."""
        return _labels(self.newest)

    @derived
    def latency_ms(self) -> Annotated[float, digits(2)] | None:
        """From capture to result, of the newest one."""
        return None if self.newest is None else self.newest.latency_ms

    @derived
    def result_age_ms(self) -> Annotated[float, digits(1)] | None:
        """How long ago the frame of the newest result was captured."""
        return self.newest_age_ms

    @derived
    def minute(self) -> Minute:
        """The last minute."""
        return Minute(self.last_minute.on_time_share, None if self.budget is None else self.budget.total_ms.p95)


def _overdue(status: CameraStatus) -> bool:
    age_ms = status.newest_age_ms
    return age_ms is None or age_ms > 1000 * max(FLOW_S, FLOW_FRAMES / status.fps)


@dataclass(frozen=True)
class Snapshot(Document):
    """All cameras and how many workers run; `error` says, for people, why that is not known."""

    cameras: tuple[CameraStatus, ...] = ()
    workers: Count = 0
    error: str = ""
    read_s: Inner[float] = field(default_factory=time.monotonic)

    @cached_property
    def json(self) -> bytes:
        """The snapshot as JSON, made once for all who look."""
        return self.to_json()

    def get(self, name: str) -> CameraStatus | None:
        """Return the status of one camera."""
        return next((status for status in self.cameras if status.name == name), None)

    def stalled(self) -> str:
        """Return, for people, that no results flow although cameras send frames; "" when they flow or none is due."""
        sending = [status for status in self.cameras if status.state == CameraState.LIVE and status.fps > 0]
        if not sending or not all(_overdue(status) for status in sending):
            return ""
        return (
            f"no camera that sends frames has had a result for {FLOW_S:g} s; live workers that answer: {self.workers}"
        )


class Overview:
    """Keeps the newest snapshot; sleeps when nobody has asked for 10 s."""

    def __init__(self, bus: Bus, refused: Refusal = say, outage: Outage | None = None) -> None:
        self._bus = bus
        self._refused = refused
        self._outage = Outage() if outage is None else outage
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
        return tuple(status.name for status in self._snapshot.cameras)

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
            unreadable = self._unreadable()
            counts, budgets = self._bus.all_counts(names), self._budgets(names)
            statuses = tuple(
                self._status(_with_unreadable(each, unreadable), counts[each.name], budgets.get(each.name))
                for each in cameras
            )
            workers = len(self._bus.workers())
        except BrokerUnavailable as error:
            self._outage.failed(error, "overview")
            self._snapshot = Snapshot(self._snapshot.cameras, error="Redis does not answer; trying again every second.")
            return
        except BrokerRefused as error:
            self._snapshot = Snapshot(self._snapshot.cameras, error=line_of(error))
            self._refused(error)
            return
        except Exception:  # an entry that another version of mien wrote must not end the overview
            log.exception("the overview could not be read")
            self._snapshot = Snapshot(self._snapshot.cameras, error="What Redis says cannot be read.")
            return
        self._outage.passed("overview")
        for gone in self._histories.keys() - counts.keys():
            self._histories.pop(gone)
        self._snapshot = Snapshot(statuses, workers)

    def _budgets(self, names: Sequence[str]) -> dict[str, Budget]:
        try:
            return self._bus.budgets(names)
        except (KeyError, TypeError, ValueError):  # a worker of another version
            return {}

    def _unreadable(self) -> dict[str, str]:
        """Return why something of a camera could not be read in the last minute, for those of which it could not."""
        _, last = self._bus.rejected()
        since_ms = self._bus.clock.now_ns() / 1e6 - MINUTE_S * 1000
        return {each.camera: f"{each.kind}: {each.reason}" for each in reversed(last) if each.at_ms >= since_ms}

    def _status(self, camera: Camera, counts: Counts, budget: Budget | None) -> CameraStatus:
        history = self._histories.setdefault(camera.name, History())
        history.note(time.monotonic(), counts)
        newest = next(iter(self._bus.recent_results(camera.name, count=1)), None)
        return CameraStatus(
            **{each.name: getattr(camera, each.name) for each in fields(camera)},
            counts=counts,
            lately=history.window(LATELY_S),
            last_minute=history.window(MINUTE_S),
            budget=budget,
            newest=newest,
            newest_age_ms=None if newest is None else max(0, self._bus.clock.now_ns() - newest.captured_ns) / 1e6,
        )


def _with_unreadable(camera: Camera, unreadable: Mapping[str, str]) -> Camera:
    """Return a camera that says in its reason what of it could not be read lately, unless it has another reason."""
    why = unreadable.get(camera.name)
    return camera if why is None or camera.reason else replace(camera, reason=f"an entry could not be read: {why}")


def _labels(newest: FrameResult | None) -> tuple[FaceLabel, ...]:
    """Return label and confidence of the largest faces, largest first."""
    if newest is None:
        return ()
    largest = sorted(newest.faces, key=lambda face: face.box[2] * face.box[3], reverse=True)[:_LABELS]
    return tuple(
        FaceLabel(face.label or face.emotion, face.label_confidence if face.label else face.confidence)
        for face in largest
    )
