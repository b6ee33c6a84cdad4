"""A batch of frames becomes faces: decode, detect, track, classify, label.

    analysis = BatchAnalysis(analyzer, settings.smoothing_ms)
    analysed, drops = analysis.run(batch.frames, bus.clock.now_ns(), plan, watched)

The faces that come back have their tracks, smoothed probabilities and labels. `forget` cameras that another worker
reads now, and all of them after the bus was away. With `EVERYTHING` each frame is searched as a whole and each face is
read on it; with another plan that is done on some frames, and on the others faces are looked for near where they were
and keep what was last read in them. Cameras of `lossless` delivery always get everything.
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
from mien.types import DropReason, Face, Frame
from models.pictures.picture import decode
from models.tracks.follow import CameraFaces
from worker.analyzer import LiveAnalyzer
from worker.live.classification import Readings
from worker.live.collect import Drop, age_ns
from worker.live.detection_schedule import Scans, chosen
from worker.live.frame_work import Turn, scaled, scaled_box
from worker.live.memory import CameraMemory

LOST_NS = 125_000_000
"""For so long after a face was lost (three frames at 25 fps) every frame is scanned for it."""

DENIED = 2
"""A face that scans find and `near` does not, so often in a row, stays where the last scan found it until the next."""

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
    """Analyses batches; remembers the faces of each camera, and which trouble was logged."""

    def __init__(self, analyzer: LiveAnalyzer, smoothing_ms: float = 400.0) -> None:
        self._analyzer = analyzer
        self._smoothing_ms = smoothing_ms
        self._memories: dict[str, CameraMemory] = {}
        self._scans = Scans()
        self._readings = Readings(analyzer)
        self._logged_s: dict[tuple[str, str], float] = {}

    @property
    def sizes(self) -> frozenset[tuple[int, int]]:
        """Width and height of the frames of all cameras: what to prepare the detector for."""
        return frozenset(memory.size for memory in self._memories.values() if memory.size[0])

    def forget(self, cameras: Set[str]) -> None:
        """Forget cameras that another worker reads now."""
        for camera in cameras:
            self._memories.pop(camera, None)
        self._scans.forget(cameras)
        self._readings.forget(cameras)

    def forget_all(self) -> None:
        """Forget all cameras: nobody knows how long the bus was away."""
        self._memories.clear()
        self._scans.clear()
        self._readings.clear()

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
        turns = [self._turn(frame, plan, watched) for frame in frames]
        self._choose_scans(turns)
        turns, failed = self._each(turns, self._load)
        stages_ms["decode"] = watch.lap_ms()
        turns, more = self._each(turns, self._detect)
        stages_ms["detect"] = watch.lap_ms()
        for turn in turns:
            self._track(turn)
        track_ms = watch.lap_ms()
        turns, most = self._read(turns)
        stages_ms["classify"] = watch.lap_ms()
        faces = [self._readings.label(turn) for turn in turns]
        for turn in turns:
            turn.memory.ended(turn.frame.jpeg, turn.at_ns)
        self._readings.forget_ended(turns)
        stages_ms["track"] = track_ms + watch.lap_ms()
        analysed = [_analysed(turn, each, closed_ns, stages_ms) for turn, each in zip(turns, faces, strict=True)]
        return analysed, [*failed, *more, *most]

    def _turn(self, frame: Frame, plan: SavingsPlan, watched: Set[str]) -> Turn:
        memory = self._memories.get(frame.camera)
        if memory is None:
            memory = self._memories[frame.camera] = self._new_memory()
        plan = EVERYTHING if frame.delivery == "lossless" else plan
        return Turn(frame, memory, plan, frame.camera in watched)

    def _new_memory(self) -> CameraMemory:
        return CameraMemory(CameraFaces(self._smoothing_ms, self._analyzer.threshold))

    def _choose_scans(self, turns: Sequence[Turn]) -> None:
        due = []
        for turn in turns:
            memory = turn.memory
            turn.repeats = turn.saves and turn.frame.jpeg == memory.jpeg
            scan = self._scans.due(turn.frame.camera, memory, turn.at_ns, turn.plan.scan_ms)
            if scan is not None and not (turn.repeats and memory.is_scanned):
                due.append(scan)
        frame_ns = min((turn.memory.frame_ns for turn in turns), default=0)
        cameras = chosen(due, self._scans.at_once(frame_ns, max((turn.plan.scan_ms for turn in turns), default=0.0)))
        for turn in turns:
            turn.scans = turn.frame.camera in cameras
            turn.repeats = turn.repeats and not turn.scans

    def _each(self, turns: Sequence[Turn], do: Callable[[Turn], None]) -> tuple[list[Turn], list[Drop]]:
        """Do a step for each frame; returns those that it worked for, and the others as drops."""
        done, failed = [], []
        for turn in turns:
            try:
                do(turn)
                done.append(turn)
            except PictureError as error:
                self._warn("a frame cannot be decoded", turn.frame, error)
                failed.append(Drop(turn.frame, DropReason.UNDECODABLE))
            except Exception as error:  # whatever a runtime raises on one picture must not end the cameras
                self._warn("analysis failed", turn.frame, error)
                failed.append(Drop(turn.frame, DropReason.UNDECODABLE))
        return done, failed

    def _load(self, turn: Turn) -> None:
        if turn.repeats:
            return  # and decoded when a face is to be read after all
        shrink = turn.smallest_use(self._analyzer.crop_px)
        height, width = turn.load(shrink).shape[:2]
        if (width, height) == tuple(-(-side // shrink) for side in turn.memory.size):
            return
        height, width = turn.load().shape[:2]
        # Another size: nothing that was known holds.
        self.forget({turn.frame.camera})
        turn.memory = self._memories[turn.frame.camera] = self._new_memory()
        turn.memory.size = (width, height)
        turn.scans = True

    def _detect(self, turn: Turn) -> None:
        if turn.repeats:
            turn.found = turn.memory.found
            return
        if not turn.scans:
            turn.scans = self._look_near(turn)
        if turn.scans:
            smallest_face_px = None if turn.plan == EVERYTHING else turn.plan.smallest_face_px
            turn.found = list(self._analyzer.scan(turn.load(), smallest_face_px))

    def _look_near(self, turn: Turn) -> bool:
        """Look for the faces that are followed; returns whether one was lost, so that the frame must be scanned."""
        followed = turn.memory.followed(turn.at_ns)
        if not followed:
            return False
        boxes = [scaled_box(face.expected(turn.at_ns), 1 / turn.shrink) for face in followed]
        answers = self._analyzer.near(turn.load(turn.shrink), boxes)
        turn.found = [scaled(found, turn.shrink) for found in answers if found is not None]
        turn.missed = tuple(face for face, found in zip(followed, answers, strict=True) if found is None)
        held = [face for face in turn.missed if face.denied >= DENIED and face.track in turn.memory.in_last]
        turn.found += [face.found for face in held]
        return any(face not in held and turn.at_ns - face.seen_ns <= LOST_NS for face in turn.missed)

    def _track(self, turn: Turn) -> None:
        memory = turn.memory
        if turn.repeats:
            turn.tracks = memory.saw_again(turn.at_ns)
            return
        memory.is_scanned = turn.scans
        if turn.scans:
            self._scans.scanned(turn.frame.camera, memory, turn.at_ns, turn.plan.scan_ms)
        missed = None if turn.missed is None else {face.track for face in turn.missed}
        turn.tracks = memory.saw(turn.found, turn.at_ns, missed)

    def _read(self, turns: Sequence[Turn]) -> tuple[list[Turn], list[Drop]]:
        """Read the faces that are due, of all frames at once; when that fails, those of each frame alone."""
        due = {turn.frame.camera: [(turn, place) for place in self._readings.due(turn)] for turn in turns}
        try:
            self._readings.read([asked for each in due.values() for asked in each])
        except Exception:  # raised again by the frame that it comes from
            return self._each(turns, lambda turn: self._readings.read(due[turn.frame.camera]))
        return list(turns), []

    def _warn(self, event: str, frame: Frame, error: Exception) -> None:
        """Log a trouble of a camera once in 10 s, with the traceback when it is not one of ours."""
        key, now_s = (frame.camera, event), time.monotonic()
        if now_s - self._logged_s.get(key, -REPEAT_LOG_S) < REPEAT_LOG_S:
            return
        self._logged_s[key] = now_s
        ours = isinstance(error, MienError)
        reason = str(error) if ours else repr(error)
        log.warning(event, camera=frame.camera, frame=frame.frame_id, reason=reason, exc_info=not ours)


def _analysed(turn: Turn, faces: tuple[Face, ...], closed_ns: int, stages_ms: Mapping[str, float]) -> Analysed:
    queue_ms = age_ns(turn.frame, closed_ns) / 1e6
    picture = turn.picture if turn.shrink == 1 else None
    return Analysed(turn.frame, picture, turn.memory.size, faces, {"queue": queue_ms, **stages_ms}, turn.repeats)
