"""The end of a frame's way: its result and, when somebody watches, its view go onto the bus."""

from __future__ import annotations

from collections.abc import Set

from mien.bus import Bus
from mien.metrics import WorkerMetrics
from mien.settings import Settings
from mien.types import Face, FrameResult, View
from models.follow import CameraFaces
from models.overlay import draw_faces
from models.picture import encode_jpeg
from worker.analyse import Analysed, Stopwatch


class Publisher:
    """Follows the faces of each camera, draws views, and ends frames with their results."""

    def __init__(self, bus: Bus, settings: Settings, metrics: WorkerMetrics, threshold: float) -> None:
        self._bus = bus
        self._settings = settings
        self._metrics = metrics
        self._threshold = threshold
        self._faces: dict[str, CameraFaces] = {}

    def publish(self, analysed: Analysed, watched: Set[str]) -> bool:
        """Publish the result of a frame, and its view when its camera is `watched`.

        The view is drawn before the result is sent, so that the result's time covers all work on the frame. Returns
        False when another worker ended the frame before: then nothing is published.
        """
        frame = analysed.frame
        watch = Stopwatch()
        faces = self._followed(frame.camera, frame.captured_ns, analysed.faces)
        stages_ms = {**analysed.stages_ms, "track": watch.lap_ms()}
        view = None
        if frame.camera in watched:
            draw_faces(analysed.picture, faces)
            stages_ms["draw"] = watch.lap_ms()
            view = View(frame.camera, frame.frame_id, encode_jpeg(analysed.picture, self._settings.view_quality))
            stages_ms["encode"] = watch.lap_ms()
        result = self._result(analysed, faces, stages_ms)
        published = self._bus.finish(result)
        if published and view is not None:
            self._bus.put_view(view)
        self._observe({**result.stages_ms, "publish": watch.lap_ms()}, len(faces))
        return published

    def forget(self, cameras: Set[str]) -> None:
        """Forget the faces of cameras that another worker reads now."""
        for camera in cameras:
            self._faces.pop(camera, None)

    def forget_all(self) -> None:
        """Forget all faces: nobody knows how long the bus was away."""
        self._faces.clear()

    def _followed(self, camera: str, at_ns: int, faces: tuple[Face, ...]) -> tuple[Face, ...]:
        if camera not in self._faces:
            self._faces[camera] = CameraFaces(self._settings.smoothing_ms, self._threshold)
        return self._faces[camera].follow(faces, at_ns)

    def _result(self, analysed: Analysed, faces: tuple[Face, ...], stages_ms: dict[str, float]) -> FrameResult:
        frame = analysed.frame
        published_ns = self._bus.clock.now_ns()
        total_ms = max(0, published_ns - frame.captured_ns) / 1e6
        height, width = analysed.picture.shape[:2]
        return FrameResult(
            camera=frame.camera,
            frame_id=frame.frame_id,
            seq=frame.seq,
            captured_ns=frame.captured_ns,
            width=width,
            height=height,
            faces=faces,
            published_ns=published_ns,
            on_time=total_ms <= self._settings.budget_ms,
            stages_ms={**stages_ms, "total": total_ms},
        )

    def _observe(self, stages_ms: dict[str, float], faces: int) -> None:
        for stage, milliseconds in stages_ms.items():
            self._metrics.stage_ms.labels(stage).observe(milliseconds)
        self._metrics.faces.inc(faces)
