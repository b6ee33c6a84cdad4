"""The live worker: collect → analyse → publish, over and over, until it is stopped."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Mapping, Sequence

from mien.bus import BLOCK_MS, READ_COUNT, Bus
from mien.errors import BrokerUnavailable
from mien.logs import get_logger
from mien.metrics import WorkerMetrics
from mien.settings import Settings
from mien.types import DropReason, Frame
from worker.analyse import Analyzer, BatchAnalysis
from worker.collect import Batch, Collector, Drop, Rules
from worker.membership import Membership
from worker.publish import Publisher

BEAT_EVERY_S = 0.25
"""Time between heartbeats; with the 1.5 s after which one expires, a dead worker's cameras move within 2 s."""

RETRY_FIRST_S = 0.1
RETRY_LAST_S = 2.0

FINISH_S = 0.7
"""How long a worker that is stopped goes on with lossless frames when no other worker can take them."""

MAX_BATCH = 16

log = get_logger(__name__)


class LiveWorker:
    """One process' worker; `run` returns when `stop` was called (from a signal handler or another thread)."""

    def __init__(
        self, bus: Bus, settings: Settings, analyzer: Analyzer, metrics: WorkerMetrics, about: Mapping[str, object]
    ) -> None:
        self._bus = bus
        self._analysis = BatchAnalysis(analyzer)
        self._metrics = metrics
        self._about = {"pid": os.getpid(), "host": socket.gethostname(), **about}
        self._membership = Membership(bus)
        self._rules = Rules(int(settings.budget_ms * 1e6), int(settings.starve_ms * 1e6))
        self._collector = Collector(self._rules)
        self._publisher = Publisher(bus, settings, metrics, analyzer.threshold)
        self._pace = Pace()
        self._watched: frozenset[str] = frozenset()
        self._stopping = threading.Event()
        self._next_beat_s = 0.0

    def stop(self) -> None:
        """Ask the worker to end: it finishes its batch and takes itself off the list."""
        self._stopping.set()

    def run(self) -> None:
        """Work until stopped. A bus that goes away is waited for; it is logged once."""
        retry_s = 0.0
        while not self._stopping.is_set():
            try:
                self._turn()
                if retry_s:
                    log.info("the bus is back", worker=self._membership.name)
                    retry_s = 0.0
            except BrokerUnavailable as error:
                if not retry_s:
                    log.warning("waiting for the bus", reason=str(error))
                    self._start_over()
                retry_s = min(2 * retry_s or RETRY_FIRST_S, RETRY_LAST_S)
                self._stopping.wait(retry_s)
        try:
            self._end()
        except BrokerUnavailable as error:
            log.warning("stopped while the bus was away", reason=str(error))

    def _turn(self) -> None:
        self._beat_when_due()
        self._collect()
        batch = self._collector.close(self._bus.clock.now_ns(), self._pace.limit(self._rules.budget_ns))
        if batch is not None:
            self._work(batch)

    def _beat_when_due(self) -> None:
        now_s = time.monotonic()
        if now_s < self._next_beat_s:
            return
        self._bus.clock.sync_when_due()
        fps = self._pace.fps(now_s)
        change = self._membership.beat({**self._about, "cameras": sorted(self._membership.cameras), "fps": fps})
        self._collector.forget(change.lost)
        self._publisher.forget(change.lost)
        self._drop(self._collector.add(change.frames))
        self._watched = self._bus.watched(sorted(self._membership.cameras))
        self._metrics.cameras.set(len(self._membership.cameras))
        self._next_beat_s = now_s + BEAT_EVERY_S

    def _collect(self) -> None:
        """Read what is there, after waiting for it when there is nothing to do yet."""
        cameras = [name for name in self._membership.cameras if not self._collector.has_queue(name)]
        wait_ms = self._wait_ms()
        if not cameras:
            self._stopping.wait(wait_ms / 1000)
            return
        frames = self._bus.read(self._membership.name, cameras, wait_ms)
        self._take(frames)
        # More than one read's worth of a live camera: what comes first is old, the newest is still to be read.
        while len(frames) >= READ_COUNT and any(frame.delivery == "live" for frame in frames):
            cameras = [name for name in cameras if not self._collector.has_queue(name)]
            frames = self._bus.read(self._membership.name, cameras, 0)
            self._take(frames)

    def _wait_ms(self) -> int:
        until_beat_ms = max(1, int((self._next_beat_s - time.monotonic()) * 1000))
        left_ns = self._collector.share_left_ns(self._bus.clock.now_ns())
        if left_ns is None:
            return min(BLOCK_MS, until_beat_ms)
        return min(-(-left_ns // 1_000_000), until_beat_ms)

    def _take(self, frames: Sequence[Frame]) -> None:
        now_ns = self._bus.clock.now_ns()
        ahead = sum(frame.captured_ns > now_ns for frame in frames)
        if ahead:
            self._metrics.negative_ages.inc(ahead)
        self._drop(self._collector.add(frames))

    def _work(self, batch: Batch) -> None:
        self._drop(batch.stale)
        if not batch.frames:
            return
        started_s = time.perf_counter()
        analysed, failed = self._analysis.run(batch.frames, self._bus.clock.now_ns())
        self._drop(failed)
        for item in analysed:
            self._publisher.publish(item, self._watched)
            self._collector.had_result(item.frame.camera, self._bus.clock.now_ns())
        self._metrics.batch_frames.observe(len(batch.frames))
        self._pace.note(len(batch.frames), time.perf_counter() - started_s)

    def _drop(self, drops: Sequence[Drop]) -> None:
        groups: dict[tuple[str, DropReason], list[str]] = {}
        for drop in drops:
            groups.setdefault((drop.frame.camera, drop.reason), []).append(drop.frame.frame_id)
        for (camera, reason), frame_ids in groups.items():
            self._bus.drop(camera, frame_ids, reason)

    def _start_over(self) -> None:
        """Forget all that was held: it is taken over again, under a new name, when the bus is back."""
        self._collector = Collector(self._rules)
        self._publisher.forget_all()
        self._membership.rejoin()
        self._next_beat_s = 0.0

    def _end(self) -> None:
        """End every frame that this worker holds, or leave it to another worker, and leave."""
        name, alone = self._membership.name, not self._membership.others
        if alone:  # nobody else would ever read these
            self._take(self._bus.read(name, self._membership.quiet_cameras(), 0))
            deadline_s = time.monotonic() + FINISH_S
            while any(map(self._collector.has_queue, self._membership.cameras)) and time.monotonic() < deadline_s:
                batch = self._collector.close(self._bus.clock.now_ns(), MAX_BATCH)
                if batch is None:
                    break
                self._work(batch)
        held = self._collector.take_all()
        self._drop([Drop(frame, DropReason.WORKER_LOST) for frame in held if frame.delivery == "live"])
        left = sum(frame.delivery == "lossless" for frame in held)
        self._bus.leave(name)
        log.info("worker stopped", worker=name, left_for_others=left)


class Pace:
    """How fast this worker is: frames in a second, and how many fit into a frame's budget."""

    def __init__(self) -> None:
        self._frame_s = 0.0
        self._done = 0
        self._since_s = time.monotonic()
        self._fps = 0.0

    def note(self, frames: int, took_s: float) -> None:
        """Learn from a batch."""
        self._done += frames
        self._frame_s += (took_s / frames - self._frame_s) * (0.2 if self._frame_s else 1.0)

    def limit(self, budget_ns: int) -> int:
        """Return how many frames a batch may have so that the last one is still on time; at least 1."""
        if not self._frame_s:
            return 1
        return max(1, min(MAX_BATCH, int(budget_ns * 0.75 / 1e9 / self._frame_s)))

    def fps(self, now_s: float) -> float:
        """Return frames per second, measured over 1 s and more."""
        if now_s - self._since_s >= 1.0:
            self._fps = round(self._done / (now_s - self._since_s), 1)
            self._done, self._since_s = 0, now_s
        return self._fps
