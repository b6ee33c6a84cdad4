"""The producer of one camera: source, feed, JPEG, bus; and what it does when one of them fails."""

from __future__ import annotations

import threading
import time
from collections import deque

from mien.address import Address
from mien.bus.bus import Bus
from mien.bus.outage import Outage
from mien.errors import BrokerUnavailable, SourceError, SourceLost, UnknownSource, line_of
from mien.logs import get_logger
from mien.settings import Settings, check_camera_name
from mien.types import Camera, CameraState, Delivery, Frame
from producer.backoff import Backoff
from producer.delivery import DeliveryWay, LiveDelivery, LosslessDelivery
from producer.feed import Captured, Feed
from producer.grabber import Grabber
from producer.heartbeat import Heartbeat
from producer.pacer import Pacer
from producer.sources.jpeg import as_jpeg
from producer.sources.source import LiveSource, PacedSource, Source

_TAKE_S = 0.2
_GOOD_S = 5.0
_RATE_OVER_S = 2.0
_RETRY_S = 0.2

log = get_logger(__name__)


class Producer:
    """Publishes the frames of `source` as camera `camera` until the source ends or `stop` is set.

    `shown` is where the pictures come from, for people. `most_fps`, when not 0, thins a live source out; a paced source
    knows its own rate.
    """

    def __init__(
        self,
        camera: str,
        source: Source,
        bus: Bus,
        settings: Settings,
        *,
        shown: Address,
        delivery: Delivery = "live",
        most_fps: float = 0.0,
        stop: threading.Event | None = None,
    ) -> None:
        self._source = source
        self._bus = bus
        self._settings = settings
        self._delivery: Delivery = delivery
        self._stop = stop or threading.Event()
        self._outage = Outage()
        self._camera = check_camera_name(camera)
        about = Camera(camera, CameraState.CONNECTING, source=shown.shown, delivery=delivery)
        self._heartbeat = Heartbeat(bus, about, self._outage)
        self._way = self._delivery_way()
        self._period_s = 1 / most_fps if most_fps and isinstance(source, LiveSource) else 0.0
        self._grabber: Grabber | None = None
        self._rate = Rate()
        self._captured = 0
        self._was_live = False
        self._live_since_s: float | None = None

    @property
    def hangs(self) -> bool:
        """Whether a thread still waits for a camera that does not answer, after `run`."""
        return self._grabber is not None and self._grabber.hangs

    def run(self) -> None:
        """Produce. Raises UnknownSource, SourceError or BrokerRefused when trying again cannot help.

        A broker that is away is waited for, at the start and later.
        """
        if not self._start():
            return
        try:
            self._play()
            self._heartbeat.check()
            self._way.finish()
            self._heartbeat.say(CameraState.ENDED)
        except SourceError as error:
            self._heartbeat.say(CameraState.FAILED, line_of(error))
            raise
        finally:
            self._heartbeat.stop()

    def _start(self) -> bool:
        """Take the camera, once the broker is there; False when `stop` was set first."""
        while not self._stop.is_set():
            try:
                self._bus.clock.sync()
                started = self._heartbeat.start(self._stop)
            except BrokerUnavailable as error:
                self._outage.failed(error)
                self._stop.wait(_RETRY_S)
            else:
                self._outage.passed()
                return started
        return False

    def _play(self) -> None:
        backoff = Backoff()
        while not self._done():
            try:
                self._play_once()
                return
            except SourceLost as error:
                reason = line_of(error)
            except UnknownSource as error:
                # A camera that was there may have been unplugged and come back; a name that never worked is wrong.
                if not self._was_live or isinstance(self._source, PacedSource):
                    raise
                reason = line_of(error)
            self._heartbeat.say(CameraState.NO_SIGNAL, reason)
            if self._live_since_s is not None and time.monotonic() - self._live_since_s > _GOOD_S:
                backoff.reset()
            self._stop.wait(backoff.next_s())

    def _play_once(self) -> None:
        """Open the source and publish its frames until it ends; raises what the source raises."""
        self._live_since_s = None
        feed = self._feed()
        try:
            feed.start()
            next_s = 0.0
            while not self._done() and not feed.ended:
                if self._stop.wait(max(0.0, next_s - time.monotonic())):
                    return
                captured = feed.next(_TAKE_S)
                if captured is not None:
                    next_s = time.monotonic() + self._period_s
                    self._publish(captured)
        finally:
            self._captured += (left := feed.close())
            self._way.skip(left)

    def _publish(self, captured: Captured) -> None:
        grab = captured.grab
        jpeg, width, height = as_jpeg(grab, self._settings)
        self._captured += captured.skipped
        frame = Frame(
            camera=self._camera,
            seq=self._captured,
            captured_ns=self._bus.clock.from_monotonic(grab.captured_ns),
            width=width,
            height=height,
            jpeg=jpeg,
            delivery=self._delivery,
        )
        self._captured += 1
        self._rate.add(grab.captured_ns / 1e9, captured.skipped + 1)
        self._heartbeat.measure(fps=self._rate.fps(), width=width, height=height)
        self._heartbeat.say(CameraState.LIVE)
        self._was_live = True
        self._live_since_s = self._live_since_s or time.monotonic()
        self._way.send(frame, captured.skipped)
        self._keep_time()

    def _keep_time(self) -> None:
        if self._outage.lasts:
            return
        try:
            self._bus.clock.sync_when_due()
        except BrokerUnavailable as error:
            self._outage.failed(error)

    def _done(self) -> bool:
        return self._stop.is_set() or self._heartbeat.over

    def _feed(self) -> Feed:
        keep_all = self._delivery == "lossless"
        if isinstance(self._source, LiveSource):
            self._grabber = Grabber(self._source, keep_all=keep_all, after=self._grabber)
            return self._grabber
        return Pacer(self._source, self._stop, keep_all=keep_all)

    def _delivery_way(self) -> DeliveryWay:
        if self._delivery == "live":
            return LiveDelivery(self._bus, self._camera, self._outage)
        return LosslessDelivery(
            self._bus, self._camera, self._outage, backlog=self._settings.lossless_backlog, stop=self._stop
        )


class Rate:
    """Frames a second over the last 2 s."""

    def __init__(self) -> None:
        self._captured: deque[tuple[float, int]] = deque()

    def add(self, at_s: float, frames: int) -> None:
        """Count frames captured at a moment of the monotonic clock."""
        self._captured.append((at_s, frames))
        while at_s - self._captured[0][0] > _RATE_OVER_S and len(self._captured) > 2:
            self._captured.popleft()

    def fps(self) -> float:
        """Return the rate, 0 while it is not known."""
        span_s = self._captured[-1][0] - self._captured[0][0] if self._captured else 0.0
        # The first entry only marks the beginning of the interval; its frames were captured before it.
        return sum(frames for _, frames in list(self._captured)[1:]) / span_s if span_s > 0 else 0.0
