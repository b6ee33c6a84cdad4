"""A segment of the annotated video: read again from the source, the faces drawn in, encoded."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from mien.types import Box, Face
from models.video.plan import Segment, Ticks, VideoLayout
from models.video.read import ahead, read_segment
from worker.jobs.video.encode import FrameCopier, encoder_into, matrix_for
from worker.jobs.video.paint import Painter
from worker.jobs.video.tracks import Seen

if TYPE_CHECKING:
    from av.video.frame import VideoFrame

_AHEAD_FRAMES = 8
_ASK_EVERY = 16


class _NotWanted(Exception):
    """The segment should not go on."""


def render_segment(
    path: Path,
    plan: VideoLayout,
    times: Ticks,
    segment: Segment,
    seen: Sequence[Seen],
    into: Path,
    *,
    encoder: str,
    every: int = 1,
    threads: int = 1,
    careful: bool = False,
    see: Callable[[int, VideoFrame], None] = lambda _number, _frame: None,
    before_end: Callable[[], None] = lambda: None,
    goes_on: Callable[[int], bool] = lambda _: True,
) -> bool:
    """Write a segment with its faces drawn in to the MP4 `into`; False when it should not go on.

    `seen` are the analysed frames of the segment, and the ones next to them. `careful` is that of `analyse_segment`.
    `see` gets number and pixels of every frame before anything is drawn, and `before_end` is called before the file is
    there. Raises VideoError when the source cannot be read any more, OSError when the result cannot be written.
    """
    shown = Shown(seen, every)
    width, height = plan.even_size
    painter = Painter(width, height, matrix_for(plan))
    copied = FrameCopier(plan)
    try:
        with encoder_into(into, plan, encoder, threads) as writer:
            frames = ahead(read_segment(path, plan, times, segment, threads), 0 if careful else _AHEAD_FRAMES)
            for done, read in enumerate(frames, 1):
                see(read.number, read.frame)
                frame, planes = copied(read.frame)
                painter.paint(planes, shown.at(read.number, plan.seconds_at(read.ticks)))
                writer.encode(frame, read.ticks)
                if done % _ASK_EVERY == 0 and not goes_on(done):
                    raise _NotWanted
            before_end()
    except _NotWanted:
        return False
    return True


class Shown:
    """Which faces are drawn in a frame: its own, or where only every n-th was analysed, where they must have been.

    Between two analysed frames a box moves from one to the other in a straight line; a face that the second one does
    not have stays where it was. These faces have `source` tracked: they are drawn and never counted.
    """

    def __init__(self, seen: Sequence[Seen], every: int) -> None:
        self._seen = seen
        self._every = every
        self._numbers = [each.number for each in seen]

    def at(self, number: int, seconds: float) -> tuple[Face, ...]:
        """Return the faces of a frame by its number and time."""
        place = bisect_right(self._numbers, number)
        if not place:
            return ()
        before = self._seen[place - 1]
        if before.number == number:
            return before.faces
        after = self._seen[place] if place < len(self._seen) else None
        later = {face.track: face.box for face in after.faces} if after else {}
        span_s = after.seconds - before.seconds if after else 0.0
        share = (seconds - before.seconds) / span_s if span_s > 0 else 0.0
        is_near = number - before.number < self._every
        return tuple(
            replace(face, box=_between(face.box, later.get(face.track, face.box), share), source="tracked")
            for face in before.faces
            if face.track in later or is_near
        )


def _between(first: Box, second: Box, share: float) -> Box:
    x, y, width, height = (a + share * (b - a) for a, b in zip(first, second, strict=True))
    return x, y, width, height
