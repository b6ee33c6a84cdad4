"""Metrics in Prometheus form; each process makes the ones it fills."""

from __future__ import annotations

from collections.abc import Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from mien.bus.budget import STAGES

# Milliseconds; 40 is the frame budget and must be an edge.
STAGE_BUCKETS_MS = (0.25, 0.5, 1, 2, 3, 5, 7.5, 10, 15, 20, 30, 40, 60, 80, 120, 200, 400, 1000)


class WorkerMetrics:
    """What a live worker measures."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.registry = registry
        stage_ms = Histogram(
            "mien_stage_ms",
            "Time of a stage of a frame (ms); total is capture to result",
            ["stage"],
            registry=registry,
            buckets=STAGE_BUCKETS_MS,
        )
        # Looked up once: a look-up takes as long as the observation.
        self._stages = {stage: stage_ms.labels(stage) for stage in (*STAGES, "total")}
        self._frames = Counter(
            "mien_frames",
            "Frames that this worker ended: on_time, late, or the reason of a drop",
            ["camera", "outcome"],
            registry=registry,
        )
        self._outcomes: dict[tuple[str, str], Counter] = {}
        self.batch_frames = Histogram(
            "mien_batch_frames", "Frames in a batch", registry=registry, buckets=(1, 2, 4, 8, 16, 32, 64)
        )
        self.faces = Counter("mien_faces", "Faces analysed", registry=registry)
        self.negative_ages = Counter("mien_negative_ages", "Frames captured in the future", registry=registry)
        self.cameras = Gauge("mien_cameras_owned", "Cameras of this worker", registry=registry)
        self.level = Gauge("mien_plan_level", "Place of the plan on the ladder; 0: everything", registry=registry)

    def stages(self, stages_ms: Mapping[str, float]) -> None:
        """Count the stages of a frame; a name that is none of `STAGES` or `total` raises KeyError."""
        for stage, milliseconds in stages_ms.items():
            self._stages[stage].observe(milliseconds)

    def ended(self, camera: str, outcome: str, frames: int = 1) -> None:
        """Count frames of a camera that were ended as `on_time` or `late`, or dropped for a reason."""
        counter = self._outcomes.get((camera, outcome))
        if counter is None:
            counter = self._outcomes[camera, outcome] = self._frames.labels(camera, outcome)
        counter.inc(frames)
