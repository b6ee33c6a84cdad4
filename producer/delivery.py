"""How frames get onto the bus: live, where only the newest frame counts, or lossless, where every frame counts."""

from __future__ import annotations

import threading
import time
import uuid
from abc import ABC, abstractmethod
from dataclasses import dataclass

from mien.bus.bus import Bus
from mien.bus.outage import Outage
from mien.errors import BrokerUnavailable
from mien.types import Frame

_RETRY_S = 0.2
_POLL_S = 0.01
_DRAIN_S = 0.5


@dataclass(frozen=True, slots=True)
class _Attempt:
    """A frame with all that a second try must repeat, so that the broker recognises it."""

    frame: Frame
    skipped: int
    token: str


class DeliveryWay(ABC):
    """Puts the frames of one camera on the bus, and survives a broker that is away."""

    def __init__(self, bus: Bus, camera: str, outage: Outage) -> None:
        self._bus = bus
        self._camera = camera
        self._outage = outage
        self._run = uuid.uuid4().hex[:12]

    @abstractmethod
    def send(self, frame: Frame, skipped: int) -> None:
        """Deliver a frame; `skipped` were captured before it and replaced by it."""

    @abstractmethod
    def skip(self, frames: int) -> None:
        """Count frames that were captured and will not be published."""

    def finish(self) -> None:
        """Give the worker 0.5 s for the frames that it has read, and end those that no worker has read."""
        deadline_s = time.monotonic() + _DRAIN_S
        try:
            while self._bus.in_flight(self._camera) and time.monotonic() < deadline_s:
                time.sleep(_POLL_S)
            self._bus.flush(self._camera)
        except BrokerUnavailable as error:
            self._outage.failed(error)

    def _attempt(self, frame: Frame, skipped: int) -> _Attempt:
        return _Attempt(frame, skipped, f"{self._run}:{frame.seq}")

    def _try(self, attempt: _Attempt) -> bool:
        try:
            self._bus.publish(attempt.frame, skipped=attempt.skipped, token=attempt.token)
        except BrokerUnavailable as error:
            self._outage.failed(error)
            return False
        self._outage.passed()
        return True


class LiveDelivery(DeliveryWay):
    """Never waits: while the broker is away, frames are lost, and counted as superseded when it is back.

    The frame that failed is tried again before any other: the broker may have got it and only its answer was lost.
    """

    def __init__(self, bus: Bus, camera: str, outage: Outage) -> None:
        super().__init__(bus, camera, outage)
        self._failed: _Attempt | None = None
        self._lost = 0
        self._retry_at_s = 0.0

    def send(self, frame: Frame, skipped: int) -> None:
        """Publish a frame, or count it as lost."""
        self._lost += skipped
        if self._failed is not None and not self._try_again():
            self._lost += 1
            return
        attempt = self._attempt(frame, self._lost)
        self._lost = 0
        if not self._try(attempt):
            self._failed = attempt
            self._retry_at_s = time.monotonic() + _RETRY_S

    def skip(self, frames: int) -> None:
        """Count frames with the next one that is sent, or at the end."""
        self._lost += frames

    def finish(self) -> None:
        """Count what is not counted yet, give the worker 0.5 s for what it has read, and end the rest."""
        self._retry_at_s = 0.0
        if self._failed is not None and not self._try_again():
            return
        try:
            self._bus.skip(self._camera, self._lost)
        except BrokerUnavailable as error:
            self._outage.failed(error)
            return
        self._lost = 0
        super().finish()

    def _try_again(self) -> bool:
        if self._failed is None or time.monotonic() < self._retry_at_s:
            return False
        if not self._try(self._failed):
            self._retry_at_s = time.monotonic() + _RETRY_S
            return False
        self._failed = None
        return True


class LosslessDelivery(DeliveryWay):
    """Waits: for the worker while `backlog` frames are on the way, and for the broker while it is away."""

    def __init__(self, bus: Bus, camera: str, outage: Outage, *, backlog: int, stop: threading.Event) -> None:
        super().__init__(bus, camera, outage)
        self._backlog = backlog
        self._stop = stop

    def send(self, frame: Frame, skipped: int) -> None:
        """Publish a frame, however long it takes; only a stop ends the wait."""
        attempt = self._attempt(frame, skipped)
        self._wait_until_fewer(self._backlog)
        while not self._stop.is_set() and not self._try(attempt):
            self._stop.wait(_RETRY_S)

    def skip(self, frames: int) -> None:
        """Nothing is ever skipped: what a stop leaves behind was not captured yet."""

    def finish(self) -> None:
        """Wait until the last frame is analysed; after a stop, 0.5 s at most, and end what nobody has read."""
        self._wait_until_fewer(1)
        super().finish()

    def _wait_until_fewer(self, frames: int) -> None:
        while not self._stop.is_set():
            try:
                if self._bus.in_flight(self._camera) < frames:
                    return
                wait_s = _POLL_S
            except BrokerUnavailable as error:
                self._outage.failed(error)
                wait_s = _RETRY_S
            self._stop.wait(wait_s)
