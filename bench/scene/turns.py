"""The other side of `bench frame`: a loop that reads the pictures it is told to, one at a time, when it is its turn.

Needs nothing but the standard library: baselines run in environments of their own.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable


def take_turns(read: Callable[[str], int]) -> None:
    """Answer each path on a line of stdin with one JSON line: wall and CPU milliseconds, and how many faces."""
    print(json.dumps({"ready": True}), flush=True)
    for line in sys.stdin:
        wall, cpu = time.perf_counter(), time.process_time()
        faces = read(line.strip())
        took = {"wall_ms": 1000 * (time.perf_counter() - wall), "cpu_ms": 1000 * (time.process_time() - cpu)}
        print(json.dumps({**took, "faces": faces}), flush=True)
