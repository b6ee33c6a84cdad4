"""The hub: one reader of the bus for all viewers.

One thread (under gunicorn a greenlet) reads the views of every camera that somebody looks at with one XREAD and says
each second that they are watched; another one reads results for those who listen. A viewer has no queue: it is woken
and takes the newest picture of each of its cameras, so a slow one skips pictures and never grows.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from dashboard.cameras.places import Places
from dashboard.endings import Refusal, say
from mien.bus.bus import Bus
from mien.bus.outage import Outage
from mien.errors import BrokerError, BrokerRefused, BrokerUnavailable
from mien.logs import get_logger
from mien.types import View

WATCH_EVERY_S = 1.0
FRESH_S = 2.0
RETRY_S = 0.5
_IDLE_S = 0.2
_RESULTS_KEPT = 100

log = get_logger(__name__)


@dataclass(slots=True)
class Shown:
    """The newest view of a camera; `number` grows with each view whose picture differs from the one before."""

    view: View
    number: int
    seen_s: float
    arrived: float = field(default_factory=time.time)
    _made: dict[Callable[[Shown], bytes], bytes] = field(default_factory=dict, repr=False)

    def made(self, make: Callable[[Shown], bytes]) -> bytes:
        """Return `make(self)`, which is made once for all viewers."""
        if make not in self._made:
            self._made[make] = make(self)
        return self._made[make]

    def see_again(self, view: View) -> None:
        """Take over the frame id of a view whose picture is the same."""
        self.view, self.seen_s = view, time.monotonic()
        self._made.clear()


@dataclass(frozen=True, slots=True)
class Event:
    """One result as a server-sent event, the same bytes for all listeners; `number` grows with each result."""

    number: int
    sent: bytes = field(repr=False)


class Viewer:
    """Somebody who looks at some cameras, or at all of them."""

    def __init__(self, hub: Hub, cameras: Iterable[str] | None) -> None:
        self._hub = hub
        self._chosen = None if cameras is None else tuple(cameras)
        self._shown: dict[str, int] = {}
        self.woken = threading.Event()

    @property
    def cameras(self) -> tuple[str, ...]:
        """The cameras looked at, now."""
        return self._hub.known() if self._chosen is None else self._chosen

    def looks_at(self, camera: str) -> bool:
        """Return whether this viewer shows a camera."""
        return self._chosen is None or camera in self._chosen

    def next(self, timeout_s: float) -> list[Shown]:
        """Return the newest view of each camera that has one this viewer was not given yet; waits for the first."""
        deadline_s = time.monotonic() + timeout_s
        while True:
            cameras = self.cameras
            fresh = [shown for camera in cameras if (shown := self._fresh(camera)) is not None]
            left_s = deadline_s - time.monotonic()
            if fresh or left_s <= 0:
                self._shown.update({shown.view.camera: shown.number for shown in fresh})
                for gone in self._shown.keys() - set(cameras):
                    self._shown.pop(gone)
                return fresh
            self.woken.wait(left_s)
            self.woken.clear()

    def _fresh(self, camera: str) -> Shown | None:
        shown = self._hub.newest(camera)
        return shown if shown is not None and shown.number != self._shown.get(camera) else None


class Listener:
    """Somebody who hears of every result of one camera, and skips some when too slow."""

    def __init__(self, hub: Hub, camera: str) -> None:
        self._hub = hub
        self._heard = -1
        self.camera = camera
        self.woken = threading.Event()

    def next(self, timeout_s: float) -> list[Event]:
        """Return the results since the last call, at most the last 100; waits for the first."""
        deadline_s = time.monotonic() + timeout_s
        while True:
            events = [event for event in self._hub.events(self.camera) if event.number > self._heard]
            left_s = deadline_s - time.monotonic()
            if events or left_s <= 0:
                self._heard = events[-1].number if events else self._heard
                return events
            self.woken.wait(left_s)
            self.woken.clear()


class Hub:
    """Reads the bus for all viewers and listeners of this process; `known` names all cameras.

    `refused` is told when the broker refuses what it is asked.
    """

    def __init__(
        self, bus: Bus, known: Callable[[], tuple[str, ...]], refused: Refusal = say, outage: Outage | None = None
    ) -> None:
        self.known = known
        self.views_read = 0
        self.views_same = 0
        self._bus = bus
        self._refused = refused
        self._outage = Outage() if outage is None else outage
        self._viewers: set[Viewer] = set()
        self._listeners: set[Listener] = set()
        self._newest: dict[str, Shown] = {}
        self._events: dict[str, deque[Event]] = {}
        self._view_places = Places(bus.last_view_ids, earlier="given")
        self._result_places = Places(bus.last_result_ids, earlier="skipped")
        self._listening = threading.Lock()
        self._watched: frozenset[str] = frozenset()
        self._watched_s = 0.0
        self._numbers = 0
        self._threads: list[threading.Thread] = []
        self._stopped = threading.Event()

    # Viewers and listeners

    @contextmanager
    def viewer(self, cameras: Iterable[str] | None) -> Iterator[Viewer]:
        """Look at some cameras (None: at all, new ones too) for as long as the context lasts."""
        viewer = Viewer(self, cameras)
        self._viewers.add(viewer)
        self._start()
        try:
            yield viewer
        finally:
            self._viewers.discard(viewer)

    @contextmanager
    def listener(self, camera: str) -> Iterator[Listener]:
        """Hear of every result of a camera that comes while the context lasts."""
        listener = Listener(self, camera)
        with self._listening:
            self._listeners.add(listener)
        try:
            with suppress(BrokerError):  # the reader thread tries again
                self._result_places.begin([camera])
            self._start()
            yield listener
        finally:
            self._listeners.discard(listener)

    def newest(self, camera: str) -> Shown | None:
        """Return the newest view of a watched camera when it is under 2 s old."""
        shown = self._newest.get(camera)
        return shown if shown is not None and time.monotonic() - shown.seen_s < FRESH_S else None

    def events(self, camera: str) -> tuple[Event, ...]:
        """Return the last results of a camera that somebody listens to, oldest first."""
        return tuple(self._events.get(camera, ()))

    def viewers(self) -> dict[str, int]:
        """Return how many look at each camera."""
        counts: dict[str, int] = {}
        for viewer in tuple(self._viewers):
            for camera in viewer.cameras:
                counts[camera] = counts.get(camera, 0) + 1
        return counts

    def close(self) -> None:
        """Stop reading; waits until both readers have ended."""
        self._stopped.set()
        for thread in self._threads:
            thread.join(timeout=2.0)

    # Readers

    def _start(self) -> None:
        if self._threads:
            return
        for name, step in (("views", self._relay_views), ("results", self._relay_results)):
            thread = threading.Thread(target=self._loop, args=(name, step), name=f"hub-{name}", daemon=True)
            self._threads.append(thread)
            thread.start()

    def _loop(self, name: str, step: Callable[[], bool]) -> None:
        while not self._stopped.is_set():
            try:
                if not step():
                    self._stopped.wait(_IDLE_S)
                self._outage.passed(name)
            except BrokerUnavailable as error:
                self._outage.failed(error, name)
                self._stopped.wait(RETRY_S)
            except BrokerRefused as error:
                self._refused(error)
                self._stopped.wait(RETRY_S)
            except Exception:
                log.exception("a reader of the hub failed and goes on", reader=name)
                self._stopped.wait(RETRY_S)

    def _relay_views(self) -> bool:
        wanted = frozenset(self.viewers())
        self._forget(wanted)
        if not wanted:
            return False
        self._watch(wanted)
        for camera, (entry_id, view) in self._bus.read_views(self._view_places.after(wanted)).items():
            self._view_places.note(camera, entry_id)
            if self._age_s(entry_id) < FRESH_S:
                self._show(view)
        return True

    def _relay_results(self) -> bool:
        with self._listening:  # a listener that joins now must not lose its place in the stream
            wanted = {listener.camera for listener in self._listeners}
            self._result_places.forget_others(wanted)
            for camera in self._events.keys() - wanted:
                self._events.pop(camera)
        if not wanted:
            return False
        for camera, entry_id, text in self._bus.read_result_texts(self._result_places.after(wanted)):
            self._result_places.note(camera, entry_id)
            self._tell(camera, text)
        return True

    def _watch(self, wanted: frozenset[str]) -> None:
        now_s = time.monotonic()
        if wanted - self._watched or now_s - self._watched_s >= WATCH_EVERY_S:
            self._bus.watch(wanted)
            self._bus.clock.sync_when_due()
            self._watched, self._watched_s = wanted, now_s

    def _forget(self, wanted: frozenset[str]) -> None:
        for camera in self._newest.keys() - wanted:
            self._newest.pop(camera)
        self._view_places.forget_others(wanted)
        self._watched &= wanted

    def _age_s(self, entry_id: str) -> float:
        """Return the age of a stream entry, whose id begins with its time on the broker's clock in ms."""
        return self._bus.clock.now_ns() / 1e9 - int(entry_id.partition("-")[0]) / 1e3

    def _show(self, view: View) -> None:
        before = self._newest.get(view.camera)
        self.views_read += 1
        if before is not None and before.view.jpeg == view.jpeg:
            self.views_same += 1
            before.see_again(view)
            return
        self._numbers += 1
        self._newest[view.camera] = Shown(view, self._numbers, time.monotonic())
        for viewer in tuple(self._viewers):
            if viewer.looks_at(view.camera):
                viewer.woken.set()

    def _tell(self, camera: str, text: bytes) -> None:
        """Send a result on as its worker wrote it: JSON on one line."""
        self._numbers += 1
        events = self._events.setdefault(camera, deque(maxlen=_RESULTS_KEPT))
        events.append(Event(self._numbers, b"id: %d\nevent: result\ndata: %b\n\n" % (self._numbers, text)))
        for listener in tuple(self._listeners):
            if listener.camera == camera:
                listener.woken.set()
