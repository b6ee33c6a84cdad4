"""What a producer says about its camera, twice a second and at every change, and its right to be the only one."""

from __future__ import annotations

import os
import socket
import threading
import time
import uuid
from dataclasses import replace

from mien.bus.bus import Bus
from mien.bus.outage import Outage
from mien.errors import BrokerRefused, BrokerUnavailable, SourceError, line_of
from mien.logs import get_logger
from mien.types import Camera, CameraState

BEAT_S = 0.5
_WAIT_FOR_LEASE_S = 2.5
_JOIN_S = 1.0

log = get_logger(__name__)


class Heartbeat:
    """Publishes the state of one camera from a thread of its own, so that a slow broker never delays the pictures.

    It is `over` when another producer has taken the camera, which can happen after an outage of the broker, or when the
    broker refuses what is said; `check` says which.
    """

    def __init__(self, bus: Bus, camera: Camera, outage: Outage) -> None:
        self._bus = bus
        self._camera = camera
        self._outage = outage
        self._holder = f"process {os.getpid()} on {socket.gethostname()}/{uuid.uuid4().hex}"
        self._other = ""
        self._changed = threading.Condition()
        self._due = False
        self._stopping = False
        self._taken = False
        self._refused: BrokerRefused | None = None
        self._thread = threading.Thread(target=self._run, name="heartbeat", daemon=True)

    @property
    def camera(self) -> Camera:
        """What is said at present."""
        return self._camera

    @property
    def over(self) -> bool:
        """Whether nothing will be published any more, however long one waits."""
        return self._taken or self._refused is not None

    def start(self, stop: threading.Event) -> bool:
        """Take the camera and start to beat; False when `stop` was set first.

        Waits up to 2.5 s for a producer that has just ended. Raises SourceError when another producer keeps the
        camera, BrokerUnavailable when the broker is away, BrokerRefused.
        """
        deadline_s = time.monotonic() + _WAIT_FOR_LEASE_S
        while not self._leases():
            if time.monotonic() > deadline_s:
                raise SourceError(self._another())
            if stop.wait(0.1):
                return False
        self._thread.start()
        return True

    def say(self, state: CameraState, reason: str = "") -> None:
        """Change the state; it is published at once."""
        with self._changed:
            if (state, reason) == (self._camera.state, self._camera.reason):
                return
            if state != self._camera.state:
                log.info("camera", name=self._camera.name, state=state.value, **({"reason": reason} if reason else {}))
            self._camera = replace(self._camera, state=state, reason=reason)
            self._due = True
            self._changed.notify_all()

    def measure(self, *, fps: float, width: int, height: int) -> None:
        """Change the figures; they are published with the next beat."""
        with self._changed:
            self._camera = replace(self._camera, fps=fps, width=width, height=height)

    def stop(self) -> None:
        """Publish the last state and give the camera back."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
        if self._thread.is_alive():
            self._thread.join(_JOIN_S)
        if self.over:
            return
        try:
            self._bus.put_camera(self._camera)
            self._bus.release(self._camera.name, self._holder)
        except BrokerUnavailable as error:
            self._outage.failed(error)
        except BrokerRefused as error:  # whoever ends this producer knows already, or will see it in the log
            log.error("the last state of the camera could not be published", error=line_of(error))

    def check(self) -> None:
        """Raise SourceError when another producer took the camera, BrokerRefused when the broker refuses."""
        if self._refused is not None:
            raise self._refused
        if self._taken:
            raise SourceError(self._another())

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._due or self._stopping, BEAT_S)
                if self._stopping:
                    return
                self._due = False
                camera = self._camera
            self._beat(camera)
            if self.over:
                return

    def _beat(self, camera: Camera) -> None:
        try:
            if not self._leases():
                self._taken = True
                return
            self._bus.put_camera(camera)
        except BrokerUnavailable as error:
            self._outage.failed(error)
        except BrokerRefused as error:
            self._refused = error
        except Exception as error:  # the boundary of this thread: a camera that stops beating would look dead
            log.error("the state of the camera could not be published", name=camera.name, error=line_of(error))
        else:
            self._outage.passed()

    def _leases(self) -> bool:
        """Take or renew the camera; False while another producer has it, which `_another` then names."""
        holder = self._bus.lease(self._camera.name, self._holder)
        if holder == self._holder:
            return True
        self._other = line_of(holder.rpartition("/")[0] or "unknown", 100)
        return False

    def _another(self) -> str:
        return (
            f"camera {self._camera.name!r} already has a producer ({self._other}); end that one or choose another name"
        )
