"""`python -m bench kernel_frames FILE.avi [--frames N] [--fps F]`: the bare kernels on the frames of a camera.

Decode, detect, classify, draw and encode in a plain loop on one thread, no tracker, no queue, nothing published, at the
camera's own rate: between frames a real worker waits too, and its caches are used by others meanwhile. The file is
Motion JPEG; its JPEGs are read before the measurement.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from itertools import islice, pairwise
from pathlib import Path

from bench.scene.clips import CYCLE_FRAMES, FPS
from mien.logs import configure_logs
from mien.settings import Settings
from models.analyzer import PixelAnalyzer, open_analyzer
from models.pictures.overlay import draw_faces
from models.pictures.picture import decode, encode_jpeg

STAGES = ("decode", "detect", "classify", "draw", "encode")


def main(arguments: Sequence[str] | None = None) -> None:
    """Warm up, measure once, and print the CPU milliseconds a frame of each stage as one JSON document."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path)
    parser.add_argument("--frames", type=int, default=CYCLE_FRAMES, help=f"to measure ({CYCLE_FRAMES})")
    parser.add_argument("--fps", type=float, default=FPS, help=f"0: as fast as it goes ({FPS})")
    given = parser.parse_args(arguments)
    configure_logs("error")
    settings = Settings(threads=1)
    analyzer = open_analyzer(settings)
    jpegs = list(islice(jpegs_in(given.file), given.frames))
    stages_ms(analyzer, jpegs[:25], settings, given.fps)
    print(json.dumps({"frames": len(jpegs), "stages_ms": stages_ms(analyzer, jpegs, settings, given.fps)}))


def stages_ms(analyzer: PixelAnalyzer, jpegs: Sequence[bytes], settings: Settings, fps: float) -> dict[str, float]:
    """Return the mean CPU milliseconds a frame of each stage, over all threads of this process."""
    spent = dict.fromkeys(STAGES, 0.0)
    began_s = time.monotonic()
    for number, jpeg in enumerate(jpegs):
        time.sleep(max(0.0, began_s + number / fps - time.monotonic()) if fps else 0.0)
        laps = [time.process_time()]
        rgb = decode(jpeg)
        laps.append(time.process_time())
        (faces,), parts_ms = analyzer.analyze_many([rgb])
        laps.append(time.process_time())
        draw_faces(rgb, faces)
        laps.append(time.process_time())
        encode_jpeg(rgb, settings.view_quality)
        laps.append(time.process_time())
        decoded, analysed, drawn, encoded = (later - sooner for sooner, later in pairwise(laps))
        both_ms = sum(parts_ms.values())
        spent["decode"] += decoded
        for stage, milliseconds in parts_ms.items():  # the analyzer says how much wall time each of the two took
            spent[stage] += analysed * milliseconds / both_ms
        spent["draw"] += drawn
        spent["encode"] += encoded
    return {stage: 1000 * seconds / len(jpegs) for stage, seconds in spent.items()}


def jpegs_in(path: Path) -> list[bytes]:
    """Return the JPEGs of a Motion JPEG file."""
    import av

    with av.open(str(path)) as container:
        return [bytes(packet) for packet in container.demux(container.streams.video[0]) if packet.size]


if __name__ == "__main__":
    main()
