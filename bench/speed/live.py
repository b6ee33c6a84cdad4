"""`python -m bench live [--cameras N] [--seconds S] [--mjpeg] [--workers N] [--json]`: how many cameras are on time?

N cameras of two people each (1280×720, 25 fps, faces of 120 to 240 pixels), one producer process a camera, a broker,
workers, the dashboard, and one viewer of each camera, all on the cores that this machine has, nothing pinned. Workers
are as many as `mien up` would start, one a camera and at most one a core, unless `--workers` says. Cameras start in
phases spread over the 40 ms of a frame. `on_time_share`: frames whose result was published at most 40 ms after they
were captured, over all frames that ended in the measured time: one that was dropped was missed.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bench.report.machine import Cores, cores, describe
from bench.scene.clips import CLIPS_FOLDER, FPS, looped_people
from bench.scene.site import READY_S, Site, stopped_cleanly
from mien.types import Counts, DropReason, FrameResult

PERIOD_MS = 1000 / FPS
PERIOD_NS = 1_000_000_000 // FPS
TARGET_SHARE = 0.99
_TRIES = 4
_RESULTS_TO_TELL = 6


@dataclass(frozen=True, slots=True)
class LiveOptions:
    """What is measured."""

    cameras: int = 4
    seconds: float = 30.0
    warm_s: float = 8.0
    mjpeg: bool = False
    workers: int = 0

    @property
    def workers_started(self) -> int:
        """As many as asked for; with 0 as `mien up` chooses: one a camera, at most one a core."""
        return self.workers or min(self.cameras, len(cores()))


@dataclass(frozen=True, slots=True)
class Moment:
    """What was counted up to a moment."""

    at_ns: int
    counts: Mapping[str, Counts]
    cpu_s: Mapping[str, float]
    cores: Cores


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure once and print."""
    usual = LiveOptions()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cameras", type=int, default=usual.cameras, help=f"how many ({usual.cameras})")
    parser.add_argument("--seconds", type=float, default=usual.seconds, help=f"measured ({usual.seconds:g})")
    parser.add_argument("--warm", type=float, default=usual.warm_s, help=f"seconds before ({usual.warm_s:g})")
    parser.add_argument("--workers", type=int, default=usual.workers, help="live workers (0: as `mien up` does)")
    parser.add_argument("--mjpeg", action="store_true", help="Motion JPEG, which producers pass on, instead of H.264")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    given = parser.parse_args(arguments)
    machine = describe()
    wishes = LiveOptions(given.cameras, given.seconds, given.warm, given.mjpeg, given.workers)
    with stopped_cleanly(), tempfile.TemporaryDirectory(prefix="mien-bench-") as folder:
        measured = measure(wishes, Path(folder))
    if given.json:
        print(json.dumps({"machine": machine, **measured}))
    else:
        _print(machine, measured)


def measure(wishes: LiveOptions, folder: Path, clips: Path = CLIPS_FOLDER) -> dict[str, Any]:
    """Return what was measured, with the keys that `--json` prints."""
    source = looped_people(clips, mjpeg=wishes.mjpeg)
    names = [str(number) for number in range(1, wishes.cameras + 1)]
    with Site(folder) as site:
        for _ in range(wishes.workers_started):
            site.start_worker()
        site.start_dashboard()
        phases_ms = Stagger(site, source).start_all(names)
        site.start_viewers(names)
        time.sleep(wishes.warm_s)
        before = _moment(site, names)
        time.sleep(wishes.seconds)
        after = _moment(site, names)
        rss = {name: round(mib) for name, mib in site.rss_mib().items()}
        notes = site.bus.workers()
        seen = site.stop_viewers()
        most = int((wishes.seconds + 5) * FPS * 2)
        results = {name: _within(site.bus.recent_results(name, most), before, after) for name in names}
        ages = [_viewer_ms(site, results[name], seen[name]) for name in names]
    pooled = [result for each in results.values() for result in each]
    wall_s = (after.at_ns - before.at_ns) / 1e9
    return {
        "cameras": wishes.cameras,
        "codec": "mjpeg" if wishes.mjpeg else "h264",
        "workers": wishes.workers_started,
        "seconds": round(wall_s, 2),
        **shares(before.counts, after.counts),
        "latency_ms": percentiles([result.latency_ms for result in pooled]),
        "viewer_latency_ms": percentiles([age for each in ages for age in each]),
        "viewer_fps": round(sum(map(len, ages)) / wall_s / wishes.cameras, 1),
        "stages_ms": _stages(pooled),
        "faces_a_frame": round(sum(len(result.faces) for result in pooled) / max(1, len(pooled)), 2),
        "rss_mib": rss,
        **usage(before, after, wall_s),
        "phases_ms": [round(each, 1) for each in phases_ms],
        "plans": [
            {key: note.get(key) for key in ("level", "plan", "why", "fps", "cameras")} for note in notes.values()
        ],
    }


class Stagger:
    """Starts cameras so that their frames are due at moments spread evenly over the time of one frame.

    Between the moment at which a file begins to play (`bench on_beat`) and its first frame lies about the same time
    always. So it begins when frames fall right if it takes as long as the ones before; and again when they did not.
    """

    def __init__(self, site: Site, source: Path) -> None:
        self._site = site
        self._source = source
        self._delays_ms: list[float] = []

    def start_all(self, names: Sequence[str]) -> list[float]:
        """Start a camera for each name, and return their phases against the first one's, in milliseconds."""
        step_ms = PERIOD_MS / len(names)
        phases = [self._start(names[0], 0.0)]
        for number, name in enumerate(names[1:], 1):
            phases.append(self._start_near(name, (phases[0] + number * step_ms) % PERIOD_MS, step_ms / 5))
        return [(phase - phases[0]) % PERIOD_MS for phase in phases]

    def _start_near(self, name: str, wanted_ms: float, tolerance_ms: float) -> float:
        for attempt in range(_TRIES):
            phase_ms = self._start(name, (wanted_ms - middle(self._delays_ms)) % PERIOD_MS)
            if abs(apart(phase_ms, wanted_ms)) <= tolerance_ms or attempt == _TRIES - 1:
                return phase_ms
            self._site.stop(f"camera.{name}")
        raise AssertionError("not reached")

    def _start(self, name: str, begin_ms: float) -> float:
        """Start a camera at a phase of the bus' clock, and return the phase of its frames."""
        clock = self._site.bus.clock
        since_ns = clock.now_ns()
        begin_monotonic_ms = (begin_ms - clock.from_monotonic(0) % PERIOD_NS / 1e6) % PERIOD_MS
        self._site.start_camera(name, self._source, beat=(begin_monotonic_ms, PERIOD_MS))
        fresh: list[FrameResult] = []
        deadline_s = time.monotonic() + READY_S
        while len(fresh) < _RESULTS_TO_TELL:
            if time.monotonic() > deadline_s:
                raise SystemExit(f"{name} gets no results")
            time.sleep(PERIOD_MS / 1000)
            fresh = [result for result in self._site.bus.recent_results(name, 8) if result.captured_ns > since_ns]
        phase_ms = middle([result.captured_ns % PERIOD_NS / 1e6 for result in fresh])
        self._delays_ms.append((phase_ms - begin_ms) % PERIOD_MS)
        return phase_ms


def middle(moments_ms: Sequence[float]) -> float:
    """Return the phase within a frame's time of moments that are about whole periods apart."""
    first = moments_ms[0] % PERIOD_MS
    return float(first + np.median([apart(moment, first) for moment in moments_ms])) % PERIOD_MS


def apart(later_ms: float, earlier_ms: float) -> float:
    """Return how much later within a period a moment is, from −20 to 20 ms."""
    return (later_ms - earlier_ms + PERIOD_MS / 2) % PERIOD_MS - PERIOD_MS / 2


def shares(before: Mapping[str, Counts], after: Mapping[str, Counts]) -> dict[str, Any]:
    """Return what became of the frames that ended between two moments, of all cameras and of the worst one."""
    # What was in flight at the first moment counts, what is at the second does not: as many as were captured.
    lived = [now.since(before[name]) for name, now in after.items()]
    ended, on_time = sum(each.ended for each in lived), sum(each.on_time for each in lived)
    return {
        "captured": ended,
        "on_time_share": round(on_time / max(1, ended), 4),
        "on_time_share_worst": round(min(each.on_time / max(1, each.ended) for each in lived), 4),
        "late": sum(each.late for each in lived),
        "dropped": {reason.value: sum(each.drops.get(reason, 0) for each in lived) for reason in DropReason},
    }


def usage(before: Moment, after: Moment, wall_s: float) -> dict[str, Any]:
    """Return shares of a core by process, and what the rest of the machine did meanwhile."""
    used_s = {name: after.cpu_s[name] - before.cpu_s.get(name, 0.0) for name in after.cpu_s}
    frames = sum(now.captured - before.counts[name].captured for name, now in after.counts.items())
    others_s = after.cores.busy_s - before.cores.busy_s - sum(used_s.values())
    return {
        "cpu_share": {name: round(seconds / wall_s, 3) for name, seconds in used_s.items()},
        "cpu_share_all": round(sum(used_s.values()) / wall_s, 3),
        "cpu_ms_a_frame": round(1000 * sum(used_s.values()) / max(1, frames), 2),
        "cores": len(cores()),
        "others_share": round(max(0.0, others_s) / wall_s, 3),
        "stolen_share": round((after.cores.stolen_s - before.cores.stolen_s) / wall_s, 3),
    }


def percentiles(values: Sequence[float]) -> dict[str, float] | None:
    """Return what 50, 95 and 99 % of some milliseconds stay under; None without any."""
    if not values:
        return None
    return {f"p{share}": round(float(np.percentile(values, share)), 1) for share in (50, 95, 99)}


def _moment(site: Site, names: Sequence[str]) -> Moment:
    site.bus.clock.sync_when_due()
    counts = site.bus.all_counts(names)
    return Moment(site.bus.clock.now_ns(), counts, site.cpu_s(), Cores.now())


def _within(results: Sequence[FrameResult], before: Moment, after: Moment) -> list[FrameResult]:
    return [result for result in results if before.at_ns < result.published_ns <= after.at_ns]


def _viewer_ms(site: Site, results: Sequence[FrameResult], seen: Sequence[tuple[int, int]]) -> list[float]:
    """Return how old each picture was when a viewer had all of it."""
    captured_ns = {int(result.frame_id.partition("-")[0]): result.captured_ns for result in results}
    return [
        (site.bus.clock.from_monotonic(at_ns) - captured_ns[frame]) / 1e6
        for frame, at_ns in seen
        if frame in captured_ns
    ]


def _stages(results: Sequence[FrameResult]) -> dict[str, dict[str, float]]:
    stages: dict[str, list[float]] = {}
    for result in results:
        for stage, milliseconds in result.stages_ms.items():
            stages.setdefault(stage, []).append(milliseconds)
    return {
        stage: {"mean": round(float(np.mean(values)), 2), **(percentiles(values) or {})}
        for stage, values in stages.items()
    }


def _print(machine: str, measured: dict[str, Any]) -> None:
    codec, share = measured["codec"], measured["on_time_share"]
    print(f"{machine}\n{measured['cameras']} cameras ({codec}), {measured['workers']} workers, {measured['seconds']} s")
    print(f"on time {share:.2%} (target {TARGET_SHARE:.0%}; worst camera {measured['on_time_share_worst']:.2%})")
    print(f"of {measured['captured']} frames, late {measured['late']}, dropped {_given(measured['dropped'])}")
    print(f"capture → result ms {measured['latency_ms']}; → viewer {measured['viewer_latency_ms']}")
    print(f"in viewers {measured['viewer_fps']} fps; faces a frame {measured['faces_a_frame']}")
    print(f"stages, mean ms: { {stage: spread['mean'] for stage, spread in measured['stages_ms'].items()} }")
    print(f"CPU (cores): all {measured['cpu_share_all']} = {measured['cpu_share']}")
    print(f"CPU ms a frame, all processes: {measured['cpu_ms_a_frame']}; MiB: {measured['rss_mib']}")
    print(f"others used {measured['others_share']} cores, the host took {measured['stolen_share']}")
    print(f"phases {measured['phases_ms']} ms; plans {measured['plans']}")


def _given(dropped: Mapping[str, int]) -> Mapping[str, int] | str:
    return {reason: count for reason, count in dropped.items() if count} or "none"


if __name__ == "__main__":
    main()
