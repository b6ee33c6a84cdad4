"""What is known of a video before a face is looked for: its size, its frames, and the segments it is worked on in.

    plan.json      `VideoLayout`, written last: it says that the planning is finished
    frames.npy     int64 [frames]: when each frame is shown, in ticks of the container, in order

Segments depend on the video alone, never on workers; see `models.video.segments`.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mien.errors import JobError
from mien.files import atomic_file, write_json
from mien.jobs.videofiles import VideoFiles

Ticks = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Segment:
    """The frames shown from tick `start` up to `end` (None: to the last one), from frame number `first` on.

    Decoding begins at packet number `key` of the picture track, a key frame at or before the first frame, whose stamps
    are `key_pts` and `key_dts`; these are None where stamps do not lead to it, or where it begins with the file.

    Frames that are told by their places in the file are counted among those from `counted_from` up to `counted_to`: at
    these places no frame is stored that is shown on the other side.
    """

    start: int
    end: int | None
    first: int
    frames: int
    key: int = 0
    key_pts: int | None = None
    key_dts: int | None = None
    counted_from: int = 0
    counted_to: int = 0


@dataclass(frozen=True, slots=True)
class VideoLayout:
    """What a video is.

    `width` and `height` are those of the upright frame, the stored frame is `turns` quarter turns (counter-clockwise)
    and then a flip left to right away from it. `tick` is seconds a tick, `origin` the tick of the first frame. `timed`:
    the stamps of the container are the times of the frames; otherwise frames are told by their places in the file.
    `interlaced`: a frame may be two packets, one a field. `hidden`: how many packets are no frames to be shown.
    `colours` are FFmpeg's numbers of matrix, range, primaries and
    transfer, `pixels` its pixel format. `broken` says why the video could not be read to its end, or nothing.
    """

    width: int
    height: int
    turns: int
    mirrored: bool
    tick: Fraction
    origin: int
    fps: Fraction
    seconds: float
    timed: bool
    interlaced: bool
    hidden: int
    colours: tuple[int, int, int, int]
    pixels: str
    aspect: Fraction
    has_sound: bool
    broken: str
    segments: tuple[Segment, ...]

    @property
    def frames(self) -> int:
        """How many frames the container holds."""
        return sum(segment.frames for segment in self.segments)

    @property
    def stored_size(self) -> tuple[int, int]:
        """Width and height as frames come from the decoder."""
        return (self.height, self.width) if self.turns % 2 else (self.width, self.height)

    @property
    def even_size(self) -> tuple[int, int]:
        """Width and height of the annotated video: even, for 4:2:0 colours."""
        return self.width + self.width % 2, self.height + self.height % 2

    def lost(self, numbers: Ticks) -> Ticks:
        """Return which frames are missing among the decoded ones, where those that need not be there do not count."""
        missing = np.setdiff1d(np.arange(self.frames), numbers)
        if self.interlaced:  # the second field of a frame that is there
            is_alone = ~np.isin(missing - 1, missing) & ~np.isin(missing + 1, missing)
            missing = missing[~is_alone]
        return missing if len(missing) > self.hidden else missing[:0]

    def seconds_at(self, ticks: int) -> float:
        """Return the time of a frame from the first one."""
        return float((ticks - self.origin) * self.tick)


def ended_at(plan: VideoLayout, times: Ticks, number: int, reason: str) -> VideoLayout:
    """Return the plan of a video without the frames from `number` on; `reason` says why."""
    end = int(times[number]) if number < len(times) else None
    segments = tuple(
        replace(segment, end=end, frames=number - segment.first) if segment.first + segment.frames > number else segment
        for segment in plan.segments
        if segment.first < number
    )
    seconds = plan.seconds if end is None else plan.seconds_at(end)
    broken = "; ".join(filter(None, (reason, plan.broken)))
    return replace(plan, segments=segments, seconds=seconds, broken=broken)


def write_plan(folder: Path, plan: VideoLayout, times: Ticks, *, render: bool) -> None:
    """Store a plan; `render`: whether an annotated video is wanted. Raises OSError when it cannot be written."""
    with atomic_file(VideoFiles(folder).frames) as file:
        np.save(file, times)
    document = asdict(plan)
    for name in ("tick", "fps", "aspect"):
        document[name] = str(document[name])
    document["parts"] = [list(asdict(segment).values()) for segment in plan.segments]
    # What `mien.jobs.videofiles` reads: how many steps there are.
    document |= {"segments": len(plan.segments), "frames": plan.frames, "render": render}
    write_json(VideoFiles(folder).plan, document)


def read_plan(folder: Path) -> VideoLayout:
    """Return the plan of a video; raises JobError when there is none that can be used."""
    try:
        document: dict[str, Any] = json.loads(VideoFiles(folder).plan.read_text())
        parts = document.pop("parts")
        del document["frames"], document["render"]
        document |= {name: Fraction(document[name]) for name in ("tick", "fps", "aspect")}
        matrix, span, primaries, transfer = (int(number) for number in document["colours"])
        document["colours"] = (matrix, span, primaries, transfer)
        document["segments"] = tuple(Segment(*part) for part in parts)
        return VideoLayout(**document)
    except (OSError, ValueError, KeyError, TypeError, ZeroDivisionError) as error:
        raise JobError(f"the plan in {folder} cannot be read ({error}): queue the job again") from error


def read_times(folder: Path) -> Ticks:
    """Return when each frame is shown; raises JobError when the file cannot be read."""
    try:
        times: Ticks = np.load(VideoFiles(folder).frames, allow_pickle=False)
    except (OSError, ValueError) as error:
        raise JobError(f"the plan in {folder} cannot be read ({error}): queue the job again") from error
    return times
