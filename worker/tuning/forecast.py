"""What this machine would do with so many cameras: workers to run, and the plan of each."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from typing import Any

from mien.machine import Machine
from mien.settings import Settings
from worker.tuning.choose import ASSUMED_FPS, Choice, Room, Work, choose
from worker.tuning.costs import Costs
from worker.tuning.ladder import ladder

USUAL_CAMERAS = (1, 2, 4, 6, 8)

OVERRIDES = (
    "tune",
    "scan_ms",
    "classify_ms",
    "smallest_face_px",
    "threads",
    "runtime",
    "precision",
    "detector",
    "workers",
)
"""Settings that take a choice from the tuner when they are given."""


@dataclass(frozen=True, slots=True)
class Forecast:
    """The plan for a number of cameras: `each` of `workers` has this many of them at most."""

    cameras: int
    fps: float
    workers: int
    each: int
    choice: Choice

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON types."""
        return {
            "cameras": self.cameras,
            "fps": self.fps,
            "workers": self.workers,
            "cameras_each": self.each,
            "level": self.choice.level,
            "plan": self.choice.plan.to_dict(),
            "words": self.choice.plan.words,
            "busy": round(self.choice.busy, 3),
            "worst_frame_ms": round(self.choice.worst_ms, 1),
            "fits": self.choice.fits,
            "why": self.choice.why,
        }


def classifies_on_gpu(settings: Settings, machine: Machine) -> bool:
    """Return whether faces are classified on a GPU: there is one, with TensorFlow and its libraries for it."""
    installed = all(importlib.util.find_spec(name) is not None for name in ("tensorflow", "nvidia"))
    return machine.gpu and installed and settings.runtime in ("auto", "tensorflow")


def most_workers(settings: Settings, machine: Machine) -> int:
    """Return how many live workers are of use: one for each core, or one in all where they would share a GPU."""
    return 1 if classifies_on_gpu(settings, machine) else machine.cores


def forecast(cameras: int, settings: Settings, machine: Machine, costs: Costs, fps: float = ASSUMED_FPS) -> Forecast:
    """Return what `mien up` would do with so many cameras, all watched, two faces in each frame."""
    workers = settings.workers or max(1, min(cameras, most_workers(settings, machine)))
    each = -(-cameras // workers)
    room = Room(machine.cores, workers, settings.budget_ms)
    return Forecast(cameras, fps, workers, each, choose(ladder(settings), costs, Work(each, fps), room))


def overrides(settings: Settings) -> dict[str, Any]:
    """Return the settings that were given and that take a choice from the tuner."""
    return {name: getattr(settings, name) for name in OVERRIDES if name in settings.model_fields_set}
