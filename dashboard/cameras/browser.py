"""Browser cameras: a tab that sends its webcam picture by picture, published as any producer does.

A tab has one picture on the way at a time, and pictures that come while more than two frames wait are counted as
superseded, so nothing queues. A camera ends with its tab: when the tab says so, or 2 s after its last picture.
"""

from __future__ import annotations

import hmac
import secrets
import threading
import time
from dataclasses import dataclass, field

from dashboard.problems import Refused
from mien.bus.bus import Bus
from mien.errors import BrokerError, PictureError
from mien.headers.picture import header_of
from mien.limits import check_pixels
from mien.logs import get_logger
from mien.settings import Settings
from mien.types import Camera, CameraState, Frame

FRAME_BYTES = 4 << 20
MOST_CAMERAS = 16
SILENT_S = 2.0
SOURCE = "browser"
_HEARTBEAT_S = 0.4
_SHOWN_AS_ENDED_S = 1.0
# A worker looks for cameras every 0.5 s. Until then it still reads the camera, which creates its empty stream again.
_READ_ON_S = 3.0
_IN_FLIGHT = 2
_RATE_SMOOTHING = 0.1

log = get_logger(__name__)


@dataclass(slots=True)
class BrowserCamera:
    """One tab's webcam."""

    name: str
    token: str
    holder: str = field(default_factory=lambda: f"a tab of the dashboard/{secrets.token_hex(16)}")
    seq: int = 0
    skipped: int = 0
    width: int = 0
    height: int = 0
    fps: float = 0.0
    heard_s: float = field(default_factory=time.monotonic)
    beat_s: float = 0.0
    ended_s: float | None = None
    is_forgotten: bool = False


class BrowserCameras:
    """The webcams of all open tabs."""

    def __init__(self, bus: Bus, settings: Settings) -> None:
        self._bus = bus
        self._settings = settings
        self._cameras: dict[str, BrowserCamera] = {}
        self._thread: threading.Thread | None = None
        self._stopped = threading.Event()

    def open(self) -> BrowserCamera:
        """Make a camera; raises Refused when there are too many, BrokerError."""
        if sum(camera.ended_s is None for camera in self._cameras.values()) >= MOST_CAMERAS:
            raise Refused(429, f"{MOST_CAMERAS} webcams are open already")
        camera = BrowserCamera(f"webcam-{secrets.token_hex(3)}", secrets.token_urlsafe(24))
        self._take_lease(camera)
        self._cameras[camera.name] = camera
        self._start()
        self._beat(camera)
        log.info("a webcam opened", camera=camera.name)
        return camera

    def publish(self, name: str, token: str, jpeg: bytes) -> bool:
        """Publish one picture; False when it was skipped because others still wait.

        Raises Refused (410 for a camera that has ended), PictureError, BrokerUnavailable.
        """
        camera = self._find(name, token)
        captured_ns = self._bus.clock.now_ns()
        header = header_of(jpeg)
        check_pixels(header.width, header.height, self._settings.photo_max_pixels)
        most = self._settings.max_frame_width
        if header.kind != "jpeg" or max(header.width, header.height) > most:
            raise PictureError(f"a webcam sends JPEGs of at most {most}×{most} pixels, this is a {header.kind}"
                               f" of {header.width}×{header.height}")  # fmt: skip
        self._hear(camera)
        camera.width, camera.height = header.width, header.height
        if self._bus.in_flight(name) > _IN_FLIGHT:
            camera.skipped += 1
            return False
        skipped, camera.skipped = camera.skipped, 0
        camera.seq += 1 + skipped
        frame = Frame(name, camera.seq, captured_ns, header.width, header.height, jpeg)
        self._bus.publish(frame, skipped=skipped)
        return True

    def end(self, name: str, token: str) -> None:
        """End a camera because its tab says so; raises Refused."""
        self._end(self._find(name, token), "the tab ended it")

    def close(self) -> None:
        """End all cameras and take them off the bus."""
        self._stopped.set()
        if self._thread is not None:
            self._thread.join(timeout=2.0)
        for camera in tuple(self._cameras.values()):
            try:
                self._end(camera, "the dashboard stops")
                self._bus.forget_camera(camera.name)
            except BrokerError:
                break
        self._cameras.clear()

    def forget_orphans(self) -> None:
        """Remove webcams that an earlier process left on the bus; raises BrokerUnavailable."""
        for camera in self._bus.cameras():
            if camera.source == SOURCE and camera.state is not CameraState.LIVE and camera.name not in self._cameras:
                self._bus.forget_camera(camera.name)

    def _find(self, name: str, token: str) -> BrowserCamera:
        camera = self._cameras.get(name)
        if camera is None or camera.ended_s is not None:
            raise Refused(410, f"webcam {name!r} has ended; open a new one")
        if not hmac.compare_digest(camera.token.encode(), token.encode()):
            raise Refused(403, f"this is not the token of webcam {name!r}")
        return camera

    def _hear(self, camera: BrowserCamera) -> None:
        now_s = time.monotonic()
        rate = 1.0 / max(now_s - camera.heard_s, 1e-3)
        camera.fps = rate if camera.seq <= 1 else camera.fps + _RATE_SMOOTHING * (min(rate, 120.0) - camera.fps)
        camera.heard_s = now_s
        if now_s - camera.beat_s >= _HEARTBEAT_S:
            self._take_lease(camera)
            self._beat(camera)

    def _take_lease(self, camera: BrowserCamera) -> None:
        if self._bus.lease(camera.name, camera.holder) != camera.holder:
            raise Refused(409, f"another producer has the camera {camera.name!r}")

    def _beat(self, camera: BrowserCamera, state: CameraState = CameraState.LIVE, reason: str = "") -> None:
        camera.beat_s = time.monotonic()
        note = Camera(camera.name, state, reason, SOURCE, "live", camera.fps, camera.width, camera.height)
        self._bus.put_camera(note)

    def _end(self, camera: BrowserCamera, reason: str) -> None:
        if camera.ended_s is not None:
            return
        camera.ended_s = time.monotonic()
        log.info("a webcam ended", camera=camera.name, reason=reason)
        self._bus.flush(camera.name)
        self._beat(camera, CameraState.ENDED, reason)

    def _start(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._sweep, name="browser-cameras", daemon=True)
            self._thread.start()

    def _sweep(self) -> None:
        while not self._stopped.wait(0.25):
            for camera in tuple(self._cameras.values()):
                try:
                    self._look_after(camera)
                except BrokerError:
                    break  # the next round tries again

    def _look_after(self, camera: BrowserCamera) -> None:
        now_s = time.monotonic()
        if camera.ended_s is None and now_s - camera.heard_s > SILENT_S:
            self._end(camera, f"the tab was silent for {SILENT_S:.0f} s")
        ended_for_s = 0.0 if camera.ended_s is None else now_s - camera.ended_s
        if ended_for_s > _SHOWN_AS_ENDED_S and not camera.is_forgotten:
            self._bus.forget_camera(camera.name)
            camera.is_forgotten = True
        if ended_for_s > _SHOWN_AS_ENDED_S + _READ_ON_S:
            self._bus.forget_camera(camera.name)
            self._cameras.pop(camera.name, None)
