"""Step 7, publish: the result of a frame goes onto the bus and, when somebody watches, its view."""

from __future__ import annotations

from collections.abc import Sequence, Set
from dataclasses import dataclass

from mien.bus.bus import Bus
from mien.metrics import WorkerMetrics
from mien.settings import Settings
from mien.types import Face, Frame, FrameResult, View
from models.pictures.overlay import draw_faces, label_of
from models.pictures.picture import encode_jpeg
from worker.live.analyse import Analysed, Stopwatch
from worker.live.desk import Desks, LastView, Overlay


@dataclass(frozen=True, slots=True)
class Published:
    """A frame whose result was published by this worker, and whether that was in time."""

    frame: Frame
    on_time: bool
    faces: int


class Publisher:
    """Draws views and ends frames with their results; notes on each camera's desk where the time went."""

    def __init__(self, bus: Bus, settings: Settings, metrics: WorkerMetrics, desks: Desks) -> None:
        self._bus = bus
        self._settings = settings
        self._metrics = metrics
        self._desks = desks

    def to_draw(self, frames: Sequence[Frame], watched: Set[str], every: int = 1) -> frozenset[str]:
        """Return the cameras whose frame of this batch is for viewers: every n-th one of each `watched` camera.

        The first one of a camera that was not watched before is always among them.
        """
        cameras = []
        for frame in frames:
            desk = self._desks[frame.camera]
            if frame.camera not in watched:
                desk.last_view = None
                continue
            desk.last_view = last = desk.last_view or LastView()
            if last.pass_over <= 0:
                cameras.append(frame.camera)
                last.pass_over = every
            last.pass_over -= 1
        return frozenset(cameras)

    def publish(self, batch: Sequence[Analysed], drawn: Set[str], now_s: float) -> list[Published]:
        """Publish the results of a batch, with views of the cameras in `drawn`, in one round trip.

        Views are drawn before the results are sent, so that their times cover all work on the frame. Returns those
        that were published: another worker may have ended a frame before. `now_s` is a monotonic clock.
        """
        if not batch:
            return []
        views, stages = [], []
        for analysed in batch:
            stages_ms = dict(analysed.stages_ms)
            views.append(self._view(analysed, stages_ms) if analysed.frame.camera in drawn else None)
            stages.append(stages_ms)
        published_ns = self._bus.clock.now_ns()
        results = [self._result(*pair, published_ns) for pair in zip(batch, stages, strict=True)]
        watch = Stopwatch()
        done = self._bus.finish_all(list(zip(results, views, strict=True)))
        publish_ms = watch.lap_ms()
        published = []
        for analysed, result, is_ours in zip(batch, results, done, strict=True):
            if is_ours:
                self._account(result, publish_ms, now_s)
                published.append(Published(analysed.frame, result.on_time, len(result.faces)))
        return published

    def _view(self, analysed: Analysed, stages_ms: dict[str, float]) -> View:
        """Return the view of a frame; the last one once more when it would be the same."""
        frame, watch = analysed.frame, Stopwatch()
        desk, overlay = self._desks[frame.camera], overlay_of(analysed.faces)
        desk.last_view = last = desk.last_view or LastView()
        if frame.jpeg != last.source or overlay != last.overlay:
            picture = analysed.pixels()
            stages_ms["decode"] = stages_ms.get("decode", 0.0) + watch.lap_ms()
            draw_faces(picture, analysed.faces)
            stages_ms["draw"] = watch.lap_ms()
            last.jpeg = encode_jpeg(picture, self._settings.view_quality)
            last.source, last.overlay = frame.jpeg, overlay
            stages_ms["encode"] = watch.lap_ms()
        return View(frame.camera, frame.frame_id, last.jpeg)

    def _result(self, analysed: Analysed, stages_ms: dict[str, float], published_ns: int) -> FrameResult:
        frame = analysed.frame
        total_ms = max(0, published_ns - frame.captured_ns) / 1e6
        width, height = analysed.size
        return FrameResult(
            camera=frame.camera,
            frame_id=frame.frame_id,
            seq=frame.seq,
            captured_ns=frame.captured_ns,
            width=width,
            height=height,
            faces=analysed.faces,
            published_ns=published_ns,
            on_time=total_ms <= self._settings.budget_ms,
            stages_ms={**stages_ms, "total": total_ms},
        )

    def _account(self, result: FrameResult, publish_ms: float, now_s: float) -> None:
        stages_ms = {**result.stages_ms, "publish": publish_ms}
        self._desks[result.camera].recent.note(now_s, result.on_time, stages_ms["total"], stages_ms)
        self._metrics.stages(stages_ms)
        self._metrics.faces.inc(len(result.faces))
        self._metrics.ended(result.camera, "on_time" if result.on_time else "late")


def overlay_of(faces: Sequence[Face]) -> Overlay:
    """Return what would be drawn for faces; equal ones look the same."""
    return tuple((label_of(face), tuple(round(side) for side in face.box)) for face in faces)
