"""Step 3, analyse: a batch of frames becomes faces: decode, detect, track, classify, label.

    analysis = BatchAnalysis(analyzer, settings.smoothing_ms)
    analysed, drops = analysis.run(batch.frames, bus.clock.now_ns(), plan, watched)

The faces that come back have their tracks, smoothed probabilities and labels. With `EVERYTHING` faces are detected in
the whole of each frame, and each face is classified; with another plan that is done on some frames, and on the others
faces are looked for near where they were and keep what they were last classified as. Cameras of `lossless` delivery
always get everything.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass, field

from mien.bus.plan import EVERYTHING, SavingsPlan
from mien.errors import MienError, PictureError
from mien.limits import LIVE_PIXELS
from mien.logs import get_logger
from mien.pixels import Rgb
from mien.types import BaselineUse, DropReason, Face, Frame
from models.pictures.picture import decode
from models.tracks.follow import CameraFaces
from worker.analyzer import LiveAnalyzer
from worker.live.classification import Classification
from worker.live.collect import Drop, age_ns
from worker.live.desk import Desks
from worker.live.detection_schedule import DetectionSchedule, chosen
from worker.live.frame_work import FrameWork, scaled, scaled_box
from worker.live.memory import CameraMemory

LOST_NS = 125_000_000
"""For so long after a face was lost (three frames at 25 fps) it is looked for in every whole frame."""

DENIED = 2
"""A face that is detected in whole frames and not `near`, so often in a row, stays where it was last detected."""

REPEAT_LOG_S = 10.0

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Analysed:
    """A frame, the faces in it, and the milliseconds that each stage took so far.

    `size` is width and height of the upright picture, `picture` its pixels; None when they were not needed. `repeats`:
    the frame is the camera's last one again, byte for byte.
    """

    frame: Frame
    picture: Rgb | None = field(repr=False)
    size: tuple[int, int]
    faces: tuple[Face, ...]
    stages_ms: Mapping[str, float]
    repeats: bool = False

    def pixels(self) -> Rgb:
        """Return the pixels of the frame, decoded now when they were not needed so far."""
        return decode(self.frame.jpeg, LIVE_PIXELS) if self.picture is None else self.picture


class Stopwatch:
    """Milliseconds between two laps."""

    def __init__(self) -> None:
        self._since = time.perf_counter()

    def lap_ms(self) -> float:
        """Return the milliseconds since the last lap."""
        now = time.perf_counter()
        since, self._since = self._since, now
        return (now - since) * 1000


class BatchAnalysis:
    """Analyses batches; what it remembers of each camera lies on the camera's desk."""

    def __init__(
        self,
        analyzer: LiveAnalyzer,
        smoothing_ms: float = 400.0,
        desks: Desks | None = None,
        baseline: BaselineUse = "off",
    ) -> None:
        self._analyzer = analyzer
        self._baseline = baseline
        self._smoothing_ms = smoothing_ms
        self._desks = Desks() if desks is None else desks
        self._schedule = DetectionSchedule(self._desks)
        self._classification = Classification(analyzer, self._desks)

    @property
    def sizes(self) -> frozenset[tuple[int, int]]:
        """Width and height of the frames of all cameras: what to prepare the detector for."""
        memories = [desk.memory for desk in self._desks.values() if desk.memory is not None]
        return frozenset(memory.size for memory in memories if memory.size[0])

    def run(
        self,
        frames: Sequence[Frame],
        closed_ns: int,
        plan: SavingsPlan = EVERYTHING,
        watched: Set[str] = frozenset(),
    ) -> tuple[list[Analysed], list[Drop]]:
        """Return the analysed frames of a batch that was closed at `closed_ns`, and those that could not be.

        At most one frame of each camera. One that cannot be decoded or analysed takes no other with it. The times of
        the stages are those of the whole batch, since every frame waits for all of it.
        """
        watch, stages_ms = Stopwatch(), {}
        works = [self._work(frame, plan, watched) for frame in frames]
        self._choose_detections(works)
        works, failed = self._each(works, self._load)
        stages_ms["decode"] = watch.lap_ms()
        works, more = self._each(works, self._detect)
        stages_ms["detect"] = watch.lap_ms()
        for work in works:
            self._track(work)
        track_ms = watch.lap_ms()
        works, most = self._classify(works)
        stages_ms["classify"] = watch.lap_ms()
        faces = [self._classification.label(work) for work in works]
        for work in works:
            work.memory.ended(work.frame.jpeg, work.at_ns)
        stages_ms["track"] = track_ms + watch.lap_ms()
        analysed = [_analysed(work, each, closed_ns, stages_ms) for work, each in zip(works, faces, strict=True)]
        return analysed, [*failed, *more, *most]

    def _work(self, frame: Frame, plan: SavingsPlan, watched: Set[str]) -> FrameWork:
        memory = self._desks[frame.camera].memory or self._new_memory(frame.camera)
        plan = EVERYTHING if frame.delivery == "lossless" else plan
        return FrameWork(frame, memory, plan, frame.camera in watched)

    def _new_memory(self, camera: str) -> CameraMemory:
        memory = CameraMemory(CameraFaces(self._smoothing_ms, self._analyzer.threshold, self._baseline))
        self._desks[camera].memory = memory
        return memory

    def _choose_detections(self, works: Sequence[FrameWork]) -> None:
        due = []
        for work in works:
            memory = work.memory
            work.repeats = work.saves and work.frame.jpeg == memory.jpeg
            detection = self._schedule.due(work)
            if detection is not None and not (work.repeats and memory.was_detected):
                due.append(detection)
        frame_ns = min((work.memory.frame_ns for work in works), default=0)
        scan_ms = max((work.plan.scan_ms for work in works), default=0.0)
        cameras = chosen(due, self._schedule.at_once(frame_ns, scan_ms))
        for work in works:
            work.detects = work.frame.camera in cameras
            work.repeats = work.repeats and not work.detects

    def _each(self, works: Sequence[FrameWork], do: Callable[[FrameWork], None]) -> tuple[list[FrameWork], list[Drop]]:
        """Do a step for each frame; returns those that it worked for, and the others as drops."""
        done, failed = [], []
        for work in works:
            try:
                do(work)
                done.append(work)
            except PictureError as error:
                self._warn("a frame cannot be decoded", work.frame, error)
                failed.append(Drop(work.frame, DropReason.UNDECODABLE))
            except Exception as error:  # whatever a runtime raises on one picture must not end the cameras
                self._warn("analysis failed", work.frame, error)
                failed.append(Drop(work.frame, DropReason.UNDECODABLE))
        return done, failed

    def _load(self, work: FrameWork) -> None:
        if work.repeats:
            return  # and decoded when a face is to be classified after all
        shrink = work.smallest_use(self._analyzer.crop_px)
        height, width = work.load(shrink).shape[:2]
        if (width, height) == tuple(-(-side // shrink) for side in work.memory.size):
            return
        height, width = work.load().shape[:2]
        # Another size: nothing that was known holds.
        work.memory = self._new_memory(work.frame.camera)
        work.memory.size = (width, height)
        work.detects = True

    def _detect(self, work: FrameWork) -> None:
        if work.repeats:
            work.found = work.memory.found
            return
        if not work.detects:
            work.detects = self._look_near(work)
        if work.detects:
            smallest_face_px = None if work.plan == EVERYTHING else work.plan.smallest_face_px
            work.found = list(self._analyzer.detect(work.load(), smallest_face_px))

    def _look_near(self, work: FrameWork) -> bool:
        """Look for the faces that are followed; returns whether one was lost, so that the whole frame is needed."""
        followed = work.memory.followed(work.at_ns)
        if not followed:
            return False
        boxes = [scaled_box(work.memory.expected(face, work.at_ns), 1 / work.shrink) for face in followed]
        answers = self._analyzer.near(work.load(work.shrink), boxes)
        work.found = [scaled(found, work.shrink) for found in answers if found is not None]
        work.missed = tuple(face for face, found in zip(followed, answers, strict=True) if found is None)
        held = [face for face in work.missed if face.denied >= DENIED and face.track in work.memory.in_last]
        work.found += [face.found for face in held]
        return any(face not in held and work.at_ns - face.seen_ns <= LOST_NS for face in work.missed)

    def _track(self, work: FrameWork) -> None:
        memory = work.memory
        if work.repeats:
            work.tracks = memory.saw_again(work.at_ns)
            return
        memory.was_detected = work.detects
        if work.detects:
            self._schedule.detected(work)
        missed = None if work.missed is None else {face.track for face in work.missed}
        work.tracks = memory.saw(work.found, work.at_ns, missed)

    def _classify(self, works: Sequence[FrameWork]) -> tuple[list[FrameWork], list[Drop]]:
        """Classify the faces that are due, of all frames at once; when that fails, those of each frame alone."""
        due = {work.frame.camera: [(work, place) for place in self._classification.due(work)] for work in works}
        try:
            self._classification.classify([asked for each in due.values() for asked in each])
        except Exception:  # raised again by the frame that it comes from
            return self._each(works, lambda work: self._classification.classify(due[work.frame.camera]))
        return list(works), []

    def _warn(self, event: str, frame: Frame, error: Exception) -> None:
        """Log a trouble of a camera once in 10 s, with the traceback when it is not one of ours."""
        logged_s, now_s = self._desks[frame.camera].logged_s, time.monotonic()
        if now_s - logged_s.get(event, -REPEAT_LOG_S) < REPEAT_LOG_S:
            return
        logged_s[event] = now_s
        ours = isinstance(error, MienError)
        reason = str(error) if ours else repr(error)
        log.warning(event, camera=frame.camera, frame=frame.frame_id, reason=reason, exc_info=not ours)


def _analysed(work: FrameWork, faces: tuple[Face, ...], closed_ns: int, stages_ms: Mapping[str, float]) -> Analysed:
    queue_ms = age_ns(work.frame, closed_ns) / 1e6
    picture = work.picture if work.shrink == 1 else None
    return Analysed(work.frame, picture, work.memory.size, faces, {"queue": queue_ms, **stages_ms}, work.repeats)
