"""`python -m bench start [--rounds N] [--json]`: how long does each process take to be ready, and what does it weigh?

`worker`: to its first heartbeat, models loaded, without tuning (with an empty cache it measures the machine for up to
5 s more, once). `producer`: to its first frame on the bus. `dashboard`: to its first answer that all is well. `jobs`:
to its place on the list of job workers. Memory is what each has when ready; `bench live` tells what it has at work.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from rq import Worker

from bench.report.machine import Spread, describe
from bench.scene.clips import CLIPS_FOLDER, looped_people
from bench.scene.site import Site, answers, not_tuned, stopped_cleanly
from mien.jobs.jobs import Jobs

TARGET_S = 1.5
_CAMERA = "lobby"


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5, help="of all (5)")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    given = parser.parse_args(arguments)
    machine = describe()
    with stopped_cleanly(), tempfile.TemporaryDirectory(prefix="mien-bench-") as folder:
        measured = measure(given.rounds, Path(folder))
    if given.json:
        print(json.dumps({"machine": machine, **measured}))
        return
    print(f"{machine}\n{given.rounds} rounds: median (range); at most {TARGET_S} s")
    for name, seconds in measured["ready_s"].items():
        cpu, mib = Spread(**measured["ready_cpu_s"][name]), measured["rss_mib"][name]
        print(f"{name}: {Spread(**seconds)} s, CPU {cpu} s, {mib} MiB")


def measure(rounds: int, folder: Path, clips: Path = CLIPS_FOLDER) -> dict[str, Any]:
    """Return the seconds until each process is ready, over the rounds, and its memory then."""
    source = looped_people(clips, mjpeg=False)
    seconds: dict[str, list[float]] = {}
    used: dict[str, list[float]] = {}
    rss: dict[str, float] = {}
    with Site(folder, not_tuned()) as site, closing(Jobs.from_settings(site.settings)) as jobs:

        def produced() -> bool:
            return site.bus.counts(_CAMERA).captured > 0

        parts: dict[str, tuple[list[str], Callable[[], bool]]] = {
            "worker": (["cli", "work"], lambda: bool(site.bus.workers())),
            "producer": (["cli", "produce", "--camera", _CAMERA, "--loop", str(source)], produced),
            "dashboard": (["cli", "dashboard", "--port", str(site.port)], lambda: answers(site.port)),
            "jobs": (["cli", "jobs", "work"], lambda: Worker.count(connection=jobs.redis) > 0),
        }
        for _ in range(rounds):
            for name, (arguments, ready) in parts.items():
                site.start(name, arguments)
                seconds.setdefault(name, []).append(site.wait_for(name, ready))
                used.setdefault(name, []).append(site.cpu_s()[name])
                rss[name] = max(rss.get(name, 0.0), site.rss_mib()[name])
                site.stop(name)
                site.bus.forget_camera(_CAMERA)
                _wait_until_gone(ready)
    return {
        "ready_s": {name: Spread.of(each).to_dict() for name, each in seconds.items()},
        "ready_cpu_s": {name: Spread.of(each).to_dict() for name, each in used.items()},
        "ready_s_worst": round(max(Spread.of(each).median for each in seconds.values()), 2),
        "rss_mib": {name: round(mib) for name, mib in rss.items()},
    }


def _wait_until_gone(ready: Callable[[], bool]) -> None:
    """Wait until nothing of a process that was stopped could be taken for the next one."""
    deadline_s = time.monotonic() + 10
    while ready():
        if time.monotonic() > deadline_s:
            raise SystemExit("a process that was stopped still seems to be there")
        time.sleep(0.05)


if __name__ == "__main__":
    main()
