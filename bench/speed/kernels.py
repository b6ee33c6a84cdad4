"""`python -m bench kernels FOLDER [--json]`: the bare kernels on a folder of pictures.

Read, decode, detect, classify, draw and encode in a plain loop on one thread, a picture after the other, nothing
written: what an offline worker would cost if queue, batches, results and files were free.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from mien.logs import configure_logs
from mien.settings import Settings
from models.analyzer import PixelAnalyzer, open_analyzer
from models.pictures.overlay import draw_faces
from models.pictures.picture import encode_jpeg
from worker.jobs.pictures import Limits, open_photo

STAGES = ("decode", "detect", "classify", "draw", "encode")


@dataclass(frozen=True, slots=True)
class Loop:
    """What a loop over pictures took: wall and CPU time in all, and the CPU milliseconds a picture of each stage."""

    pictures: int
    faces: int
    wall_s: float
    cpu_s: float
    stages_ms: dict[str, float]


def run(analyzer: PixelAnalyzer, paths: Sequence[Path], settings: Settings) -> Loop:
    """Read every picture once, and return what it took."""
    faces = 0
    limits = Limits(settings.photo_max_pixels, settings.smallest_face_px)
    stages = dict.fromkeys(STAGES, 0.0)
    wall, cpu = time.perf_counter(), time.process_time()
    for path in paths:
        lap = time.process_time()
        opened = open_photo(path, limits)
        stages["decode"] += time.process_time() - lap
        lap = time.process_time()
        (found,), parts_ms = analyzer.analyze_many([opened.pixels])
        used, both_ms = time.process_time() - lap, sum(parts_ms.values())
        for stage, milliseconds in parts_ms.items():  # the analyzer says how much wall time each of the two took
            stages[stage] += used * milliseconds / both_ms
        lap = time.process_time()
        draw_faces(opened.pixels, found)
        stages["draw"] += time.process_time() - lap
        lap = time.process_time()
        encode_jpeg(opened.pixels, settings.jpeg_quality)
        stages["encode"] += time.process_time() - lap
        faces += len(found)
    each_ms = {stage: 1000 * seconds / len(paths) for stage, seconds in stages.items()}
    return Loop(len(paths), faces, time.perf_counter() - wall, time.process_time() - cpu, each_ms)


def main(arguments: Sequence[str] | None = None) -> None:
    """Warm up on the first pictures, measure once, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="folder of JPEG pictures")
    parser.add_argument("--warm", type=int, default=8, help="pictures to warm up on (8)")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    given = parser.parse_args(arguments)
    configure_logs("warning")
    settings = Settings()
    analyzer = open_analyzer(settings)
    paths = sorted(given.folder.glob("*.jpg"))
    run(analyzer, paths[: given.warm], settings)
    measured = run(analyzer, paths, settings)
    if given.json:
        print(json.dumps(asdict(measured)))
        return
    stages = ", ".join(f"{stage} {ms:.1f}" for stage, ms in measured.stages_ms.items())
    print(f"{measured.pictures / measured.wall_s:.1f} pictures/s, {measured.faces} faces; ms a picture: {stages}")


if __name__ == "__main__":
    main()
