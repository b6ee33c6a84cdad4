"""`python -m bench overhead [--rounds N] [--json]`: what a worker costs beside the bare kernels.

One camera of two people (1280×720, 25 fps, Motion JPEG) with one viewer: everything on every frame, drawn and encoded.
In turns, on the same core and the same frames at the same rate: a live worker, whose own CPU time the system counts,
and decode, detect, classify, draw and encode in a plain loop (`bench kernel_frames`). Everything else runs on another
core, where there is one. `overhead_ms` is the difference a frame, `overhead_share` its share of the kernels.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench.report.machine import Spread, cores, describe, pinned
from bench.scene.clips import CLIPS_FOLDER, CYCLE_FRAMES, FPS, looped_people
from bench.scene.site import Site, not_tuned, stopped_cleanly
from bench.speed.kernel_frames import STAGES
from tests.support.paths import ROOT

CAMERA = "lobby"
TARGET_MS = 3.0
TARGET_SHARE = 0.25
_WARM_S = 4.0


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3, help="of both (3)")
    parser.add_argument("--frames", type=int, default=CYCLE_FRAMES, help=f"in a round ({CYCLE_FRAMES})")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    given = parser.parse_args(arguments)
    machine = describe()
    with stopped_cleanly(), tempfile.TemporaryDirectory(prefix="mien-bench-") as folder:
        measured = measure(given.rounds, given.frames, Path(folder))
    if given.json:
        print(json.dumps({"machine": machine, **measured}))
        return
    overhead, share = Spread(**measured["rounds"]["overhead_ms"]), measured["overhead_share"]
    print(f"{machine}\nCPU ms a frame, {given.rounds} rounds: median (range)")
    print(f"worker {Spread(**measured['rounds']['worker_ms'])}, kernels {Spread(**measured['rounds']['kernels_ms'])}")
    print("kernels: " + ", ".join(f"{stage} {each:.2f}" for stage, each in measured["stages_ms"].items()))
    print(f"overhead {overhead} ms (target {TARGET_MS:g}), {share:.1%} of the kernels (target {TARGET_SHARE:.0%})")


def measure(rounds: int, frames: int, folder: Path, clips: Path = CLIPS_FOLDER) -> dict[str, Any]:
    """Return CPU milliseconds a frame of the worker and of the kernels, and the difference."""
    source = looped_people(clips, mjpeg=True)
    *others, core = cores()
    worker_ms: list[float] = []
    kernels: list[dict[str, float]] = []
    with Site(folder, not_tuned()) as site:
        worker = site.start_worker(core)
        site.start_dashboard(others or core)
        for _ in range(rounds):
            worker_ms.append(_worker_ms(site, worker, source, frames, others or [core]))
            kernels.append(_kernels_ms(source, frames, core))
    sums = [sum(each.values()) for each in kernels]
    more = [mine - bare for mine, bare in zip(worker_ms, sums, strict=True)]
    shares = [extra / bare for extra, bare in zip(more, sums, strict=True)]
    return {
        "overhead_ms": round(Spread.of(more).median, 2),
        "overhead_share": round(Spread.of(shares).median, 3),
        "stages_ms": {stage: round(Spread.of([each[stage] for each in kernels]).median, 2) for stage in STAGES},
        "rounds": {
            "worker_ms": Spread.of(worker_ms).to_dict(),
            "kernels_ms": Spread.of(sums).to_dict(),
            "overhead_ms": Spread.of(more).to_dict(),
            "overhead_share": Spread.of(shares).to_dict(),
        },
    }


def _worker_ms(site: Site, worker: str, source: Path, frames: int, others: Sequence[int]) -> float:
    """Return the worker's CPU milliseconds a frame while it reads a camera that is watched."""
    site.start_camera(CAMERA, source, core=others)
    site.start_viewers([CAMERA], others)
    time.sleep(_WARM_S)
    before, used_s = site.bus.counts(CAMERA), site.cpu_s()[worker]
    time.sleep(frames / FPS)
    after, used_s = site.bus.counts(CAMERA), site.cpu_s()[worker] - used_s
    seen = site.stop_viewers()
    site.stop(f"camera.{CAMERA}")
    if not seen[CAMERA]:
        raise SystemExit("no view was drawn: the worker did less than it should")
    return 1000 * used_s / max(1, after.analysed - before.analysed)


def _kernels_ms(source: Path, frames: int, core: int) -> dict[str, float]:
    command = [sys.executable, "-m", "bench.speed.kernel_frames", str(source), "--frames", str(frames)]
    with pinned(command, core, environment={"PYTHONPATH": str(ROOT)}, output=subprocess.PIPE) as process:
        printed, _ = process.communicate(timeout=60 + 4 * frames / FPS)
    if process.returncode:
        raise SystemExit(f"the kernels ended with {process.returncode}")
    stages: dict[str, float] = json.loads(printed.strip().splitlines()[-1])["stages_ms"]
    return stages


if __name__ == "__main__":
    main()
