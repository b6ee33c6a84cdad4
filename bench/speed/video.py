"""`python -m bench video [--seconds S] [--rounds N] [--json]`: how many times faster than real time is a video job?

A video of two people at 1280×720 and 25 fps, with sound, goes through the real queue with two workers, each pinned to a
core: every frame analysed, tracked and drawn, an annotated MP4 with the sound, tables, plots and report written. `cpu`
is what two cores would reach if they never waited: on a machine that is not quiet, only that counts.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from collections.abc import Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bench.report.machine import Spread, cores, describe
from bench.scene.clips import FPS, HEIGHT, WIDTH, two_people
from bench.scene.offline import JobsSite, Run
from mien.pixels import Rgb
from mien.settings import Settings
from models.analyzer import open_analyzer
from models.pictures.overlay import draw_faces
from tests.support.demo_media import DEFAULT_FOLDER
from worker.jobs.video.encode import choose_encoder

if TYPE_CHECKING:
    from av.video.frame import VideoFrame

WORKERS = 2
TARGET = 3.0
KERNEL_FRAMES = 100
FASTEST = {"preset": "ultrafast", "crf": "22"}
"""Of x264: what the job really asks for costs a little more."""

_WARM_S = 1.0


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=120, help="length of the video (120)")
    parser.add_argument("--rounds", type=int, default=3, help="how often it is read (3)")
    parser.add_argument("--media", type=Path, default=DEFAULT_FOLDER, help="folder of the demo media")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    given = parser.parse_args(arguments)
    machine = describe()
    with tempfile.TemporaryDirectory(prefix="mien-bench-") as folder:
        measured = measure(given.seconds, given.rounds, Path(folder), given.media)
    if given.json:
        print(json.dumps({"machine": machine, **measured}))
        return
    print(f"{machine}\n{given.seconds:g} s of {WIDTH}×{HEIGHT} at {FPS} fps, two faces, {WORKERS} workers")
    print(f"times faster than real time (target {TARGET}): {Spread(**measured['faster'])}")
    print(f"by CPU time: {Spread(**measured['faster_by_cpu'])}; {Spread(**measured['cpu_ms_a_frame'])} ms a frame")
    stages = ", ".join(f"{stage} {milliseconds:.1f}" for stage, milliseconds in measured["kernels_ms"].items())
    print(f"kernels in a plain loop, CPU ms a frame: {stages}: {measured['faster_in_a_loop']} times faster")
    print(f"memory of a worker: up to {measured['worker_rss_mib']} MiB")


def measure(seconds: float, rounds: int, folder: Path, media: Path = DEFAULT_FOLDER) -> dict[str, Any]:
    """Return how many times faster than real time each round was, as medians and spread."""
    video = two_people(folder / "two-people.mp4", seconds, media)
    short = [two_people(folder / f"warm-{number}.mp4", _WARM_S, media) for number in range(WORKERS)]
    usable = cores()
    runs: list[Run] = []
    with JobsSite(folder / "office", chunk_size=1) as office:
        for core in (usable[0], usable[-1]):
            office.start_worker(core)
        office.warm("video", short)
        for _ in range(rounds):
            runs.append(office.run("video", [video], timeout_s=60 + 20 * seconds))
            _check(runs[-1])
        highest = round(office.rss_mib(highest=True))
    used = min(WORKERS, len(usable))
    floor = kernels_ms(video)
    return {
        "seconds": seconds,
        "target": TARGET,
        "faster": Spread.of([seconds / run.wall_s for run in runs]).to_dict(),
        "faster_by_cpu": Spread.of([used * seconds / run.cpu_s for run in runs]).to_dict(),
        "cpu_ms_a_frame": Spread.of([1000 * run.cpu_s / (seconds * FPS) for run in runs]).to_dict(),
        "kernels_ms": {stage: round(milliseconds, 2) for stage, milliseconds in floor.items()},
        "faster_in_a_loop": round(used * 1000 / FPS / sum(floor.values()), 2),
        "worker_rss_mib": highest,
    }


def kernels_ms(video: Path) -> dict[str, float]:
    """Return the CPU milliseconds a frame of the kernels in a plain loop, to compare the job with.

    `decode` with the conversion to RGB, `detect` and `classify`, `draw` with the conversion back, and `encode`. A job
    decodes twice, to analyse and to draw, and so does this; but a job draws without converting the picture.
    """
    import av

    analyzer = open_analyzer(Settings())
    spent = dict.fromkeys(("decode", "detect", "classify", "draw", "encode"), 0.0)
    clock = _Clock(spent)
    with av.open(str(video)) as source, av.open(os.devnull, "w", format="mp4") as sink:
        stream: Any = sink.add_stream(choose_encoder(), rate=FPS, options=dict(FASTEST))
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        source.streams.video[0].thread_count = stream.codec_context.thread_count = 1
        frames = iter(source.decode(video=0))
        analyzer.analyze(_rgb(next(frames)))
        clock.lap()
        for frame in islice(frames, KERNEL_FRAMES):
            rgb = _rgb(frame)
            clock.lap("decode", times=2)
            (faces,), parts_ms = analyzer.analyze_many([rgb])
            clock.lap_shared(parts_ms)
            draw_faces(rgb, faces)
            drawn = av.VideoFrame.from_ndarray(rgb, format="rgb24").reformat(format="yuv420p")
            clock.lap("draw")
            sink.mux(stream.encode(drawn))
            clock.lap("encode")
    return {stage: 1000 * seconds / KERNEL_FRAMES for stage, seconds in spent.items()}


class _Clock:
    """Adds the CPU time between two laps to a stage, or to several in proportion."""

    def __init__(self, spent: dict[str, float]) -> None:
        self._spent = spent
        self._since_s = time.process_time()

    def lap(self, stage: str = "", times: int = 1) -> None:
        """Add it to one stage, or to none."""
        used_s = self._used_s()
        if stage:
            self._spent[stage] += times * used_s

    def lap_shared(self, shares: Mapping[str, float]) -> None:
        """Add it to several stages in proportion."""
        used_s, whole = self._used_s(), sum(shares.values())
        for stage, share in shares.items():
            self._spent[stage] += used_s * share / whole

    def _used_s(self) -> float:
        since_s, self._since_s = self._since_s, time.process_time()
        return self._since_s - since_s


def _rgb(frame: VideoFrame) -> Rgb:
    return np.asarray(frame.to_ndarray(format="rgb24"), np.uint8)


def _check(run: Run) -> None:
    """End the bench when the job has left out what takes the time."""
    if not list(run.view.out.rglob("annotated.mp4")) or run.view.faces < 1:
        raise SystemExit(f"the video job wrote no annotated video, or found no face: {run.view.to_dict()}")


if __name__ == "__main__":
    main()
