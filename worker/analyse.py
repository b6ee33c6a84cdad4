"""A batch of frames becomes faces: decode, then one call of the analyzer for all pictures of all cameras."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from mien.errors import MienError, PictureError
from mien.logs import get_logger
from mien.types import DropReason, Face, Frame
from models.picture import Picture, decode
from worker.collect import Drop, age_ns

MAX_FRAME_PIXELS = 7680 * 4320
"""A frame that declares more is refused before it is decoded."""

REPEAT_LOG_S = 10.0

log = get_logger(__name__)


class Analyzer(Protocol):
    """What a worker needs of `models.analyzer.PixelAnalyzer`."""

    @property
    def threshold(self) -> float:
        """Below this top probability a face is `uncertain`."""
        ...

    def analyze_many(self, pictures: Sequence[Picture]) -> tuple[list[tuple[Face, ...]], Mapping[str, float]]:
        """Return the faces of each picture, and how long each stage took (ms)."""
        ...


@dataclass(frozen=True, slots=True)
class Analysed:
    """A frame, its pixels, the faces in it, and the milliseconds that each stage took so far."""

    frame: Frame
    picture: Picture = field(repr=False)
    faces: tuple[Face, ...]
    stages_ms: Mapping[str, float]


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
    """Decodes and analyses batches; remembers which trouble was logged, so that a bad camera does not fill the log."""

    def __init__(self, analyzer: Analyzer) -> None:
        self._analyzer = analyzer
        self._logged_s: dict[tuple[str, str], float] = {}

    def run(self, frames: Sequence[Frame], closed_ns: int) -> tuple[list[Analysed], list[Drop]]:
        """Return the analysed frames of a batch that was closed at `closed_ns`, and those that could not be.

        One frame that cannot be decoded or analysed takes no other with it. Decode, detect and classify are the times
        of the whole batch, since every frame waits for all of it.
        """
        watch = Stopwatch()
        decoded, failed = self._decode(frames)
        decode_ms = watch.lap_ms()
        analysed = []
        for frame, picture, faces, stages_ms in self._analyse(decoded):
            queue_ms = age_ns(frame, closed_ns) / 1e6
            analysed.append(Analysed(frame, picture, faces, {"queue": queue_ms, "decode": decode_ms, **stages_ms}))
        done = {item.frame.frame_id for item in analysed}
        failed += [Drop(frame, DropReason.UNDECODABLE) for frame, _ in decoded if frame.frame_id not in done]
        return analysed, failed

    def _decode(self, frames: Sequence[Frame]) -> tuple[list[tuple[Frame, Picture]], list[Drop]]:
        decoded, failed = [], []
        for frame in frames:
            try:
                decoded.append((frame, decode(frame.jpeg, MAX_FRAME_PIXELS)))
            except PictureError as error:
                self._warn("a frame cannot be decoded", frame, error)
                failed.append(Drop(frame, DropReason.UNDECODABLE))
        return decoded, failed

    def _analyse(
        self, decoded: Sequence[tuple[Frame, Picture]]
    ) -> list[tuple[Frame, Picture, tuple[Face, ...], Mapping[str, float]]]:
        """Return faces and stage times of each frame; when the batch fails, each is tried alone to find the culprit."""
        if not decoded:
            return []
        try:
            faces, stages_ms = self._analyzer.analyze_many([picture for _, picture in decoded])
        except Exception as error:  # whatever a runtime raises on one picture must not end the cameras
            if len(decoded) > 1:
                return [result for pair in decoded for result in self._analyse([pair])]
            self._warn("analysis failed", decoded[0][0], error)
            return []
        return [(frame, picture, found, stages_ms) for (frame, picture), found in zip(decoded, faces, strict=True)]

    def _warn(self, event: str, frame: Frame, error: Exception) -> None:
        """Log a trouble of a camera once in 10 s, with the traceback when it is not one of ours."""
        key, now_s = (frame.camera, event), time.monotonic()
        if now_s - self._logged_s.get(key, -REPEAT_LOG_S) < REPEAT_LOG_S:
            return
        self._logged_s[key] = now_s
        ours = isinstance(error, MienError)
        reason = str(error) if ours else repr(error)
        log.warning(event, camera=frame.camera, frame=frame.frame_id, reason=reason, exc_info=not ours)
