"""`python -m bench up [--seconds S] [--json]`: `mien up` with its demo camera, as a person sees it.

Prints the seconds from the start to the first annotated picture in a viewer, then over S seconds: frames a second,
share on time over frames captured, and milliseconds from capture to published result; at last the seconds that Ctrl-C
takes. One viewer watches all the time.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import platform
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from mien.bus.bus import Bus
from mien.settings import Settings
from mien.types import FrameResult
from tests.support.ports import free_port

CAMERA = "demo"
START_TIMEOUT_S = 60.0
WARM_S = 3.0


def main() -> None:
    """Measure once and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=20, help="how long to measure (20)")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="mien-bench-") as folder:
        measured = measure(Path(folder), arguments.seconds)
    if arguments.json:
        print(json.dumps(measured))
        return
    table = Table("what", "measured", title="mien up, demo camera")
    for name, value in measured.items():
        table.add_row(name, str(value))
    Console().print(table)


def measure(folder: Path, seconds: float) -> dict[str, Any]:
    """Run `mien up` in `folder` and return what was measured."""
    (folder / ".mien").mkdir()
    fetched = Path(".mien/media").absolute()
    if fetched.is_dir():  # the clip that `make setup` fetched: a download is no part of a start
        (folder / ".mien/media").symlink_to(fetched)
    port = free_port()
    started_s = time.monotonic()
    with (folder / "up.log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "cli", "up", "--port", str(port)],
            cwd=folder, stdout=log, stderr=log, env={**os.environ, "PYTHONPATH": str(Path.cwd())},
        )  # fmt: skip
    viewer: threading.Thread | None = None
    try:
        pictures = _annotated(port)
        next(pictures)
        first_s = time.monotonic() - started_s
        viewer = threading.Thread(target=_watch, args=(pictures,), daemon=True)
        viewer.start()
        measured = _measure_stream(folder, seconds)
    finally:
        stopping_s = time.monotonic()
        process.send_signal(signal.SIGINT)
        process.wait(30)
        stop_s = time.monotonic() - stopping_s
        if viewer is not None:
            viewer.join(5)
    return {
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        "first_picture_s": round(first_s, 2),
        **measured,
        "stop_s": round(stop_s, 2),
    }


def _measure_stream(folder: Path, seconds: float) -> dict[str, Any]:
    record = json.loads((folder / ".mien/up.json").read_text())
    with closing(Bus(record["bus_url"], Settings())) as bus:
        time.sleep(WARM_S)
        before, latencies_ms, last_id = bus.counts(CAMERA), [], bus.last_result_ids([CAMERA])[CAMERA]
        until_s = time.monotonic() + seconds
        while time.monotonic() < until_s:
            read = bus.read_result_texts({CAMERA: last_id})
            latencies_ms += [FrameResult.from_json(text).latency_ms for _, _, text in read]
            last_id = read[-1][1] if read else last_id
        counts = bus.counts(CAMERA).since(before)
    p50, p95, p99 = (round(float(value), 1) for value in np.percentile(latencies_ms, [50, 95, 99]))
    return {
        "fps": round(counts.analysed / seconds, 2),
        # Of the frames that ended in this time, so that those in flight at its edges do not count twice.
        "on_time_share": round(counts.on_time / counts.ended, 4),
        "latency_ms": {"p50": p50, "p95": p95, "p99": p99},
        "dropped": dict(counts.drops),
    }


def _annotated(port: int) -> Iterator[bytes]:
    """Yield the annotated pictures of the demo camera, from the first moment at which there are any."""
    deadline_s = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline_s:
        with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=START_TIMEOUT_S)) as connection:
            try:
                connection.request("GET", f"/cameras/{CAMERA}/stream.mjpg")
                with closing(connection.getresponse()) as response:
                    if response.status == 200:
                        yield from _parts(response)
                        return
            except OSError:
                time.sleep(0.05)
    raise SystemExit(f"no picture within {START_TIMEOUT_S:.0f} s")


def _parts(response: http.client.HTTPResponse) -> Iterator[bytes]:
    headers: dict[str, str] = {}
    while line := response.readline():
        name, colon, value = line.decode("latin-1").strip().partition(":")
        if colon:
            headers[name.lower()] = value.strip()
        elif not name and "content-length" in headers:
            jpeg = response.read(int(headers["content-length"]))
            if headers.get("x-frame-id"):
                yield jpeg
            headers = {}


def _watch(pictures: Iterator[bytes]) -> None:
    try:
        for _ in pictures:
            pass
    except (OSError, http.client.HTTPException):  # the dashboard ends before its viewer
        pass


if __name__ == "__main__":
    main()
