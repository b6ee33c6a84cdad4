"""The videos of a job, page by page: their progress and their results."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from dashboard.jobs.outputs import Output, video_outputs
from mien.documents import Count, Document, Share, digits
from mien.jobs.folder import Entry, JobFolder
from mien.jobs.videofiles import VideoFiles

VideoState = Literal["queued", "analysing", "drawing", "joining", "done", "failed"]


@dataclass(frozen=True, slots=True)
class VideoEntry(Document):
    """A video of a job: its `index` among the inputs, its name, how far it is, and its files in the results.

    `reason` says why it failed; `folder` is that of its files, and empty while it has none.
    """

    index: Count
    path: str
    state: VideoState
    progress: Annotated[Share, digits(4)]
    reason: str
    folder: str
    files: tuple[Output, ...]


@dataclass(frozen=True, slots=True)
class VideoPage(Document):
    """Videos in the order of the inputs; `next` asks for the ones after them, and is None at the end."""

    videos: tuple[VideoEntry, ...]
    next: int | None


def read_videos(folder: JobFolder, out: Path, after: int, limit: int) -> VideoPage:
    """Return at most `limit` videos behind the input `after` (-1: from the first one).

    Raises JobError when the job's folder is gone.
    """
    inputs = folder.read_inputs()
    items = inputs.items if inputs.kind == "video" else ()
    numbers = range(after + 1, min(len(items), after + 1 + limit))
    videos = tuple(_video(folder, out, index, items[index].label) for index in numbers)
    return VideoPage(videos, numbers[-1] if videos and numbers[-1] + 1 < len(items) else None)


def _video(folder: JobFolder, out: Path, index: int, label: str) -> VideoEntry:
    place = folder.video(index)
    done = folder.read_done(place)
    state, progress = _how_far(place, done)
    results = results_folder(done)
    return VideoEntry(
        index=index,
        path=label,
        state=state,
        progress=progress,
        reason=str(done.get("reason", "")),
        folder=results,
        files=tuple(video_outputs(out, results)) if results else (),
    )


def results_folder(done: Entry) -> str:
    """Return the name of a video's folder in the results, from its entry; empty when it has none."""
    name = str(done.get("folder", ""))
    return name if name not in (".", "..") and "/" not in name and "\\" not in name else ""


def _how_far(place: Path, done: Entry) -> tuple[VideoState, float]:
    """Return the state of a video and its progress from 0 to 1: analysing is one half, drawing the other.

    A video that breaks off counts as failed, and has the results of what could be read of it.
    """
    if done:
        return ("failed", 0.0) if "reason" in done else ("done", 1.0)
    files = VideoFiles(place)
    plan = files.read_plan()
    segments: int = plan["segments"] if plan else 0
    if segments < 1:
        return "queued", 0.0
    analysed, drawn = len(files.analysed_segments()), len(files.rendered_segments())
    progress = min(0.999, (analysed + drawn) / (2 * segments))
    if analysed < segments:
        return "analysing", progress
    return ("drawing", progress) if drawn < segments else ("joining", progress)
