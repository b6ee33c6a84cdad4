"""The steps of video jobs; each leaves a file that says that it is finished, and doing it again changes nothing."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

import cv2
import numpy as np
from rq import Retry
from rq.timeouts import JobTimeoutException

from mien.errors import MienError, VideoError, line_of
from mien.files import write_json
from mien.jobs.folder import Entry
from mien.jobs.outputs import ANNOTATED_VIDEO
from mien.jobs.steps import VIDEO_ANALYSE, VIDEO_FOLLOW, VIDEO_JOIN, VIDEO_PLAN, VIDEO_RENDER, VIDEO_REPORT, Call
from mien.jobs.view import Failure, Tally
from mien.logs import get_logger
from models.video.plan import Ticks, write_plan
from models.video.probe import probe
from models.video.read import SizeChange
from models.video.source import is_refusal, need_av, said_by
from worker.jobs.step import JobSteps, Step
from worker.jobs.video import moments
from worker.jobs.video.analyse import analyse_segment
from worker.jobs.video.encode import choose_encoder
from worker.jobs.video.fetch import fetch
from worker.jobs.video.folder import VideoFolder
from worker.jobs.video.join import join
from worker.jobs.video.render import render_segment
from worker.jobs.video.results import choose_moments, wanted_in, write_overview, write_reports
from worker.jobs.video.tracks import follow_video

_REPORT_S = 0.5
# Somebody else may have killed a worker, but hardly three in a row over the same part of a video.
_DEADLY_AFTER = 3
# How much of the work on a frame its analysis is, where it is drawn and encoded as well.
_ANALYSIS_SHARE = 0.7
_FORGOTTEN = ("analyse", "render")
# Where a step is when the models are loaded and the video is opened: from here on a death may be its fault.
_BEGUN = "begun"

log = get_logger(__name__)


class VideoJobs(JobSteps):
    """The steps of video jobs; a stop is looked for between groups of frames."""

    kind = "video"

    def _steps(self) -> Mapping[str, Step]:
        return {
            VIDEO_PLAN: self.plan,
            VIDEO_ANALYSE: self.analyse,
            VIDEO_FOLLOW: self.follow,
            VIDEO_RENDER: self.render,
            VIDEO_JOIN: self.join,
            VIDEO_REPORT: self.write_report,
        }

    def plan(self, job_id: str, attempt: int, index: int) -> Retry | None:
        """Look at a video without decoding it, and decide on its segments."""

        def work(video: VideoFolder) -> None:
            need_av()
            fetch(video.item.address, video.source, self._jobs.settings.video_max_mb)
            plan, times = probe(video.source, self._jobs.settings.video_max_pixels)
            write_plan(video.path, plan, times, render=video.inputs.annotate)
            self.report(job_id, {f"{index}-plan": Tally(units=(0, plan.frames))})

        return self._work(job_id, index, work)

    def analyse(self, job_id: str, attempt: int, index: int, segment: int) -> Retry | None:
        """Find and classify the faces of a segment."""

        def work(video: VideoFolder) -> Retry | None:
            path = video.files.analysed(segment)
            if path.exists():
                return None
            progress = _Progress(self, job_id, attempt, f"{index}-analyse-{segment}", _analysis_share(video))
            try:
                found = analyse_segment(
                    video.source,
                    video.plan,
                    video.times,
                    video.plan.segments[segment],
                    self._analyzer,
                    every=video.every,
                    threads=self._jobs.settings.inference_threads,
                    careful=self.deaths > 0,
                    goes_on=progress,
                )
            except (cv2.error, ValueError, RuntimeError, ArithmeticError, MemoryError) as error:
                log.warning("video cannot be analysed", path=video.item.label, exc_info=True)
                raise VideoError(f"cannot be analysed: {line_of(error)}") from error
            if found is None:
                return progress.left()
            found.write(path)
            progress.finish(video.plan.segments[segment].frames)
            return None

        return self._work(job_id, index, work)

    def follow(self, job_id: str, attempt: int, index: int) -> Retry | None:
        """Follow the faces through all segments, and choose the moments for the contact sheet."""

        def work(video: VideoFolder) -> Retry | None:
            self._end_where_resized(job_id, video)
            progress = _Progress(self, job_id, attempt)
            smoothing_ms = self._jobs.settings.smoothing_ms
            faces = follow_video(video.path, video.plan, smoothing_ms, lambda: progress(0), video.baseline)
            if faces is None:
                return progress.left()
            choose_moments(video)
            write_json(video.files.tracks, {"tracks": faces.tracks})
            return None

        return self._work(job_id, index, work)

    def render(self, job_id: str, attempt: int, index: int, segment: int) -> Retry | None:
        """Draw the faces of a segment into its frames and encode them."""

        def work(video: VideoFolder) -> Retry | None:
            if video.files.rendered(segment).exists():
                return None
            settings, plan = self._jobs.settings, video.plan
            progress = _Progress(self, job_id, attempt, f"{index}-render-{segment}", 1 - _analysis_share(video))
            cutter = moments.Cutter(plan, wanted_in(video, segment, moments.wanted(video.path)))
            around = [number for number in (segment - 1, segment, segment + 1) if 0 <= number < len(plan.segments)]
            is_whole = render_segment(
                video.source,
                plan,
                video.times,
                plan.segments[segment],
                list(video.seen(around if video.every > 1 else [segment])),
                video.files.rendered(segment),
                encoder=choose_encoder(settings.video_encoder),
                every=video.every,
                threads=settings.inference_threads,
                careful=self.deaths > 0,
                see=cutter.see,
                before_end=lambda: cutter.write(video.files.moments(segment)),
                goes_on=progress,
            )
            if not is_whole:
                return progress.left()
            progress.finish(plan.segments[segment].frames)
            return None

        return self._work(job_id, index, work)

    def join(self, job_id: str, attempt: int, index: int) -> Retry | None:
        """Join the segments, add the sound, and write the tables and reports."""

        def work(video: VideoFolder) -> None:
            self._end(job_id, video, self._results(video))

        return self._work(job_id, index, work)

    def write_report(self, job_id: str, attempt: int) -> None:
        """Write the overview of a job whose videos have all ended, and say that it is done.

        Raises JobError when one has not ended after all, OSError when it cannot be written.
        """
        inputs = self.inputs(job_id)
        folder = self._jobs.folder(job_id)
        videos = [VideoFolder.of(folder, inputs, index) for index in range(len(inputs.items))]
        entries = [video.entry for video in videos]
        for video in videos:
            video.clean()
        total = Tally.total(tally_of(entry) for entry in entries)
        write_overview(job_id, inputs.out, total, entries)
        for video in videos:
            self._say(job_id, video)
        self.end(job_id, attempt, "done")
        log.info("job done", job=job_id, done=total.done, failed=total.failed, faces=total.faces, out=str(inputs.out))

    def _work(self, job_id: str, index: int, work: Callable[[VideoFolder], Retry | None]) -> Retry | None:
        """Do something for a video that has not ended; what is wrong with the video ends it, and no other."""
        video = VideoFolder.of(self._jobs.folder(job_id), self.inputs(job_id), index)
        if video.is_done:
            return None
        try:
            if self.deaths >= _DEADLY_AFTER:
                raise VideoError("workers died while they read this video: it is left out")
            self.at(_BEGUN)
            return work(video)
        except Exception as error:
            reason = self._fault_of_video(video, error)
            if not reason:
                raise
            self._end(job_id, video, {"path": video.item.label, "reason": reason})
            return None

    def _fault_of_video(self, video: VideoFolder, error: Exception) -> str:
        """Return what is wrong with a video; nothing for an error that another try may not meet."""
        if isinstance(error, VideoError):
            return line_of(error)
        if isinstance(error, JobTimeoutException):
            if self._is_first_time_out(video):
                return ""
            limit_s = self._jobs.settings.job_timeout_s
            return f"a part of it took longer than the {limit_s} s allowed: set job_timeout_s to more, or cut the video"
        if is_refusal(error):
            log.warning("FFmpeg refused a video", exc_info=error)
            return f"FFmpeg cannot go on with it: {said_by(error)}"
        return ""

    def _is_first_time_out(self, video: VideoFolder) -> bool:
        """Note that the step in hand took too long; say whether it had not before: the machine may have been busy."""
        if self.step is None:
            return False
        marker = video.files.late(self.step)
        if marker.exists():
            return False
        write_json(marker, {})
        return True

    def end_input(self, job_id: str, attempt: int, failed: Call, reason: str) -> bool:
        """End the video that a step is about, and no other; False for the report, and when nothing can be stored."""
        if not failed.group:
            return False
        try:
            if not self._jobs.is_wanted(job_id, attempt):
                return False
            video = VideoFolder.of(self._jobs.folder(job_id), self.inputs(job_id), int(failed.group))
            if not video.is_done:
                self._end(job_id, video, {"path": video.item.label, "reason": reason})
            self.patiently(lambda: self._jobs.enqueue_next(job_id, attempt, failed))
        except (MienError, OSError) as error:
            log.warning("a video cannot be ended alone", job=job_id, reason=line_of(error))
            return False
        return True

    def _end_where_resized(self, job_id: str, video: VideoFolder) -> None:
        """Leave out what comes behind the first change of size: other segments may have begun behind it."""
        plan = video.plan
        found = [video.found(segment) for segment in range(len(plan.segments))]
        resized = [each.resized.tolist() for each in found if len(each.resized)]
        if not resized or min(resized)[0] >= plan.frames:
            return
        number, *size = min(resized)
        video.end_at(number, str(SizeChange(plan, video.times, number, (size[0], size[1]))))
        left_out = range(len(video.plan.segments), len(plan.segments))
        self.forget(job_id, [f"{video.index}-analyse-{segment}" for segment in left_out])
        self.report(job_id, {f"{video.index}-plan": Tally(units=(0, video.plan.frames))})

    def _results(self, video: VideoFolder) -> Entry:
        from worker.reports.timeline.table import VideoFacts

        plan = video.plan
        found = [video.found(segment) for segment in range(len(plan.segments))]
        numbers = np.concatenate([each.numbers for each in found])
        frames = len(numbers)
        if not frames:
            raise VideoError("none of its frames can be decoded")
        faces = sum(len(each.frame) for each in found)
        facts = VideoFacts(
            path=video.item.label,
            width=plan.width,
            height=plan.height,
            frames=plan.frames,
            seconds=plan.seconds,
            fps=float(plan.fps),
            analysed=sum(len(each.analysed) for each in found),
            va_source="measured" if faces and all(each.measured.all() for each in found) else "projected",
            baseline=video.baseline,
        )
        entry: Entry = {
            "path": video.item.label,
            "folder": video.name,
            "width": plan.width,
            "height": plan.height,
            "fps": round(float(plan.fps), 3),
            "seconds": round(plan.seconds, 3),
            "frames": plan.frames,
            "missing": plan.frames - frames,
            "analysed": facts.analysed,
            "va_source": facts.va_source,
            "faces": faces,
            "tracks": len({track for each in video.seen() for track in (face.track for face in each.faces)}),
        }
        if video.inputs.annotate:
            segments = [(video.files.rendered(number), each.ticks.tolist()) for number, each in enumerate(found)]
            entry["annotated"] = f"{video.name}/{ANNOTATED_VIDEO}"
            entry["sound"] = join(video.source, plan, segments, video.results / ANNOTATED_VIDEO)
        entry |= write_reports(video, facts)
        reasons = [reason for reason in (plan.broken, _why_lost(video, numbers)) if reason]
        if reasons:
            entry["reason"] = "; ".join(reasons)
        return entry

    def _end(self, job_id: str, video: VideoFolder, entry: Entry) -> None:
        video.end(entry)
        self._say(job_id, video)
        log.info("video ended", job=job_id, path=video.item.label, reason=entry.get("reason", ""))

    def _say(self, job_id: str, video: VideoFolder) -> None:
        """Say what became of a video; what was only progress is forgotten, so that nothing counts twice."""
        parts: dict[str, Tally | None] = {f"{video.index}-plan": None}
        if video.files.plan.exists():
            segments = range(len(video.plan.segments))
            parts |= dict.fromkeys(f"{video.index}-{step}-{number}" for step in _FORGOTTEN for number in segments)
        parts[str(video.index)] = tally_of(video.entry)
        self.patiently(lambda: self._jobs.report(job_id, parts))


class _Progress:
    """Asks between groups of frames whether to go on, and says how far a segment is."""

    def __init__(self, steps: VideoJobs, job_id: str, attempt: int, part: str = "", share: float = 0.0) -> None:
        self._steps = steps
        self._job = (job_id, attempt)
        self._part = part
        self._share = share
        self._said_s = time.monotonic()
        self._reason = ""

    def __call__(self, done: int) -> bool:
        self._reason = self._steps.why_stop(*self._job)
        self._steps.at(f"frame {done}")
        if not self._reason and self._part and time.monotonic() - self._said_s >= _REPORT_S:
            self._said_s = time.monotonic()
            self._steps.report_if_possible(self._job[0], {self._part: Tally(units=(int(done * self._share), 0))})
        return not self._reason

    def finish(self, frames: int) -> None:
        """Say that the segment is finished."""
        done = int(frames * self._share) if self._share >= 0.5 else frames - int(frames * (1 - self._share))
        self._steps.report_if_possible(self._job[0], {self._part: Tally(units=(done, 0))})

    def left(self) -> Retry | None:
        """Return what a step returns that did not go on."""
        log.info("video left", job=self._job[0], part=self._part, reason=self._reason)
        return self._steps.handed_back() if self._reason == "stopping" else None


def tally_of(entry: Entry) -> Tally:
    """Count a video that has ended."""
    frames = int(entry.get("frames", 0))
    if "reason" in entry:
        failure = Failure(str(entry["path"]), str(entry["reason"]))
        return Tally(0, 1, int(entry.get("faces", 0)), (failure,), (frames, frames))
    return Tally(1, 0, int(entry.get("faces", 0)), (), (frames, frames))


def _why_lost(video: VideoFolder, numbers: Ticks) -> str:
    """Return why frames are missing between those that were decoded; nothing when none is."""
    plan = video.plan
    lost = plan.lost(numbers)
    if not len(lost):
        return ""
    at_s = plan.seconds_at(int(video.times[lost[0]]))
    return f"{len(lost)} of {plan.frames} frames cannot be decoded, the first at {at_s:.1f} s: all others were read"


def _analysis_share(video: VideoFolder) -> float:
    return _ANALYSIS_SHARE if video.inputs.annotate else 1.0
