"""`python -m bench feed BUS_URL [--fps F] [--same]`: one camera whose views are fed to the bus, by no worker.

Views are 1280×720 JPEGs of about 90 KB, all different, and the id of each frame is the moment at which it was fed
(nanoseconds of the monotonic clock), so that whoever gets it knows its age. `--same`: all pictures are equal, as of a
camera that looks at a wall. Runs until it is ended.
"""

from __future__ import annotations

import argparse
import time
from contextlib import closing

import numpy as np
import simplejpeg

from mien.bus.bus import Bus
from mien.settings import Settings
from mien.types import Camera, CameraState, View
from tests.support.views import put_view

CAMERA = "fed"
WIDTH, HEIGHT = 1280, 720
PICTURE_BYTES = 90_000
_NOTE_EVERY_S = 0.5
_COMMENT = b"\xff\xfe\x00\x16"  # a comment of 20 bytes (and its length of 2): the stamp


def main() -> None:
    """Feed until the process is ended."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bus_url")
    parser.add_argument("--fps", type=float, default=25.0)
    parser.add_argument("--same", action="store_true", help="equal pictures")
    given = parser.parse_args()
    with closing(Bus(given.bus_url, Settings())) as bus:
        feed(bus, given.fps, same=given.same)


def feed(bus: Bus, fps: float, *, same: bool) -> None:
    """Put `fps` views a second on the bus, for ever."""
    jpegs = [picture(number) for number in range(8)]
    begin_s, noted_s, number = time.monotonic(), 0.0, 0
    while True:
        now_s = time.monotonic()
        if now_s - noted_s >= _NOTE_EVERY_S:
            bus.clock.sync_when_due()
            bus.put_camera(Camera(CAMERA, CameraState.LIVE, "", "bench", "live", fps, WIDTH, HEIGHT))
            noted_s = now_s
        stamp = time.monotonic_ns()
        jpeg = jpegs[0] if same else stamped(jpegs[number % len(jpegs)], stamp)
        put_view(bus, View(CAMERA, f"{stamp}-0", jpeg))
        number += 1
        time.sleep(max(0.0, begin_s + number / fps - time.monotonic()))


def picture(seed: int) -> bytes:
    """Return a JPEG of blurred noise, within 5 % of `PICTURE_BYTES`."""
    noise = np.random.default_rng(seed).integers(0, 256, (HEIGHT // 8, WIDTH // 8, 3), np.uint8)
    pixels = np.ascontiguousarray(noise.repeat(8, 0).repeat(8, 1))
    low, high, jpeg = 1, 100, b""
    while low <= high:
        quality = (low + high) // 2
        jpeg = bytes(simplejpeg.encode_jpeg(pixels, quality=quality))
        if abs(len(jpeg) - PICTURE_BYTES) < PICTURE_BYTES // 20:
            break
        low, high = (quality + 1, high) if len(jpeg) < PICTURE_BYTES else (low, quality - 1)
    return jpeg


def stamped(jpeg: bytes, stamp: int) -> bytes:
    """Return a JPEG with a number in a comment right behind its start."""
    return b"".join((jpeg[:2], _COMMENT, b"%020d" % stamp, jpeg[2:]))


if __name__ == "__main__":
    main()
