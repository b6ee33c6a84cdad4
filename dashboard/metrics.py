"""What the dashboard tells Prometheus: the account of every camera, and its own viewers."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from dashboard.cameras.hub import Hub
from dashboard.cameras.overview import CameraStatus, Overview
from mien.types import CameraState


class DashboardCollector(Collector):
    """Reads the overview and the hub when it is asked."""

    def __init__(self, overview: Overview, hub: Hub) -> None:
        self._overview = overview
        self._hub = hub

    def collect(self) -> Iterator[Metric]:
        """Yield all metrics; those of cameras only while the bus answers."""
        snapshot = self._overview.now()
        yield GaugeMetricFamily("mien_bus_up", "Whether the bus answers", value=0 if snapshot.error else 1)
        yield CounterMetricFamily("mien_views_read", "Views read from the bus", value=self._hub.views_read)
        yield CounterMetricFamily("mien_views_same", "Views equal to the one before", value=self._hub.views_same)
        viewers = GaugeMetricFamily("mien_viewers", "Who looks at a camera", labels=["camera"])
        for camera, count in self._hub.viewers().items():
            viewers.add_metric([camera], count)
        yield viewers
        if not snapshot.error:
            yield GaugeMetricFamily("mien_workers", "Live workers", value=snapshot.workers)
            yield from _accounts(snapshot.cameras)
            yield from _cameras(snapshot.cameras)


def exposition(overview: Overview, hub: Hub) -> tuple[bytes, str]:
    """Return all metrics as text and its content type."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(DashboardCollector(overview, hub))
    return generate_latest(registry), CONTENT_TYPE_LATEST


def _accounts(cameras: tuple[CameraStatus, ...]) -> Iterator[Metric]:
    captured = CounterMetricFamily("mien_frames_captured", "Frames captured", labels=["camera"])
    analysed = CounterMetricFamily("mien_frames_analysed", "Frames analysed", labels=["camera", "timing"])
    dropped = CounterMetricFamily("mien_frames_dropped", "Frames not analysed", labels=["camera", "reason"])
    in_flight = GaugeMetricFamily("mien_frames_in_flight", "Frames captured and not ended", labels=["camera"])
    for status in cameras:
        name, counts = status.name, status.counts
        captured.add_metric([name], counts.captured)
        analysed.add_metric([name, "on_time"], counts.on_time)
        analysed.add_metric([name, "late"], counts.late)
        in_flight.add_metric([name], counts.in_flight)
        for reason, count in counts.drops.items():
            dropped.add_metric([name, reason], count)
    yield from (captured, analysed, dropped, in_flight)


def _cameras(cameras: tuple[CameraStatus, ...]) -> Iterator[Metric]:
    live = GaugeMetricFamily("mien_camera_live", "Whether a camera is live", labels=["camera"])
    fps = GaugeMetricFamily("mien_camera_fps", "Frames per second a camera captures", labels=["camera"])
    age = GaugeMetricFamily("mien_frame_age_ms", "Age of the newest analysed frame (ms)", labels=["camera"])
    latency = GaugeMetricFamily("mien_latency_ms", "Capture to result of the newest frame (ms)", labels=["camera"])
    for status in cameras:
        name = status.name
        live.add_metric([name], status.state is CameraState.LIVE)
        fps.add_metric([name], status.fps)
        if status.newest is not None and status.newest_age_ms is not None:
            age.add_metric([name], status.newest_age_ms)
            latency.add_metric([name], status.newest.latency_ms)
    yield from (live, fps, age, latency)
