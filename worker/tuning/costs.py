"""What the parts of a frame's way cost on one machine, in milliseconds of CPU time."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

Number = TypeVar("Number", int, float)

OTHER_MS = 1.5
"""Reading, tracking, smoothing and publishing a frame, and heartbeats: what no kernel accounts for.

On 2 cores at 2.6 GHz; `python -m bench overhead` measures it again.
"""

_NUMBERS = ("decode_ms", "near_ms", "draw_ms", "encode_ms", "other_ms", "speedup")


@dataclass(frozen=True, slots=True)
class Costs:
    """Milliseconds of CPU time for a 1280×720 frame, the least of a few runs.

    `scan_ms`: detecting faces in a whole frame, by smallest face (px in a frame 720 pixels high). `near_ms`: detecting
    one face where it is expected. `classify_ms`: cutting out and classifying 1, 2, 4 faces at once. `draw_ms`: two
    faces. `other_ms`: all else, a frame. `speedup`: how many times faster than that detecting and classifying end on
    the clock, with `threads` threads. `runtimes_ms`: what the nets alone take for 1, 2, 4 faces in each runtime.
    `full`: all was measured, not only what a worker needs at its start.
    """

    decode_ms: float
    scan_ms: Mapping[int, float]
    near_ms: float
    classify_ms: Mapping[int, float]
    draw_ms: float
    encode_ms: float
    other_ms: float = OTHER_MS
    threads: int = 1
    speedup: float = 1.0
    detector: str = "blazeface"
    runtime: str = "openvino"
    runtimes_ms: Mapping[str, Mapping[int, float]] = field(default_factory=dict)
    full: bool = False

    def detect(self, smallest_face_px: int) -> float:
        """Return the cost of detecting in a whole frame; what was not measured follows from the nearest by its pixels.

        The smallest face sets the side of the detector's canvas, so the cost goes with the square of its inverse.
        """
        if smallest_face_px in self.scan_ms:
            return self.scan_ms[smallest_face_px]
        near = min(self.scan_ms, key=lambda px: abs(math.log(px / smallest_face_px)))
        return self.scan_ms[near] * (near / smallest_face_px) ** 2

    def classify(self, faces: float) -> float:
        """Return the cost of classifying so many faces, as pieces of the sizes that were measured, largest first."""
        rest, cost = faces, 0.0
        for size in sorted(self.classify_ms, reverse=True):
            whole = math.floor(rest / size)
            cost += whole * self.classify_ms[size]
            rest -= whole * size
        smallest = min(self.classify_ms)
        return cost + rest / smallest * self.classify_ms[smallest]

    def to_dict(self) -> dict[str, Any]:
        """Return the costs as JSON types."""
        numbers = {name: round(float(getattr(self, name)), 3) for name in _NUMBERS}
        return {
            **numbers,
            "scan_ms": _named(self.scan_ms),
            "classify_ms": _named(self.classify_ms),
            "threads": self.threads,
            "detector": self.detector,
            "runtime": self.runtime,
            "runtimes_ms": {name: _named(times) for name, times in self.runtimes_ms.items()},
            "full": self.full,
        }

    @classmethod
    def from_dict(cls, costs: Mapping[str, Any]) -> Costs:
        """Read what `to_dict` wrote; raises AttributeError, KeyError, TypeError or ValueError on anything else."""
        return cls(
            decode_ms=_milliseconds(costs["decode_ms"]),
            scan_ms=_by_number(costs["scan_ms"]),
            near_ms=_milliseconds(costs["near_ms"]),
            classify_ms=_by_number(costs["classify_ms"]),
            draw_ms=_milliseconds(costs["draw_ms"]),
            encode_ms=_milliseconds(costs["encode_ms"]),
            other_ms=_milliseconds(costs["other_ms"]),
            threads=_positive(int(costs["threads"])),
            speedup=_positive(_milliseconds(costs["speedup"])),
            detector=str(costs["detector"]),
            runtime=str(costs["runtime"]),
            runtimes_ms={str(name): _by_number(times) for name, times in costs["runtimes_ms"].items()},
            full=bool(costs["full"]),
        )


GUESS = Costs(
    decode_ms=1.6,
    scan_ms={48: 17.5},
    near_ms=0.8,
    classify_ms={1: 1.2, 2: 2.4, 4: 4.8},
    draw_ms=0.5,
    encode_ms=1.8,
)
"""What is assumed where nothing was measured: one core at 2.6 GHz (`mien doctor --measure` measures yours)."""


def _named(values: Mapping[int, float]) -> dict[str, float]:
    return {str(number): round(value, 3) for number, value in values.items()}


def _by_number(values: Mapping[str, Any]) -> dict[int, float]:
    if not values:
        raise ValueError("no costs")
    return {_positive(int(number)): _milliseconds(value) for number, value in values.items()}


def _milliseconds(value: Any) -> float:
    number = float(value)
    if not (math.isfinite(number) and number >= 0):
        raise ValueError(f"{value!r} is no time")
    return number


def _positive(value: Number) -> Number:
    if value <= 0:
        raise ValueError(f"{value!r} is not positive")
    return value
