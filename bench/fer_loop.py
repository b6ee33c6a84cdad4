"""The package `fer` on a folder of pictures, with its own detector, in a plain loop: run by `bench.photos`.

Runs in an environment of its own, which `python -m bench.setup_baselines` makes; needs nothing of mien.
"""

import json
import os
import sys
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import cv2
from fer.fer import FER


def main() -> None:
    """Warm up on the first picture, read all of them once, and print one JSON document."""
    paths = sys.argv[1:]
    detector = FER()
    detector.detect_emotions(cv2.imread(paths[0]))
    faces = 0
    wall, cpu = time.perf_counter(), time.process_time()
    for path in paths:
        faces += len(detector.detect_emotions(cv2.imread(path)))
    took = {"wall_s": time.perf_counter() - wall, "cpu_s": time.process_time() - cpu}
    print(json.dumps({"pictures": len(paths), "faces": faces, **took}))


if __name__ == "__main__":
    main()
