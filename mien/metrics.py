"""Metrics in Prometheus form; each process makes the ones it fills."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

# Milliseconds; 40 is the frame budget and must be an edge.
STAGE_BUCKETS_MS = (0.25, 0.5, 1, 2, 3, 5, 7.5, 10, 15, 20, 30, 40, 60, 80, 120, 200, 400, 1000)


class WorkerMetrics:
    """What a live worker measures."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.stage_ms = Histogram(
            "mien_stage_ms",
            "Time of a stage of a frame (ms); total is capture to result",
            ["stage"],
            registry=registry,
            buckets=STAGE_BUCKETS_MS,
        )
        self.batch_frames = Histogram(
            "mien_batch_frames", "Frames in a batch", registry=registry, buckets=(1, 2, 4, 8, 16, 32, 64)
        )
        self.faces = Counter("mien_faces", "Faces analysed", registry=registry)
        self.negative_ages = Counter("mien_negative_ages", "Frames captured in the future", registry=registry)
        self.cameras = Gauge("mien_cameras_owned", "Cameras of this worker", registry=registry)
