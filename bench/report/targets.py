"""The targets that mien is held to, and where in the results of the benches each one's value is."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Results = Mapping[str, Mapping[str, Any]]
"""The JSON documents of the benches by their names in `bench.report.table.BENCHES`."""

QUIET_SHARE = 0.15
"""Of a core: when other processes used more while cameras were measured, a missed target says little."""


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table: what, the target in words, what was measured in words, and whether it is kept."""

    what: str
    target: str
    measured: str
    kept: bool | None


@dataclass(frozen=True, slots=True)
class Target:
    """A value of one bench that must be at least, or at most, so much."""

    what: str
    words: str
    bench: str
    value: Callable[[Mapping[str, Any]], float]
    least: float | None = None
    most: float | None = None
    unit: str = ""
    note: Callable[[Mapping[str, Any]], str] = lambda _: ""

    def row(self, results: Results) -> Row:
        """Return the line for some results; a bench that was not run has no value."""
        if self.bench not in results:
            return Row(self.what, self.words, "not measured", None)
        try:
            value = self.value(results[self.bench])
        except (KeyError, TypeError):
            return Row(self.what, self.words, "not measured", None)
        kept = (self.least is None or value >= self.least) and (self.most is None or value <= self.most)
        return Row(self.what, self.words, f"{value:.4g}{self.unit}{self.note(results[self.bench])}", kept)


def rows(results: Results) -> list[Row]:
    """Return the whole table."""
    return [target.row(results) for target in TARGETS]


def keys(*path: str) -> Callable[[Mapping[str, Any]], float]:
    """Return what reads a number deep in a document."""

    def read(document: Mapping[str, Any]) -> float:
        value: Any = document
        for key in path:
            value = value[key]
        return float(value)

    return read


def _percent(*path: str) -> Callable[[Mapping[str, Any]], float]:
    return lambda document: 100 * keys(*path)(document)


def _largest(part: str) -> Callable[[Mapping[str, Any]], float]:
    """Return what reads the memory of the largest process whose name begins so."""

    def read(document: Mapping[str, Any]) -> float:
        return max((float(mib) for name, mib in document["rss_mib"].items() if name.startswith(part)))

    return read


def _by_cpu(baseline: str) -> Callable[[Mapping[str, Any]], str]:
    return lambda document: f" (by CPU time {document['faces']['2'][f'speedup_vs_{baseline}']['cpu']['median']:.4g})"


def _disturbed(document: Mapping[str, Any]) -> str:
    others = float(document["others_share"]) + float(document["stolen_share"])
    return f" (others used {others:.2g} cores)" if others > QUIET_SHARE else ""


def _live(cameras: int, codec: str, bench: str) -> Target:
    words = f"{cameras} cameras from {codec}: frames on time"
    return Target(words, "≥ 99 %", bench, _percent("on_time_share"), least=99, unit=" %", note=_disturbed)


TARGETS: Sequence[Target] = (
    Target("one frame, two faces, one core, against the classic way", "≥ 100 times faster, aim at 200", "frame",
           keys("speedup_vs_classic"), least=100, unit=" times", note=_by_cpu("classic")),
    Target("the same against `fer`, detection included", "≥ 10 times faster", "frame",
           keys("speedup_vs_fer"), least=10, unit=" times", note=_by_cpu("fer")),
    _live(4, "H.264", "live_4"),
    _live(6, "MJPEG (the aim)", "live_6_mjpeg"),
    Target("overhead a frame, two faces, everything on every frame", "≤ 3 ms", "overhead",
           keys("overhead_ms"), most=3, unit=" ms"),
    Target("… as a share of the kernels", "≤ 25 %", "overhead", _percent("overhead_share"), most=25, unit=" %"),
    Target("capture → picture in the viewer, one camera, p95", "≤ 80 ms", "live_1",
           keys("viewer_latency_ms", "p95"), most=80, unit=" ms", note=_disturbed),
    Target("dashboard with 50 viewers at 25 fps", "≤ 0.5 of a core", "fanout",
           keys("cpu_share"), most=0.5, unit=" of a core"),
    Target("… slowest viewer", "≥ 24.5 fps", "fanout", keys("fps_min"), least=24.5, unit=" fps"),
    Target("memory of a live worker (4 cameras)", "≤ 400 MiB", "live_4", _largest("worker"), most=400, unit=" MiB"),
    Target("memory of the dashboard (4 cameras)", "≤ 120 MiB", "live_4", _largest("dashboard"), most=120, unit=" MiB"),
    Target("memory of a producer", "≤ 150 MiB", "live_4", _largest("camera"), most=150, unit=" MiB"),
    Target("start of a worker, without tuning", "≤ 1.5 s", "start",
           keys("ready_s", "worker", "median"), most=1.5, unit=" s"),
    Target("start of a producer", "≤ 1.5 s", "start", keys("ready_s", "producer", "median"), most=1.5, unit=" s"),
    Target("start of the dashboard", "≤ 1.5 s", "start", keys("ready_s", "dashboard", "median"), most=1.5, unit=" s"),
    Target("start of a job worker", "≤ 1.5 s", "start", keys("ready_s", "jobs", "median"), most=1.5, unit=" s"),
    Target("two workers over one, each on a core", "≥ 1.8 times", "scale",
           keys("two_over_one"), least=1.8, unit=" times"),
    Target("cost of the pipeline a frame, 64 cameras over one", "≤ 1.25 times", "scale",
           keys("cost_growth"), most=1.25, unit=" times"),
    Target("savings that keep the promises", "100 %", "agreement", _percent("kept"), least=100, unit=" %"),
)  # fmt: skip
