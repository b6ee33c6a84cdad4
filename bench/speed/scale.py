"""`python -m bench scale [--seconds S] [--json]`: does the pipeline itself scale, with workers and with cameras?

Frames, bus and workers are real; only the analyzer is a stub of fixed cost (`bench stub_worker`), so that nothing but
the pipeline can make a difference.

Workers: eight lossless cameras that always have a frame of 1280×720 waiting. `two_over_one` compares frames a second
of two workers with those of one, each worker on a core of its own and a stub that uses the CPU; `three_over_one` is of
three workers with a stub that waits instead, as for a GPU, since a machine may have two cores only.

Cameras: one worker with a stub that costs nothing, and the same number of frames a second from 1 to 64 cameras.
`cost_ms` is the worker's CPU time a frame, the decoding of the JPEG with it; `cost_growth` the last over the first.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.report.machine import cores, describe
from bench.scene.clips import HEIGHT, WIDTH, side_by_side
from bench.scene.site import READY_S, Site, stopped_cleanly
from mien.bus.bus import Bus
from mien.types import Camera, CameraState, Delivery, Frame
from models.pictures.picture import encode_jpeg

TARGET_TWO = 1.8
TARGET_GROWTH = 1.25
BURN_MS, SLEEP_MS = 12.0, 30.0
CAMERAS = (1, 4, 16, 64)
_LOSSLESS_CAMERAS = 8
_WAITING = 8
_TOP_UP_S = 0.05
_RATE = 100.0
_NOTE_EVERY_S = 0.5
_WARM_S = 2.0


@dataclass(frozen=True, slots=True)
class Pace:
    """Frames a second, and CPU milliseconds a frame of all workers together."""

    fps: float
    cpu_ms: float


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=8, help="for each measurement (8)")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    given = parser.parse_args(arguments)
    machine = describe()
    with stopped_cleanly(), tempfile.TemporaryDirectory(prefix="mien-bench-") as folder:
        measured = measure(given.seconds, Path(folder))
    if given.json:
        print(json.dumps({"machine": machine, **measured}))
        return
    print(machine)
    for way, words in (
        ("burn", f"a stub that uses {BURN_MS:g} ms of CPU"),
        ("sleep", f"one that waits {SLEEP_MS:g} ms"),
    ):
        for workers, pace in measured[way].items():
            print(f"{workers} workers with {words}: {pace['fps']} frames/s, {pace['cpu_ms']} CPU ms a frame")
    print(f"two over one {measured['two_over_one']} (target {TARGET_TWO}; by CPU {measured['two_over_one_cpu']})")
    print(f"three over one, waiting: {measured['three_over_one']}")
    print(
        f"CPU ms a frame by cameras: {measured['cost_ms']}; growth {measured['cost_growth']} (at most {TARGET_GROWTH})"
    )


def measure(seconds: float, folder: Path, cameras: Sequence[int] = CAMERAS) -> dict[str, Any]:
    """Return paces by workers and costs by cameras."""
    jpeg = encode_jpeg(next(side_by_side()))
    burn = {workers: _with_workers(folder / f"burn-{workers}", workers, "burn", seconds, jpeg) for workers in (1, 2)}
    sleep = {workers: _with_workers(folder / f"sleep-{workers}", workers, "sleep", seconds, jpeg) for workers in (1, 3)}
    cost_ms = {number: _with_cameras(folder / f"cameras-{number}", number, seconds, jpeg).cpu_ms for number in cameras}
    return {
        "two_over_one": round(burn[2].fps / burn[1].fps, 2),
        "two_over_one_cpu": round(2 * burn[1].cpu_ms / burn[2].cpu_ms, 2),
        "three_over_one": round(sleep[3].fps / sleep[1].fps, 2),
        "cost_ms": {str(number): round(cost, 2) for number, cost in cost_ms.items()},
        "cost_growth": round(cost_ms[cameras[-1]] / cost_ms[cameras[0]], 2),
        "burn": _rounded(burn),
        "sleep": _rounded(sleep),
    }


def _with_workers(folder: Path, workers: int, way: str, seconds: float, jpeg: bytes) -> Pace:
    usable = cores()
    cost_ms = BURN_MS if way == "burn" else SLEEP_MS
    with Site(folder) as site:
        feed = Feed(site.bus, _LOSSLESS_CAMERAS, "lossless", jpeg)
        for number in range(workers):
            # The last cores first: what one worker leaves free is the feed's and the broker's.
            _start_stub(site, number, way, cost_ms, [usable[-1 - number % len(usable)]] if way == "burn" else usable)
        _warm(feed, lambda: feed.keep_waiting(_WARM_S))
        return _pace(site, feed, lambda: feed.keep_waiting(seconds))


def _with_cameras(folder: Path, cameras: int, seconds: float, jpeg: bytes) -> Pace:
    with Site(folder) as site:
        feed = Feed(site.bus, cameras, "live", jpeg)
        _start_stub(site, 0, "burn", 0.0, [cores()[-1]])
        _warm(feed, lambda: feed.at_rate(_RATE, _WARM_S))
        return _pace(site, feed, lambda: feed.at_rate(_RATE, seconds))


def _start_stub(site: Site, number: int, way: str, cost_ms: float, core: Sequence[int]) -> None:
    name = f"worker.{number}"
    site.start(name, ["bench.scene.stub_worker", way, str(cost_ms)], core)
    site.wait_for(name, lambda: len(site.bus.workers()) > number)


def _warm(feed: Feed, let_pass: Callable[[], None]) -> None:
    """Let time pass until frames are analysed, and some more."""
    deadline_s = time.monotonic() + READY_S
    while not feed.analysed():
        if time.monotonic() > deadline_s:
            raise SystemExit("the workers analyse nothing")
        let_pass()
    let_pass()


def _pace(site: Site, feed: Feed, let_pass: Callable[[], None]) -> Pace:
    before, used_s, began_s = feed.analysed(), site.cpu_s(), time.monotonic()
    let_pass()
    frames, now_s, took_s = feed.analysed() - before, site.cpu_s(), time.monotonic() - began_s
    cpu_s = sum(now_s[name] - used_s[name] for name in now_s if name.startswith("worker."))
    if not frames:
        raise SystemExit("the workers analysed nothing")
    return Pace(frames / took_s, 1000 * cpu_s / frames)


class Feed:
    """Cameras whose every frame is the same picture, apart from its last bytes, which no decoder reads."""

    def __init__(self, bus: Bus, cameras: int, delivery: Delivery, jpeg: bytes) -> None:
        self._bus = bus
        self._names = [f"fed-{number}" for number in range(cameras)]
        self._delivery: Delivery = delivery
        self._jpeg = jpeg
        self._seq = 0
        self._noted_s = -_NOTE_EVERY_S
        self._note()

    def analysed(self) -> int:
        """Return how many frames of all cameras were analysed so far."""
        return sum(counts.analysed for counts in self._bus.all_counts(self._names).values())

    def keep_waiting(self, seconds: float) -> None:
        """Have some frames of every camera wait all the time."""
        until_s = time.monotonic() + seconds
        while time.monotonic() < until_s:
            self._note()
            for name, counts in self._bus.all_counts(self._names).items():
                for _ in range(_WAITING - counts.in_flight):
                    self._publish(name)
            time.sleep(_TOP_UP_S)

    def at_rate(self, rate: float, seconds: float) -> None:
        """Publish frames at a rate, camera after camera."""
        began_s = time.monotonic()
        for number in range(int(rate * seconds)):
            time.sleep(max(0.0, began_s + number / rate - time.monotonic()))
            self._note()
            self._publish(self._names[number % len(self._names)])

    def _publish(self, name: str) -> None:
        self._seq += 1
        # Equal pictures would be recognised and not analysed.
        jpeg = self._jpeg + self._seq.to_bytes(4, "big")
        self._bus.publish(Frame(name, self._seq, self._bus.clock.now_ns(), WIDTH, HEIGHT, jpeg, self._delivery))

    def _note(self) -> None:
        if time.monotonic() - self._noted_s < _NOTE_EVERY_S:
            return
        self._noted_s = time.monotonic()
        for name in self._names:
            self._bus.put_camera(Camera(name, CameraState.LIVE, source="bench", delivery=self._delivery))


def _rounded(paces: dict[int, Pace]) -> dict[str, dict[str, float]]:
    return {
        str(workers): {"fps": round(pace.fps, 1), "cpu_ms": round(pace.cpu_ms, 2)} for workers, pace in paces.items()
    }


if __name__ == "__main__":
    main()
