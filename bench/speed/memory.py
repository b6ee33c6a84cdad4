"""`python -m bench memory [--pictures N] [--json]`: is the memory of a job worker flat?

One worker reads N photos (10,000) of many sizes and shapes, some huge, in ten jobs through the real queue; its resident
memory is read after each job. `growth_mib` is what the last job has over the second: by then nets are compiled.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench.report.machine import cores, describe
from bench.scene.offline import JobsSite
from bench.scene.pictures import HUGE, KINDS, Kind, write_folder
from tests.support.demo_media import DEFAULT_FOLDER

JOBS = 10
MOST_GROWTH_MIB = 40
# Cut-outs of all shapes, as data sets of faces have them.
_ODD = tuple(Kind("astronaut", 260 + 37 * step, 610 - 29 * step) for step in range(12))


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print; returns 1 when the memory grows."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=int, default=10_000, help="in all (10000)")
    parser.add_argument("--media", type=Path, default=DEFAULT_FOLDER, help="folder of the demo media")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    given = parser.parse_args(arguments)
    machine = describe()
    with tempfile.TemporaryDirectory(prefix="mien-bench-") as folder:
        measured = measure(given.pictures, Path(folder), given.media)
    if given.json:
        print(json.dumps({"machine": machine, **measured}))
    else:
        steps = ", ".join(map(str, measured["rss_mib"]))
        print(f"{machine}\n{measured['pictures']} photos; MiB after each job: {steps}")
        print(f"growth {measured['growth_mib']} MiB (at most {MOST_GROWTH_MIB}), highest {measured['highest_mib']} MiB")
    return 0 if measured["growth_mib"] <= MOST_GROWTH_MIB else 1


def measure(pictures: int, folder: Path, media: Path = DEFAULT_FOLDER) -> dict[str, Any]:
    """Return the memory after each job (MiB), the highest, and how much it has grown."""
    kinds = [*(3 * KINDS[:4]), *KINDS[4:], *_ODD, HUGE]
    paths = write_folder(folder / "pictures", max(1, pictures // JOBS), media, kinds)
    after: list[int] = []
    with JobsSite(folder / "office", chunk_size=64) as office:
        office.start_worker(cores())
        for _ in range(JOBS):
            office.run("photos", paths)
            after.append(round(office.rss_mib()))
        highest = round(office.rss_mib(highest=True))
    return {
        "pictures": len(paths) * JOBS,
        "rss_mib": after,
        "highest_mib": highest,
        "growth_mib": after[-1] - after[1],
    }


if __name__ == "__main__":
    raise SystemExit(main())
