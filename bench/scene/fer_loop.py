"""`python -m bench fer_loop [PICTURE…]`: the package `fer` with its own detector.

With pictures it warms up on the first one, reads all of them once and prints one JSON document (for `bench photos`);
without, it takes turns (for `bench frame`). Runs in an environment of its own, which `python -m bench setup_baselines`
makes; needs nothing of mien.
"""

from __future__ import annotations

import json
import os
import sys
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import cv2
from fer.fer import FER

from bench.scene.turns import take_turns


def main() -> None:
    """Read pictures."""
    detector = FER()
    paths = sys.argv[1:]
    if not paths:
        take_turns(lambda path: len(detector.detect_emotions(cv2.imread(path))))
        return
    detector.detect_emotions(cv2.imread(paths[0]))
    faces = 0
    wall, cpu = time.perf_counter(), time.process_time()
    for path in paths:
        faces += len(detector.detect_emotions(cv2.imread(path)))
    took = {"wall_s": time.perf_counter() - wall, "cpu_s": time.process_time() - cpu}
    print(json.dumps({"pictures": len(paths), "faces": faces, **took}))


if __name__ == "__main__":
    main()
