"""What comes next in a job: the steps of each kind, and which of them are not finished.

A job is made of steps, each one RQ job. What is finished is read from the job's folder alone (see `mien.jobs.folder`),
so that whoever asks, and whenever, gets the same answer:

    photos, evaluation   every chunk, then the report
    video                for each input: plan, analyse every segment, follow, render every segment, join;
                         when every input has ended, the report
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from mien.errors import JobError
from mien.jobs.folder import JobFolder
from mien.jobs.request import Inputs
from mien.jobs.videofiles import VideoFiles

__all__ = ["JOB_FUNCTIONS", "KIND_OF", "Call", "call", "next_calls"]

PHOTO_CHUNK = "worker.photos.run_chunk"
PHOTO_REPORT = "worker.photos.write_report"
VIDEO_PLAN = "worker.video.plan"
VIDEO_ANALYSE = "worker.video.analyse"
VIDEO_FOLLOW = "worker.video.follow"
VIDEO_RENDER = "worker.video.render"
VIDEO_JOIN = "worker.video.join"
VIDEO_REPORT = "worker.video.write_report"
EVALUATION_CHUNK = "worker.evaluation.run_chunk"
EVALUATION_REPORT = "worker.evaluation.write_report"
WEBHOOK = "worker.webhook.send"

_VERBS = {
    PHOTO_CHUNK: "chunk",
    PHOTO_REPORT: "report",
    VIDEO_PLAN: "plan",
    VIDEO_ANALYSE: "analyse",
    VIDEO_FOLLOW: "follow",
    VIDEO_RENDER: "render",
    VIDEO_JOIN: "join",
    VIDEO_REPORT: "report",
    EVALUATION_CHUNK: "chunk",
    EVALUATION_REPORT: "report",
    WEBHOOK: "webhook",
}
JOB_FUNCTIONS = frozenset(_VERBS)
"""The only names that a worker runs; it looks them up in a table and imports nothing by name."""

KIND_OF = {name: {"photos": "photos", "video": "video"}.get(name.split(".")[1], "evaluation") for name in _VERBS}
del KIND_OF[WEBHOOK]  # jobs of every kind may have one


@dataclass(frozen=True, slots=True)
class Call:
    """One step of a job: `function(job, attempt, *args)`; `step` names it within an attempt."""

    function: str
    step: str
    args: tuple[int | str, ...] = ()

    @property
    def group(self) -> str:
        """Which steps must all be finished before the next ones begin: the input of a video, or all of the job."""
        per_input = KIND_OF.get(self.function) == "video" and bool(self.args)
        return str(self.args[0]) if per_input else ""


def call(function: str, *args: int) -> Call:
    """Return the step that calls a function; raises JobError for a name that is not in `JOB_FUNCTIONS`."""
    verb = _VERBS.get(function)
    if verb is None:
        raise JobError(f"{function!r} is not a job function of mien")
    return Call(function, "-".join([verb, *map(str, args)]), args)


def next_calls(folder: JobFolder, inputs: Inputs, index: int | None = None) -> tuple[Call, ...]:
    """Return the earliest steps of a job that are not finished; those of one input when `index` is given.

    The report is the last: it stays the answer until the job has ended. With `index`, nothing means that this
    input has ended. Raises JobError for a job of an unknown kind.
    """
    if inputs.kind in ("photos", "evaluation"):
        chunk, report = (
            (PHOTO_CHUNK, PHOTO_REPORT) if inputs.kind == "photos" else (EVALUATION_CHUNK, EVALUATION_REPORT)
        )
        missing = sorted(set(range(inputs.chunks)) - folder.finished_chunks())
        return tuple(call(chunk, number) for number in missing) or (call(report),)
    if inputs.kind == "video":
        if index is not None:
            return tuple(_video_calls(folder, inputs, index))
        calls = tuple(each for number in range(len(inputs.items)) for each in _video_calls(folder, inputs, number))
        return calls or (call(VIDEO_REPORT),)
    raise JobError(f"a job of kind {inputs.kind!r} is not known here: this mien is older than the one that queued it")


def _video_calls(folder: JobFolder, inputs: Inputs, index: int) -> Iterator[Call]:
    video = VideoFiles(folder.video(index))
    if video.done.exists():
        return
    plan = video.read_plan()
    if plan is None:
        yield call(VIDEO_PLAN, index)
        return
    segments = range(plan["segments"])
    analysed = video.analysed_segments()
    missing = [number for number in segments if number not in analysed]
    if missing:
        yield from (call(VIDEO_ANALYSE, index, number) for number in missing)
        return
    if not video.tracks.exists():
        yield call(VIDEO_FOLLOW, index)
        return
    if plan.get("render", inputs.options.get("annotate", True)):
        rendered = video.rendered_segments()
        missing = [number for number in segments if number not in rendered]
        if missing:
            yield from (call(VIDEO_RENDER, index, number) for number in missing)
            return
    yield call(VIDEO_JOIN, index)
