"""All faces of a video in order, whoever found them: which is which, and what they show over time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from mien.jobs.videofiles import VideoFiles
from mien.types import BaselineUse, Face
from models.tracks.follow import VideoFaces
from models.tracks.personal import PersonalFaces, TrackHistory
from models.video.plan import VideoLayout
from worker.jobs.video.found import Followed, Found, followed_faces


@dataclass(frozen=True, slots=True)
class Seen:
    """The faces of an analysed frame, with tracks and labels over time."""

    number: int
    seconds: float
    faces: tuple[Face, ...]


def follow_video(
    folder: Path,
    plan: VideoLayout,
    smoothing_ms: float,
    goes_on: Callable[[], bool] = lambda: True,
    baseline: BaselineUse = "off",
) -> VideoFaces | None:
    """Write `followed/<segment>.npz` for every `analysed/<segment>.npz` of a folder.

    With `baseline`, each track is labelled once more with its own, which needs all of it. Returns None when it should
    not go on. Raises JobError when a file is missing, OSError when one cannot be written.
    """
    faces: VideoFaces | None = None
    history = TrackHistory()
    threshold = 0.0
    for segment in range(len(plan.segments)):
        if not goes_on():
            return None
        found = Found.read(VideoFiles(folder).analysed(segment))
        threshold = float(found.threshold)
        faces = faces or VideoFaces(smoothing_ms, threshold)
        followed: list[Face] = []
        for _, ticks, each in found.faces():
            seconds = plan.seconds_at(ticks)
            new = faces.follow(each, seconds)
            followed += new
            if baseline == "auto":
                for face in new:
                    history.add(face, seconds)
        Followed.of(followed).write(VideoFiles(folder).followed(segment))
    if baseline == "auto":
        personal = PersonalFaces(smoothing_ms, threshold, history.baselines())
        if not _label_again(folder, plan, personal, goes_on):
            return None
    return faces


def _label_again(folder: Path, plan: VideoLayout, personal: PersonalFaces, goes_on: Callable[[], bool]) -> bool:
    """Write every `followed/<segment>.npz` anew with personal baselines; False when it should not go on."""
    for segment in range(len(plan.segments)):
        if not goes_on():
            return False
        again = [personal.label(face, each.seconds) for each in seen_in(folder, plan, [segment]) for face in each.faces]
        Followed.of(again).write(VideoFiles(folder).followed(segment))
    return True


def seen_in(folder: Path, plan: VideoLayout, segments: Sequence[int] | None = None) -> Iterator[Seen]:
    """Yield every analysed frame of a followed video, in order; or those of some segments."""
    for segment in range(len(plan.segments)) if segments is None else segments:
        found = Found.read(VideoFiles(folder).analysed(segment))
        followed = Followed.read(VideoFiles(folder).followed(segment))
        for number, ticks, faces in followed_faces(found, followed):
            yield Seen(number, plan.seconds_at(ticks), faces)
