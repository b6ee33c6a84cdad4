"""Where the frame budget of a camera went: what its worker measured over the last minute."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from mien.bus.plan import EVERYTHING, SavingsPlan

STAGES: tuple[str, ...] = ("queue", "decode", "detect", "classify", "track", "draw", "encode", "publish")
"""The stages of a frame in their order; `queue` is from capture to the start of its batch."""


@dataclass(frozen=True, slots=True)
class Quantiles:
    """Milliseconds over the frames of a window: mean, and the values that 50, 95 and 99 % of them stay under."""

    mean: float = 0.0
    p50: float = 0.0
    p95: float = 0.0
    p99: float = 0.0


@dataclass(frozen=True, slots=True)
class Budget:
    """The last minute of one camera, as its worker saw it; published about once a second.

    `at_ns` is on Redis' clock, `window_s` how long the window is so far (60 at most). `total` is from capture to
    published result, `stages` its parts (a stage that no frame of the window had is missing). `plan` is what the worker
    does now, `level` its place on the ladder of savings (0: everything on every frame), `why` one sentence on it.
    """

    camera: str
    at_ns: int
    window_s: float
    budget_ms: float
    frames: int
    on_time: int
    total: Quantiles
    stages: Mapping[str, Quantiles] = field(default_factory=dict)
    worker: str = ""
    plan: SavingsPlan = EVERYTHING
    level: int = 0
    why: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON types."""
        return {
            "camera": self.camera,
            "at_ns": self.at_ns,
            "window_s": round(self.window_s, 1),
            "budget_ms": self.budget_ms,
            "frames": self.frames,
            "on_time": self.on_time,
            "total_ms": _rounded(self.total),
            "stages_ms": {name: _rounded(quantiles) for name, quantiles in self.stages.items()},
            "worker": self.worker,
            "plan": self.plan.to_dict(),
            "level": self.level,
            "why": self.why,
        }

    def to_json(self) -> str:
        """Return it as one JSON object."""
        return json.dumps(self.to_dict(), separators=(",", ":"))

    @classmethod
    def from_json(cls, text: bytes | str) -> Budget:
        """Read what `to_json` wrote; raises KeyError, TypeError or ValueError on anything else."""
        budget = json.loads(text)
        return cls(
            camera=str(budget["camera"]),
            at_ns=int(budget["at_ns"]),
            window_s=float(budget["window_s"]),
            budget_ms=float(budget["budget_ms"]),
            frames=int(budget["frames"]),
            on_time=int(budget["on_time"]),
            total=Quantiles(**budget["total_ms"]),
            stages={str(name): Quantiles(**quantiles) for name, quantiles in budget["stages_ms"].items()},
            worker=str(budget["worker"]),
            plan=SavingsPlan.from_dict(budget["plan"]),
            level=int(budget["level"]),
            why=str(budget["why"]),
        )


def _rounded(quantiles: Quantiles) -> dict[str, float]:
    return {name: round(getattr(quantiles, name), 2) for name in ("mean", "p50", "p95", "p99")}
