"""The live worker: collect → analyse → publish, over and over, until it is stopped."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Mapping, Sequence

from mien.bus.budget import Budget
from mien.bus.bus import BLOCK_MS, READ_COUNT, Bus
from mien.bus.outage import Outage
from mien.errors import BrokerUnavailable
from mien.logs import get_logger
from mien.metrics import WorkerMetrics
from mien.settings import Settings
from mien.types import CameraState, DropReason, Frame
from worker.analyzer import LiveAnalyzer
from worker.live.analyse import BatchAnalysis
from worker.live.budget import Summary
from worker.live.collect import HURRIED_PART, WAITING_PART, Batch, Collector, Drop, Rules
from worker.live.desk import Desks
from worker.live.membership import Membership, beside
from worker.live.pace import Pace
from worker.live.publish import Publisher
from worker.tuning.governor import Governor

BEAT_EVERY_S = 0.25
"""Time between heartbeats; with the 1.5 s after which one expires, a dead worker's cameras move within 2 s."""

RETRY_FIRST_S = 0.1
RETRY_LAST_S = 2.0

FINISH_S = 0.7
"""How long a worker that is stopped goes on with lossless frames when no other worker can take them."""

BEATS_A_BUDGET = 4
"""Each heartbeat reports the budgets of a part of the cameras: of all at once it would make their frames late."""

NO_TIME = (DropReason.SUPERSEDED, DropReason.STALE)
"""Why frames are dropped that a faster worker, or a lighter plan, would have analysed."""

log = get_logger(__name__)


class LiveWorker:
    """One process' worker; `run` returns when `stop` was called (from a signal handler or another thread)."""

    def __init__(
        self,
        bus: Bus,
        settings: Settings,
        analyzer: LiveAnalyzer,
        metrics: WorkerMetrics,
        about: Mapping[str, object],
        governor: Governor | None = None,
        *,
        batches_cost_less: bool = False,
    ) -> None:
        """`about`: what the dashboard says of this worker. `governor`: chooses the plan; None: always everything.

        `batches_cost_less`: a batch takes less time than its frames one by one (on a GPU), so that waiting pays.
        """
        self._bus = bus
        self._settings = settings
        self._desks = Desks()
        self._analysis = BatchAnalysis(analyzer, settings.smoothing_ms, self._desks, settings.live_baseline)
        self._metrics = metrics
        self._about = {"pid": os.getpid(), "host": socket.gethostname(), **about}
        self._governor = Governor() if governor is None else governor
        self._membership = Membership(bus)
        waiting_part = WAITING_PART if batches_cost_less else HURRIED_PART
        self._rules = Rules(int(settings.budget_ms * 1e6), int(settings.starve_ms * 1e6), waiting_part)
        self._collector = Collector(self._rules, self._desks)
        self._publisher = Publisher(bus, settings, metrics, self._desks)
        self._pace = Pace()
        self._watched: frozenset[str] = frozenset()
        self._stopping = threading.Event()
        self._next_beat_s = 0.0
        self._beats = 0
        self._lost = 0

    def stop(self) -> None:
        """Ask the worker to end: it finishes its batch and takes itself off the list."""
        self._stopping.set()

    def run(self) -> None:
        """Work until stopped. A bus that is away is waited for; it is logged once. Raises BrokerRefused."""
        retry_s = 0.0
        outage = Outage()
        while not self._stopping.is_set():
            try:
                self._round()
                outage.passed()
                retry_s = 0.0
            except BrokerUnavailable as error:
                outage.failed(error)
                self._start_over()  # each time: frames may have been taken over before the round failed
                retry_s = min(2 * retry_s or RETRY_FIRST_S, RETRY_LAST_S)
                self._stopping.wait(retry_s)
        try:
            self._end()
        except BrokerUnavailable as error:
            log.warning("stopped while the bus was away", reason=str(error))

    def _round(self) -> None:
        self._beat_when_due()
        self._collect()
        batch = self._close()
        if batch is not None:
            self._work(batch)

    def _close(self) -> Batch | None:
        budget_ns = self._rules.budget_ns
        frame_ns = self._pace.frame_ns(time.monotonic())
        return self._collector.close(self._bus.clock.now_ns(), self._pace.limit(budget_ns), frame_ns)

    def _beat_when_due(self) -> None:
        now_s = time.monotonic()
        if now_s < self._next_beat_s:
            return
        self._bus.clock.sync_when_due()
        change = self._membership.beat(self._note(now_s))
        self._desks.leave(change.lost)
        self._desks.sweep(self._membership.cameras)
        self._drop(self._collector.add(change.frames))
        self._watched = self._bus.watched(sorted(self._membership.cameras))
        self._metrics.cameras.set(len(self._membership.cameras))
        self._inform_governor(now_s)
        self._beats += 1
        reported = sorted(self._membership.cameras)[self._beats % BEATS_A_BUDGET :: BEATS_A_BUDGET]
        self._bus.put_budgets(self._budgets(reported, now_s))
        # The next one at once when cameras came or went: only then its note says which there are now.
        self._next_beat_s = now_s + (0.0 if change.gained or change.lost else BEAT_EVERY_S)

    def _note(self, now_s: float) -> dict[str, object]:
        """Return what the dashboard says of this worker."""
        return {
            **self._about,
            "cameras": sorted(self._membership.cameras),
            "fps": self._pace.fps(now_s),
            "plan": self._governor.plan.to_dict(),
            "level": self._governor.level,
            "why": self._governor.why,
        }

    def _inform_governor(self, now_s: float) -> None:
        """Pass on what there is to do, so that it can choose the plan; quiet moments count as well."""
        cameras = [
            camera
            for camera in self._membership.cameras.values()
            if camera.delivery == "live" and camera.state == CameraState.LIVE
        ]
        rates = [camera.fps for camera in cameras if camera.fps > 0]
        self._governor.cameras(
            len(cameras),
            sum(rates) / len(rates) if rates else 0.0,
            workers=beside(self._membership.name, self._membership.others) + 1,
            watched=len(self._watched),
            shapes=self._analysis.sizes,
        )
        self._note_work(now_s, 0.0)
        self._collector.analyse_every(self._governor.plan.analyse_every)
        self._metrics.level.set(self._governor.level)

    def _note_work(self, now_s: float, busy_s: float, frames: int = 0, late: int = 0, faces: int | None = None) -> None:
        self._governor.note(now_s, busy_s, frames, late, self._lost, faces)
        self._lost = 0

    def _budgets(self, cameras: Sequence[str], now_s: float) -> list[Budget]:
        at_ns, governor = self._bus.clock.now_ns(), self._governor
        return [
            Budget(
                camera=camera,
                at_ns=at_ns,
                window_s=window.window_s,
                budget_ms=self._settings.budget_ms,
                frames=window.frames,
                on_time=window.on_time,
                total_ms=window.total,
                stages_ms=window.stages,
                worker=self._membership.name,
                plan=governor.plan,
                level=governor.level,
                why=governor.why,
            )
            for camera, window in self._summaries(cameras, now_s)
        ]

    def _summaries(self, cameras: Sequence[str], now_s: float) -> list[tuple[str, Summary]]:
        """Return what the last minute of those of `cameras` that had frames comes to."""
        desks = [(camera, self._desks[camera]) for camera in cameras if camera in self._desks]
        return [(camera, desk.recent.summary(now_s)) for camera, desk in desks if desk.recent.has_frames]

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
        started_s = time.monotonic()
        self._drop(batch.stale)
        if not batch.frames:
            return
        plan = self._governor.plan
        drawn = self._publisher.to_draw(batch.frames, self._watched, plan.view_every)
        analysed, failed = self._analysis.run(batch.frames, self._bus.clock.now_ns(), plan, drawn)
        self._drop(failed)
        published = self._publisher.publish(analysed, drawn, started_s)
        ended_ns = self._bus.clock.now_ns()
        for item in analysed:
            self._collector.had_result(item.frame.camera, ended_ns)
        self._metrics.batch_frames.observe(len(batch.frames))
        now_s = time.monotonic()
        self._pace.note(len(batch.frames), now_s - started_s, now_s)
        late = sum(not item.on_time for item in published if item.frame.delivery == "live")
        self._note_work(now_s, now_s - started_s, len(published), late, sum(item.faces for item in published))
        self._collector.analyse_every(self._governor.plan.analyse_every)

    def _drop(self, drops: Sequence[Drop]) -> None:
        if not drops:
            return
        groups: dict[tuple[str, DropReason], list[str]] = {}
        for drop in drops:
            groups.setdefault((drop.frame.camera, drop.reason), []).append(drop.frame.frame_id)
        for (camera, reason), frames in self._bus.drop_all(groups).items():
            if frames:
                self._metrics.ended(camera, reason.value, frames)
                self._lost += frames if reason in NO_TIME else 0

    def _start_over(self) -> None:
        """Forget all that was held: it is taken over again, under a new name, when the bus is back."""
        self._desks.clear()
        self._collector = Collector(self._rules, self._desks)
        self._membership.rejoin()
        self._next_beat_s = 0.0

    def _end(self) -> None:
        """End every frame that this worker holds, or leave it to another worker, and leave."""
        name, alone = self._membership.name, not self._membership.others
        if alone:  # no other worker would ever read these
            self._take(self._bus.read(name, self._membership.quiet_cameras(), 0))
            deadline_s = time.monotonic() + FINISH_S
            while any(map(self._collector.has_queue, self._membership.cameras)) and time.monotonic() < deadline_s:
                batch = self._close()
                if batch is None:
                    break
                self._work(batch)
        held = self._collector.take_all()
        self._drop([Drop(frame, DropReason.WORKER_LOST) for frame in held if frame.delivery == "live"])
        left = sum(frame.delivery == "lossless" for frame in held)
        self._bus.leave(name)
        log.info("worker stopped", worker=name, left_for_others=left)
