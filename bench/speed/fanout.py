"""`python -m bench fanout [--viewers N] [--seconds S] [--json]`: one dashboard process, one camera, many viewers.

A real `mien dashboard` on an embedded broker; views of 1280×720 (about 90 KB, 25 a second, all different) come from
`bench feed`; N viewers read as fast as they can, five more read 200 KB a second. Both ways to look are measured: MJPEG
(programs, `<img>`) and `/stream` (our pages), then a camera whose picture never changes, and one that is gone.
`cpu_share` is of one core, gunicorn's master and worker together; ages are from the feed to the last byte at a viewer.
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import redis
from rich.console import Console
from rich.table import Table

from bench.report.machine import cpu_s, describe, rss_mib
from bench.scene.feed import CAMERA
from bench.scene.viewers import Crowd, Kind, Viewer
from mien.bus.embedded import EmbeddedBroker
from mien.bus.entries import view_key
from tests.support.paths import ROOT

FPS = 25.0
SLOW_VIEWERS = 5
SLOW_BYTES_A_SECOND = 200_000.0
WARM_S = 2.0
START_TIMEOUT_S = 30.0
TARGETS = {"cpu_share": 0.5, "rss_mib": 120, "ready_s": 1.5}
_PATHS: dict[Kind, str] = {"mjpeg": f"/cameras/{CAMERA}/stream.mjpg", "tiles": f"/stream?cameras={CAMERA}"}


@dataclass(frozen=True, slots=True)
class Dashboard:
    """A running dashboard: its port, the processes of it, and how long it took until it answered."""

    port: int
    pids: tuple[int, ...]
    ready_s: float

    def cpu_s(self) -> float:
        """Return the CPU time that it has used."""
        return sum(cpu_s(pid) for pid in self.pids)

    def rss_mib(self) -> float:
        """Return the resident memory of the process that serves."""
        return max(rss_mib(pid) for pid in self.pids)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure once and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--viewers", type=int, default=50, help="who read as fast as they can (50)")
    parser.add_argument("--seconds", type=float, default=15, help="how long each part is measured (15)")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    given = parser.parse_args(arguments)
    machine = describe()
    with tempfile.TemporaryDirectory(prefix="mien-bench-") as folder:
        measured = {"machine": machine, **measure(given.viewers, given.seconds, Path(folder))}
    print(json.dumps(measured)) if given.json else _print(measured)


def measure(viewers: int, seconds: float, folder: Path) -> dict[str, Any]:
    """Return what was measured; the keys at the top are those of MJPEG."""
    with EmbeddedBroker() as broker, running_dashboard(broker.url, folder) as dashboard:
        with feeding(broker.url):
            mjpeg = _watched("mjpeg", viewers, seconds, dashboard, broker)
            tiles = _watched("tiles", viewers, seconds, dashboard, broker)
        with feeding(broker.url, same=True):
            same = _watched("mjpeg", viewers, min(seconds, 5.0), dashboard, broker)
        idle = _watched("mjpeg", viewers, min(seconds, 5.0), dashboard, broker)
    quiet = ("fps_median", "bytes_a_second", "cpu_share")
    return {
        "viewers": viewers,
        "seconds": seconds,
        **mjpeg,
        "tiles": tiles,
        "same": {name: same[name] for name in quiet},
        "idle": {name: idle[name] for name in quiet},
        "ready_s": round(dashboard.ready_s, 2),
        "targets": TARGETS,
    }


def _watched(kind: Kind, viewers: int, seconds: float, dashboard: Dashboard, broker: EmbeddedBroker) -> dict[str, Any]:
    crowd = Crowd("127.0.0.1", dashboard.port)
    try:
        for _ in range(viewers):
            crowd.add(Viewer(kind), _PATHS[kind])
        for _ in range(SLOW_VIEWERS):
            crowd.add(Viewer(kind, SLOW_BYTES_A_SECOND), _PATHS[kind])
        crowd.run(WARM_S)
        for viewer in crowd.viewers:
            viewer.start_again()
        rss_start, cpu_start, broker_start = dashboard.rss_mib(), dashboard.cpu_s(), cpu_s(broker.pid)
        fed_start, reader_start, start_s = _fed(broker.url), time.process_time(), time.monotonic()
        crowd.run(seconds)
        took_s = time.monotonic() - start_s
        fed_fps = (_fed(broker.url) - fed_start) / took_s
        used = {
            "cpu_share": (dashboard.cpu_s() - cpu_start) / took_s,
            "broker_cpu_share": (cpu_s(broker.pid) - broker_start) / took_s,
            "viewers_cpu_share": (time.process_time() - reader_start) / took_s,
        }
        rss = {"start": round(rss_start, 1), "end": round(dashboard.rss_mib(), 1)}
    finally:
        crowd.close()
    fast, slow = crowd.viewers[:viewers], crowd.viewers[viewers:]
    rates = [viewer.pictures / took_s for viewer in fast]
    return {
        "fed_fps": round(fed_fps, 2),
        "fps_min": round(min(rates), 2),
        "fps_median": round(float(np.median(rates)), 2),
        "bytes_a_second": round(sum(viewer.bytes_read for viewer in fast) / took_s),
        **{name: round(share, 4) for name, share in used.items()},
        "age_ms": ages(fast),
        "rss_mib": rss,
        "slow": {
            "viewers": len(slow),
            "fps_median": round(float(np.median([viewer.pictures / took_s for viewer in slow])), 2),
            "age_ms": ages(slow),
        },
    }


def _fed(broker_url: str) -> int:
    with redis.Redis.from_url(broker_url) as client:
        about: Any = client.xinfo_stream(view_key(CAMERA)) if client.exists(view_key(CAMERA)) else {}
    return int(about.get("entries-added", 0))


def ages(viewers: Sequence[Viewer]) -> dict[str, float] | None:
    """Return how old pictures were when they were there (ms); None when no viewer got one that was fed."""
    found = [age for viewer in viewers for age in viewer.ages_ms]
    if not found:
        return None
    p50, p95 = np.percentile(found, [50, 95])
    return {"p50": round(float(p50), 1), "p95": round(float(p95), 1), "most": round(max(found), 1)}


@contextmanager
def running_dashboard(broker_url: str, folder: Path) -> Iterator[Dashboard]:
    """Run `mien dashboard` as people start it."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    environment = {
        **os.environ,
        "MIEN_BUS_URL": broker_url,
        "MIEN_JOBS_URL": broker_url,
        "MIEN_DATA_DIR": str(folder / "data"),
        "PYTHONPATH": str(ROOT),
    }
    started_s = time.monotonic()
    with (folder / "dashboard.log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "cli", "dashboard", "--port", str(port)],
            cwd=folder, env=environment, stdout=log, stderr=log,
        )  # fmt: skip
    try:
        _until_ready(port, process, folder / "dashboard.log")
        ready_s = time.monotonic() - started_s
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        yield Dashboard(port, (process.pid, *map(int, children)), ready_s)
    finally:
        process.terminate()
        process.wait(10)


@contextmanager
def feeding(broker_url: str, *, same: bool = False) -> Iterator[None]:
    """Run `bench feed`, and wait until the first view is there."""
    command = [sys.executable, "-m", "bench.scene.feed", broker_url, "--fps", str(FPS), *(["--same"] if same else [])]
    process = subprocess.Popen(command, cwd=ROOT)
    try:
        before, deadline_s = _fed(broker_url), time.monotonic() + START_TIMEOUT_S
        while _fed(broker_url) == before:
            if process.poll() is not None or time.monotonic() > deadline_s:
                raise SystemExit("bench.scene.feed did not feed")
            time.sleep(0.05)
        yield
    finally:
        process.terminate()
        process.wait(10)


def _until_ready(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline_s = time.monotonic() + START_TIMEOUT_S
    while True:
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=START_TIMEOUT_S) as probe:
                probe.sendall(f"GET /healthz HTTP/1.0\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode())
                if b" 200 " in probe.recv(64):
                    return
        except ConnectionError:
            pass
        if process.poll() is not None or time.monotonic() > deadline_s:
            raise SystemExit(f"the dashboard did not start: {log.read_text()[-500:]}")
        time.sleep(0.01)


def _print(measured: dict[str, Any]) -> None:
    console = Console()
    table = Table("what", "MJPEG", "/stream", title=f"{measured['viewers']} viewers of one camera at {FPS:g} fps")
    table.caption = f"{measured['machine']}; ready after {measured['ready_s']} s"
    both = (measured, measured["tiles"])
    for name in (
        "fed_fps",
        "fps_min",
        "fps_median",
        "cpu_share",
        "broker_cpu_share",
        "viewers_cpu_share",
        "age_ms",
        "rss_mib",
    ):
        table.add_row(name, *(_words(way[name]) for way in both))
    table.add_row("slow: fps", *(_words(way["slow"]["fps_median"]) for way in both))
    table.add_row("slow: age_ms", *(_words(way["slow"]["age_ms"]) for way in both))
    console.print(table)
    for name, words in (("same", "the picture never changes"), ("idle", "no picture comes")):
        quiet = measured[name]
        told = f"{words}: {quiet['bytes_a_second'] / 1e6:.2f} MB/s to all viewers, {quiet['cpu_share']:.3f} of a core"
        console.print(told, highlight=False)


def _words(value: Any) -> str:
    return ", ".join(f"{name} {each}" for name, each in value.items()) if isinstance(value, dict) else str(value)


if __name__ == "__main__":
    main()
