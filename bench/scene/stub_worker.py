"""`python -m bench stub_worker burn|sleep MILLISECONDS`: a live worker around an analyzer of fixed cost.

Everything but the models is real. `burn` uses that much CPU time for each frame, as models on a CPU do; `sleep` waits
for as long, as for models on a GPU. One face is found where none is: what is measured is the pipeline around it.
"""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Mapping, Sequence

from prometheus_client import CollectorRegistry

from mien.bus.bus import Bus
from mien.logs import configure_logs
from mien.metrics import WorkerMetrics
from mien.pixels import Rgb
from mien.settings import load_settings
from mien.types import Box, Detection, Face
from worker.live.live import LiveWorker

_FACE = Face((500.0, 200.0, 180.0, 220.0), "happy", 0.86, (0.02, 0.02, 0.02, 0.02, 0.86, 0.02, 0.02, 0.02), 0.9, 0.2)


class FixedCost:
    """Finds the same face in every frame, and takes the same time for it."""

    threshold = 0.4
    crop_px = 64

    def __init__(self, way: str, cost_ms: float) -> None:
        self._spend = {"burn": _burn, "sleep": time.sleep}[way]
        self._cost_s = cost_ms / 1000

    def analyze_many(self, pictures: Sequence[Rgb]) -> tuple[list[tuple[Face, ...]], Mapping[str, float]]:
        """Take the time for each picture."""
        for _ in pictures:
            self._spend(self._cost_s)
        return [(_FACE,) for _ in pictures], {"detect": 1000 * self._cost_s * len(pictures), "classify": 0.0}

    def detect(self, rgb: Rgb, smallest_face_px: int | None = None) -> tuple[Detection, ...]:
        """Take the time."""
        self._spend(self._cost_s)
        return (Detection(_FACE.box, 1.0),)

    def near(self, rgb: Rgb, boxes: Sequence[Box]) -> tuple[Detection | None, ...]:
        """Take the time."""
        self._spend(self._cost_s)
        return tuple(Detection(box, 1.0) for box in boxes)

    def classify(self, found: Sequence[tuple[Rgb, Detection]]) -> list[Face]:
        """Take none: it is in the search already."""
        return [_FACE for _ in found]


def main() -> None:
    """Work until told to stop."""
    way, cost_ms = sys.argv[1:]
    configure_logs("warning")
    settings = load_settings()
    bus = Bus.from_settings(settings)
    stub = FixedCost(way, float(cost_ms))
    worker = LiveWorker(bus, settings, stub, WorkerMetrics(CollectorRegistry()), {"runtime": "stub"})
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: worker.stop())
    worker.run()


def _burn(seconds: float) -> None:
    until_s = time.thread_time() + seconds
    while time.thread_time() < until_s:
        pass


if __name__ == "__main__":
    main()
