"""What a face costs in each runtime, each measured in a process of its own.

Keras has one backend a process, and the one that trained need not be TensorFlow; nor do the threads that one runtime
left behind disturb the next.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from mien.errors import RuntimeMissing, WeightsError
from mien.settings import RuntimeName
from models.nets import weights as weights_file
from models.nets.architecture import FAMILY
from models.runtimes.choose import open_runtime

RUNTIMES: tuple[RuntimeName, ...] = ("openvino", "onnxruntime", "tensorflow")
RUNS = 15
_MISSING = 3


def times_of(path: Path, faces: int) -> dict[RuntimeName, float | None]:
    """Return the median milliseconds a face in batches of `faces`, one thread, by runtime; None where it cannot run.

    Raises WeightsError when a runtime fails with these weights.
    """
    ours = weights_file.load(path).variant in FAMILY
    # TensorFlow's net is rebuilt from named arrays, which only our own nets have.
    return {name: _timed(path, name, faces) if ours or name != "tensorflow" else None for name in RUNTIMES}


def _timed(path: Path, runtime: RuntimeName, faces: int) -> float | None:
    done = subprocess.run(
        [sys.executable, "-m", "models.comparing.timing", str(path), runtime, str(faces)],
        env={**os.environ, "KERAS_BACKEND": "tensorflow"},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode == _MISSING:
        return None
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise WeightsError(f"{path} cannot be timed in {runtime} ({last}): train again")
    return float(done.stdout.split()[-1])


def _measure(path: Path, runtime: RuntimeName, faces: int) -> float:
    weights = weights_file.load(path)
    opened = open_runtime(weights, runtime, threads=1)
    shape = (faces, weights.input_size, weights.input_size, weights.channels)
    pictures, times = np.random.default_rng(0).uniform(0, 255, shape).astype(np.float32), []
    for _ in range(RUNS):
        start = time.perf_counter()
        opened.logits(pictures)
        times.append(time.perf_counter() - start)
    return round(1000 * float(np.median(times)) / faces, 3)


def _main(path: str, runtime: RuntimeName, faces: str) -> int:
    try:
        print(_measure(Path(path), runtime, int(faces)))
    except RuntimeMissing:
        return _MISSING
    return 0


if __name__ == "__main__":
    sys.exit(_main(*sys.argv[1:]))  # type: ignore[arg-type]
