"""All faces of a video in order, whoever found them: which is which, and what they show over time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from mien.jobs.videofiles import VideoFiles
from mien.types import Face
from models.tracks.follow import VideoFaces
from models.video.plan import VideoLayout
from worker.jobs.video.found import Followed, Found, followed_faces


@dataclass(frozen=True, slots=True)
class Seen:
    """The faces of an analysed frame, with tracks and labels over time."""

    number: int
    seconds: float
    faces: tuple[Face, ...]


def follow_video(
    folder: Path, plan: VideoLayout, smoothing_ms: float, goes_on: Callable[[], bool] = lambda: True
) -> VideoFaces | None:
    """Write `followed/<segment>.npz` for every `analysed/<segment>.npz` of a folder.

    Returns None when it should not go on. Raises JobError when a file is missing, OSError when one cannot be written.
    """
    faces: VideoFaces | None = None
    for segment in range(len(plan.segments)):
        if not goes_on():
            return None
        found = Found.read(VideoFiles(folder).analysed(segment))
        faces = faces or VideoFaces(smoothing_ms, float(found.threshold))
        followed = [face for _, ticks, each in found.faces() for face in faces.follow(each, plan.seconds_at(ticks))]
        Followed.of(followed).write(VideoFiles(folder).followed(segment))
    return faces


def seen_in(folder: Path, plan: VideoLayout, segments: Sequence[int] | None = None) -> Iterator[Seen]:
    """Yield every analysed frame of a followed video, in order; or those of some segments."""
    for segment in range(len(plan.segments)) if segments is None else segments:
        found = Found.read(VideoFiles(folder).analysed(segment))
        followed = Followed.read(VideoFiles(folder).followed(segment))
        for number, ticks, faces in followed_faces(found, followed):
            yield Seen(number, plan.seconds_at(ticks), faces)
