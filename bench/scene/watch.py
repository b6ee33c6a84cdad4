"""`python -m bench watch PORT CAMERA…`: one viewer of each camera, all in one cheap process, until SIGTERM.

Then it prints one JSON document: for each camera a list of pairs, the milliseconds in the id of the frame that was seen
(ids begin with them) and the moment at which its picture was whole, in nanoseconds of the monotonic clock.
"""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Sequence

from bench.scene.viewers import Crowd, Viewer

_LOOK_S = 0.2


def main(arguments: Sequence[str] | None = None) -> None:
    """Watch until told to stop."""
    port, *cameras = sys.argv[1:] if arguments is None else arguments
    stopped: list[int] = []
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda got, _: stopped.append(got))
    crowd = Crowd("127.0.0.1", int(port))
    watching = {}
    for camera in cameras:
        watching[camera] = Viewer("mjpeg")
        crowd.add(watching[camera], f"/cameras/{camera}/stream.mjpg")
    while not stopped:
        crowd.run(_LOOK_S)
    crowd.close()
    print(json.dumps({camera: _seen(viewer) for camera, viewer in watching.items()}))


def _seen(viewer: Viewer) -> list[tuple[int, int]]:
    # A viewer keeps how much later than its id a picture came.
    return [(stamp, stamp + round(1e6 * age)) for stamp, age in zip(viewer.stamps, viewer.ages_ms, strict=True)]


if __name__ == "__main__":
    main()
