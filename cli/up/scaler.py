"""How many live workers `mien up` has."""

from __future__ import annotations

import threading
from collections.abc import Callable

from mien.bus.bus import Bus
from mien.errors import BrokerUnavailable
from mien.logs import get_logger
from mien.types import CameraState

_LOOK_EVERY_S = 1.0

log = get_logger(__name__)


class WorkerScaler:
    """Sees to it that there are as many workers as live cameras, up to a number; nobody is sent away again.

    A worker takes 300 MB, so not all are started for one camera. One without cameras costs next to nothing.
    """

    def __init__(self, bus: Bus, most: int, hire: Callable[[], None]) -> None:
        self._bus = bus
        self._most = most
        self._hire = hire
        self._workers = 1

    def watch(self, stopping: threading.Event) -> None:
        """Look at the cameras once a second, until `stopping`."""
        while not stopping.wait(_LOOK_EVERY_S):
            try:
                self.look()
            except BrokerUnavailable as error:
                log.debug("the cameras cannot be seen", reason=str(error))
        self._bus.close()

    def look(self) -> None:
        """Take in one worker when there are more live cameras than workers."""
        if self._workers >= self._most:
            return
        live = sum(camera.state == CameraState.LIVE for camera in self._bus.cameras())
        if live > self._workers:
            self._workers += 1
            log.info("a worker is added", cameras=live, workers=self._workers, most=self._most)
            self._hire()
