"""The faces of one segment: every frame, or every n-th, is detected and classified by itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from mien.pixels import Rgb
from mien.types import Face
from models.video.plan import Segment, Ticks, VideoLayout
from models.video.read import Read, SizeChange, ToRgb, ahead, read_segment
from worker.analyzer import Analyzer
from worker.jobs.video.found import Found

# Faces of a few frames are classified together; more gains nothing and makes a stop take longer.
_GROUP_FRAMES = 8
_GROUP_PIXELS = 16_000_000

GoesOn = Callable[[int], bool]
"""Told how many frames are finished; answers whether to go on."""


@dataclass(frozen=True, slots=True)
class _Looked:
    number: int
    ticks: int
    rgb: Rgb | None


def analyse_segment(
    path: Path,
    plan: VideoLayout,
    times: Ticks,
    segment: Segment,
    analyzer: Analyzer,
    *,
    every: int = 1,
    threads: int = 1,
    careful: bool = False,
    goes_on: GoesOn = lambda _: True,
) -> Found | None:
    """Return what is found in a segment, or None when it should not go on.

    Frames are decoded by a thread of its own while others are analysed; when `careful` not, so that a frame that kills
    its reader does so at the same place each time. What comes before a change of size is kept. Which frames are looked
    at depends on their numbers in the video: those that `every` divides. Raises VideoError when the file cannot be read
    any more.
    """
    resized: list[tuple[int, int, int]] = []
    frames: list[tuple[int, int]] = []
    faces: list[tuple[int, tuple[Face, ...]]] = []
    most = max(1, min(_GROUP_FRAMES, _GROUP_PIXELS // (plan.width * plan.height)))
    reads = _until_resized(read_segment(path, plan, times, segment, threads), resized)
    for group in _groups(ahead(_looked(reads, plan, every), 0 if careful else 2 * most), most):
        frames.extend((each.number, each.ticks) for each in group)
        wanted = [(each.number, each.rgb) for each in group if each.rgb is not None]
        if wanted:
            found, _ = analyzer.analyze_many([rgb for _, rgb in wanted])
            faces.extend((number, each) for (number, _), each in zip(wanted, found, strict=True))
        if not goes_on(len(frames)):
            return None
    return Found.of(frames, faces, analyzer.threshold, resized[0] if resized else None)


def _until_resized(reads: Iterator[Read], resized: list[tuple[int, int, int]]) -> Iterator[Read]:
    """Yield frames up to a change of size, and put its number and size into `resized`."""
    try:
        yield from reads
    except SizeChange as change:
        resized.append((change.number, *change.size))


def _looked(reads: Iterator[Read], plan: VideoLayout, every: int) -> Iterator[_Looked]:
    to_rgb = ToRgb(plan)
    for read in reads:
        yield _Looked(read.number, read.ticks, to_rgb(read.frame) if is_analysed(read, every) else None)


def is_analysed(read: Read, every: int) -> bool:
    """Say whether a frame is looked at."""
    return read.number % every == 0


def _groups(looked: Iterator[_Looked], most: int) -> Iterator[Sequence[_Looked]]:
    group: list[_Looked] = []
    pictures = 0
    for each in looked:
        group.append(each)
        pictures += each.rgb is not None
        if pictures >= most or len(group) >= 4 * _GROUP_FRAMES:
            yield group
            group, pictures = [], 0
    if group:
        yield group
