"""`python -m bench table [--only NAME…] [--smoke]`: run the benches, and print every target beside its measured value.

Each bench runs in a process of its own, one after the other; their JSON documents are kept in one file as they come
(`.mien/bench/results.json`), with a picture for each question beside it. `--read` prints a file again without running
anything; `--docs FILE` writes the tables into a page, between its marks. On a machine with anything else to do, what
is measured in wall time is worthless: the table says what others used while cameras were measured.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from bench.report.machine import cores, describe, pinned
from bench.report.pages import fill
from bench.report.targets import rows
from bench.scene.site import stopped_cleanly
from tests.support.paths import ROOT

RESULTS = ROOT / ".mien" / "bench" / "results.json"

BENCHES: Mapping[str, Sequence[str]] = {
    "start": ["bench.speed.start"],
    "frame": ["bench.speed.frame", "--rounds", "2"],
    "live_1": ["bench.speed.live", "--cameras", "1", "--seconds", "20"],
    "live_2": ["bench.speed.live", "--cameras", "2", "--seconds", "20"],
    "live_4": ["bench.speed.live", "--cameras", "4", "--seconds", "30"],
    "live_6": ["bench.speed.live", "--cameras", "6", "--seconds", "20"],
    "live_4_mjpeg": ["bench.speed.live", "--cameras", "4", "--seconds", "20", "--mjpeg"],
    "live_6_mjpeg": ["bench.speed.live", "--cameras", "6", "--seconds", "30", "--mjpeg"],
    "overhead": ["bench.speed.overhead", "--rounds", "2"],
    "fanout": ["bench.speed.fanout", "--viewers", "50", "--seconds", "10"],
    "scale": ["bench.speed.scale", "--seconds", "5"],
    "agreement": ["bench.quality.agreement"],
    "up": ["bench.speed.up", "--seconds", "10"],
    "recall": ["bench.quality.recall", "--smoke"],
    "photos": ["bench.speed.photos", "--pictures", "128", "--rounds", "2"],
    "video": ["bench.speed.video", "--seconds", "60", "--rounds", "1"],
}
"""All benches, and how much of each: together under 20 minutes on two quiet cores."""

SMOKE: Mapping[str, Sequence[str]] = {
    "start": ["bench.speed.start", "--rounds", "1"],
    "live_1": ["bench.speed.live", "--cameras", "1", "--seconds", "3", "--warm", "1"],
    "overhead": ["bench.speed.overhead", "--rounds", "1", "--frames", "50"],
    "scale": ["bench.speed.scale", "--seconds", "1"],
}
_TIMEOUT_S = 900.0


def main(arguments: Sequence[str] | None = None) -> int:
    """Run, print, keep; returns 1 when a bench failed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="*", metavar="NAME", help=f"some of: {', '.join(BENCHES)}")
    parser.add_argument("--smoke", action="store_true", help="a few benches, a few seconds each: do they run?")
    parser.add_argument("--read", action="store_true", help="run nothing, read the file of results")
    parser.add_argument("--results", type=Path, default=RESULTS, help="file of results (.mien/bench/results.json)")
    parser.add_argument("--docs", type=Path, help="page whose marked tables are written anew")
    given = parser.parse_args(arguments)
    wanted = {name: command for name, command in (SMOKE if given.smoke else BENCHES).items()
              if given.only is None or name in given.only}  # fmt: skip
    results = _read(given.results)
    failed: list[str] = []
    with stopped_cleanly():
        for name, command in {} if given.read else wanted.items():
            if not _run(name, command, results):
                failed.append(name)
            _keep(given.results, results)
    show(results)
    if not given.smoke:
        from bench.report.plots import draw

        draw(results, given.results.parent)
    if given.docs is not None:
        given.docs.write_text(fill(given.docs.read_text(), results))
    if failed:
        Console().print(f"failed: {', '.join(failed)}")
    return 1 if failed else 0


def show(results: Mapping[str, Any]) -> None:
    """Print the table of targets."""
    console = Console()
    table = Table("what", "target", "measured", "", title="targets of mien")
    table.caption = str(results.get("machine", ""))
    for row in rows(results):
        table.add_row(row.what, row.target, row.measured, {True: "✓", False: "✗", None: "–"}[row.kept])
    console.print(table)


def _run(name: str, command: Sequence[str], results: dict[str, Any]) -> bool:
    console = Console(stderr=True, highlight=False)
    console.print(f"{name}: python -m {' '.join(command)} …")
    began_s = time.monotonic()
    with pinned(
        [sys.executable, "-m", *command, "--json"], cores(), environment={"PYTHONPATH": str(ROOT)},
        output=subprocess.PIPE,
    ) as process:  # fmt: skip
        try:
            printed, _ = process.communicate(timeout=_TIMEOUT_S)
        except BaseException:
            process.terminate()
            raise
    document = _last_document(printed)
    if document is None:
        console.print(f"{name} failed with exit code {process.returncode}")
        return False
    results[name] = document
    results["machine"] = describe()
    console.print(f"{name}: {time.monotonic() - began_s:.0f} s")
    return True


def _last_document(printed: str) -> dict[str, Any] | None:
    lines = [line for line in printed.strip().splitlines() if line.startswith("{")]
    document: dict[str, Any] | None = json.loads(lines[-1]) if lines else None
    return document


def _read(path: Path) -> dict[str, Any]:
    results: dict[str, Any] = json.loads(path.read_text()) if path.is_file() else {}
    return results


def _keep(path: Path, results: Mapping[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(results, indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    raise SystemExit(main())
