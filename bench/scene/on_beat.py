"""`python -m bench on_beat PHASE_MS PERIOD_MS ARGUMENT…`: `mien ARGUMENT…`, whose file begins to play at a phase.

Opening the file lasts until the monotonic clock is at that phase of a period; nothing else differs from `mien`. Without
it, cameras would begin whenever Python has started, which differs by more than a frame's time.
"""

from __future__ import annotations

import sys
import time

from producer.sources.video_file import VideoFile


def main() -> None:
    """Be mien, but for the moment at which a file is open."""
    phase_ms, period_ms, *arguments = sys.argv[1:]
    opened = VideoFile.open

    def open_on_beat(video: VideoFile) -> None:
        opened(video)
        time.sleep((float(phase_ms) - time.monotonic_ns() / 1e6) % float(period_ms) / 1000)

    VideoFile.open = open_on_beat  # type: ignore[method-assign, assignment]
    from cli.main import main as mien

    sys.argv = ["mien", *arguments]
    mien()


if __name__ == "__main__":
    main()
