"""`python -m bench photos [--rounds N] [--pictures N] [--json]`: photos a second offline, side by side.

In turns, a few rounds of each, all warm: the bare kernels in a plain loop (`bench kernels`), a photo job through the
real queue with one worker and with two, each worker pinned to a core of its own, annotated pictures and results
written; and the package `fer` with its own detector on some of the same pictures (`make bench-setup` installs it).
Ratios are taken within a round, by wall time and by CPU time: on a machine that is not quiet, only the second counts.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from bench.report.machine import Spread, cores, describe, pinned
from bench.scene.offline import JobsSite
from bench.scene.pictures import KINDS, write_folder
from bench.scene.setup_baselines import FER_PYTHON
from tests.support.demo_media import DEFAULT_FOLDER
from tests.support.paths import ROOT

CHUNK_SIZE = 2 * len(KINDS)
TARGETS = {"share_of_kernels": 0.9, "two_over_one": 1.8, "over_fer": 10.0}


@dataclass(frozen=True, slots=True)
class PhotoRounds:
    """How much to measure: pictures of a job, pictures for `fer` (a part of them, with the same share of each kind)."""

    pictures: int = 256
    fer_pictures: int = 4 * len(KINDS)
    rounds: int = 3


@dataclass(frozen=True, slots=True)
class Pace:
    """What one way took for each picture, in milliseconds of wall and of CPU time."""

    wall_ms: float
    cpu_ms: float

    @classmethod
    def of(cls, pictures: int, wall_s: float, cpu_s: float) -> Pace:
        """Return the pace of a run."""
        return cls(1000 * wall_s / pictures, 1000 * cpu_s / pictures)


@dataclass(slots=True)
class Outcome:
    """The paces of each round by way: `kernels`, `one`, `two` and, where it is installed, `fer`."""

    paces: dict[str, list[Pace]]
    stages_ms: list[dict[str, float]]
    rss_mib: float = 0.0

    def ratios(self, numerator: str, denominator: str, figure: Callable[[Pace], float]) -> Spread | None:
        """Return how many times longer one way took than another, by rounds; None when one was not measured."""
        pairs = list(zip(self.paces.get(numerator, []), self.paces.get(denominator, []), strict=False))
        return Spread.of([figure(upper) / figure(lower) for upper, lower in pairs]) if pairs else None


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    usual = PhotoRounds()
    parser.add_argument("--pictures", type=int, default=usual.pictures, help=f"of a job ({usual.pictures})")
    parser.add_argument("--fer-pictures", type=int, default=usual.fer_pictures, help=f"for fer ({usual.fer_pictures})")
    parser.add_argument("--rounds", type=int, default=usual.rounds, help=f"of everything ({usual.rounds})")
    parser.add_argument("--media", type=Path, default=DEFAULT_FOLDER, help="folder of the demo media")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    given = parser.parse_args(arguments)
    machine = describe()
    with tempfile.TemporaryDirectory(prefix="mien-bench-") as folder:
        plan = PhotoRounds(given.pictures, given.fer_pictures, given.rounds)
        outcome = measure(plan, Path(folder), given.media)
    document = {"machine": machine, "pictures": plan.pictures, "rounds": plan.rounds, **summary(outcome)}
    print(json.dumps(document)) if given.json else _print(document)


def measure(plan: PhotoRounds, folder: Path, media: Path = DEFAULT_FOLDER) -> Outcome:
    """Do what the plan says in a folder and return what was measured."""
    paths = write_folder(folder / "pictures", plan.pictures, media)
    outcome = Outcome({"kernels": [], "one": [], "two": [], "fer": []}, [])
    usable = cores()
    for number in range(plan.rounds):
        loop = _kernels(folder / "pictures", usable[0])
        outcome.paces["kernels"].append(Pace.of(loop["pictures"], loop["wall_s"], loop["cpu_s"]))
        outcome.stages_ms.append(loop["stages_ms"])
        if FER_PYTHON.is_file() and plan.fer_pictures:
            took = _output(
                [str(FER_PYTHON), "-m", "bench.scene.fer_loop", *map(str, paths[: plan.fer_pictures])], usable[0]
            )
            outcome.paces["fer"].append(Pace.of(took["pictures"], took["wall_s"], took["cpu_s"]))
        with JobsSite(folder / f"office-{number}", CHUNK_SIZE) as office:
            for name, core in (("one", usable[0]), ("two", usable[-1])):
                office.start_worker(core)
                office.warm("photos", paths[: CHUNK_SIZE * len(office.pids)])
                run = office.run("photos", paths)
                outcome.paces[name].append(Pace.of(run.view.inputs, run.wall_s, run.cpu_s))
            outcome.rss_mib = max(outcome.rss_mib, office.rss_mib(highest=True))
    return outcome


def summary(outcome: Outcome) -> dict[str, Any]:
    """Return the medians and their spread, and the ratios that have targets."""
    ways = {
        name: {
            "pictures_per_s": Spread.of([1000 / pace.wall_ms for pace in paces]).to_dict(),
            "cpu_ms": Spread.of([pace.cpu_ms for pace in paces]).to_dict(),
        }
        for name, paces in outcome.paces.items()
        if paces
    }
    stages = {stage: Spread.of([each[stage] for each in outcome.stages_ms]).to_dict() for stage in outcome.stages_ms[0]}
    ratios: dict[str, Any] = {}
    for name, upper, lower, workers in (
        ("share_of_kernels", "kernels", "one", 1),
        ("two_over_one", "one", "two", 2),
        ("over_fer", "fer", "one", 1),
    ):
        wall = outcome.ratios(upper, lower, lambda pace: pace.wall_ms)
        cpu = outcome.ratios(upper, lower, lambda pace: pace.cpu_ms)
        if wall is None or cpu is None:
            continue
        by_cpu = Spread(workers * cpu.median, workers * cpu.low, workers * cpu.high)
        ratios[name] = {"target": TARGETS[name], "wall": wall.to_dict(), "cpu": by_cpu.to_dict()}
    return {"ways": ways, "kernels_ms": stages, "worker_rss_mib": round(outcome.rss_mib), **ratios}


def _kernels(folder: Path, core: int) -> dict[str, Any]:
    return _output([sys.executable, "-m", "bench.speed.kernels", str(folder), "--json"], core)


def _output(command: list[str], core: int) -> dict[str, Any]:
    """Return the JSON document that a command prints as its last line, on one core."""
    environment = {"PYTHONPATH": str(ROOT)}
    with pinned(command, core, environment=environment, output=subprocess.PIPE, errors=subprocess.DEVNULL) as process:
        printed, _ = process.communicate(timeout=600)
    if process.returncode or not printed.strip():
        raise SystemExit(f"{' '.join(command[:3])} … ended with {process.returncode}")
    document: dict[str, Any] = json.loads(printed.strip().splitlines()[-1])
    return document


def _print(document: dict[str, Any]) -> None:
    names = {"kernels": "bare kernels", "one": "mien, 1 worker", "two": "mien, 2 workers", "fer": "fer"}
    console = Console()
    table = Table("what", title=f"{document['pictures']} photos, {document['rounds']} rounds: median (range)")
    table.caption = f"{document['machine']}; a worker used up to {document['worker_rss_mib']} MiB"
    for column in ("photos/s", "CPU ms a photo"):
        table.add_column(column, justify="right")
    for name, way in document["ways"].items():
        table.add_row(names[name], str(Spread(**way["pictures_per_s"])), str(Spread(**way["cpu_ms"])))
    console.print(table)
    ratios = Table("ratio", "target", "by wall time", "by CPU time")
    for name, words in (
        ("share_of_kernels", "throughput of one worker over the bare kernels"),
        ("two_over_one", "two workers over one"),
        ("over_fer", "one worker over fer"),
    ):
        if name in document:
            ratio = document[name]
            ratios.add_row(words, str(ratio["target"]), str(Spread(**ratio["wall"])), str(Spread(**ratio["cpu"])))
    console.print(ratios)
    stages = ", ".join(f"{name} {Spread(**each).median:.1f}" for name, each in document["kernels_ms"].items())
    console.print(f"kernels, ms a photo: {stages}", highlight=False)


if __name__ == "__main__":
    main()
