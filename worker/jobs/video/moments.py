"""The faces for the contact sheet: chosen when all are known, cut out where the frames are decoded anyway.

moments.json             which sightings are wanted: [frame, track] of each
moments/<segment>.npz    their crops; only for segments that have some
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from mien.errors import JobError
from mien.files import atomic_file, write_json
from mien.jobs.videofiles import VideoFiles
from mien.pixels import Rgb
from models.video.plan import Segment, Ticks, VideoLayout
from models.video.read import ToRgb, ahead, read_segment
from worker.jobs.video.found import read_arrays

if TYPE_CHECKING:
    from av.video.frame import VideoFrame

    from worker.reports.timeline.contact import Moment
    from worker.reports.timeline.table import Sighting

# Three times as many as the sheet shows: of the large and sure ones the sharpest are taken when their pixels are known.
CANDIDATES = 24

Boxes = Mapping[int, Sequence["Sighting"]]
"""Wanted sightings by the number of their frame."""


def choose(folder: Path, sightings: Sequence[Sighting]) -> None:
    """Store which sightings are wanted."""
    write_json(VideoFiles(folder).wanted_moments, {"moments": [[each.frame, each.track] for each in sightings]})


def wanted(folder: Path) -> set[tuple[int, str]]:
    """Return frame and track of the wanted sightings; raises JobError when they cannot be read."""
    try:
        document = json.loads(VideoFiles(folder).wanted_moments.read_text())
        return {(int(frame), str(track)) for frame, track in document["moments"]}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise JobError(f"the moments in {folder} cannot be read ({error}): queue the job again") from error


class Cutter:
    """Cuts the wanted faces of a segment out of its frames as they pass."""

    def __init__(self, plan: VideoLayout, sightings: Boxes) -> None:
        self._to_rgb = ToRgb(plan)
        self._sightings = sightings
        self.cut: list[Moment] = []

    def see(self, number: int, frame: VideoFrame) -> None:
        """Cut out what is wanted of a frame."""
        faces = self._sightings.get(number)
        if faces:
            from worker.reports.timeline.contact import moment_of

            rgb = self._to_rgb(frame)
            self.cut.extend(moment_of(each, rgb) for each in faces)

    def write(self, path: Path) -> None:
        """Store the crops, and from which frames and tracks they are."""
        if not self._sightings:
            return
        crops = [moment.crop for moment in self.cut]
        with atomic_file(path) as file:
            np.savez(
                file,
                frames=np.array([moment.sighting.frame for moment in self.cut], np.int64),
                tracks=np.array([int(moment.sighting.track) for moment in self.cut], np.int64),
                crops=np.stack(crops) if crops else np.empty((0, 1, 1, 3), np.uint8),
            )


def cut_segment(path: Path, plan: VideoLayout, times: Ticks, segment: Segment, sightings: Boxes, into: Path) -> None:
    """Decode a segment for its moments alone, as far as the last one; raises VideoError as `read_segment` does."""
    cutter = Cutter(plan, sightings)
    last = max(sightings, default=-1)
    for read in ahead(read_segment(path, plan, times, segment), 8):
        cutter.see(read.number, read.frame)
        if read.number >= last:
            break
    cutter.write(into)


def read_crops(path: Path) -> Iterator[tuple[int, str, Rgb]]:
    """Yield frame, track and pixels of the moments of a segment; raises JobError when they cannot be read."""
    arrays = read_arrays(path)
    frames, tracks, crops = arrays["frames"], arrays["tracks"], arrays["crops"]
    for frame, track, crop in zip(frames.tolist(), tracks.tolist(), crops, strict=True):
        yield frame, str(track), crop
