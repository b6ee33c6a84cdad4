"""Where the frame budget of a camera went: what its worker measured over the last minute."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated

from mien.bus.plan import EVERYTHING, SavingsPlan
from mien.documents import Count, Document, digits

STAGES: tuple[str, ...] = ("queue", "decode", "detect", "classify", "track", "draw", "encode", "publish")
"""The stages of a frame in their order; `queue` is from capture to the start of its batch."""

Milliseconds = Annotated[float, digits(2)]


@dataclass(frozen=True, slots=True)
class Quantiles(Document):
    """Milliseconds over the frames of an interval: mean, and the values that 50, 95 and 99 % of them stay under."""

    mean: Milliseconds = 0.0
    p50: Milliseconds = 0.0
    p95: Milliseconds = 0.0
    p99: Milliseconds = 0.0


@dataclass(frozen=True, slots=True)
class Budget(Document):
    """The last minute of one camera, as its worker saw it; published about once a second.

    `at_ns` is on Redis' clock, `window_s` the length of the interval so far (at most 60). `total_ms` is from capture to
    published result, `stages_ms` its parts (a stage that no frame of the interval had is missing). `plan` is what the
    worker does now, `level` its place on the ladder of savings (0: everything on every frame), `why` one sentence on
    it.
    """

    camera: str
    at_ns: Count
    window_s: Annotated[float, digits(1)]
    budget_ms: float
    frames: Count
    on_time: Count
    total_ms: Quantiles
    stages_ms: Mapping[str, Quantiles] = field(default_factory=dict)
    worker: str = ""
    plan: SavingsPlan = EVERYTHING
    level: Count = 0
    why: str = ""
