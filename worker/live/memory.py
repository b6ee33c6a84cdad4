"""Step 5, track: what is remembered of one camera, the faces that it follows there, and when faces were detected."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence, Set
from dataclasses import dataclass, field, replace

from mien.types import Box, Detection, Face
from models.tracks.follow import CameraFaces

USUAL_FRAME_NS = 40_000_000
"""Time between two frames until a camera has shown its own."""

LOOK_ON_NS = 1_000_000_000
"""A face that was lost is looked for where it should be for so long: detectors blink, above all while a face turns."""

_FRAMES_REMEMBERED = 25


@dataclass(frozen=True, slots=True)
class Classified:
    """What the classifier said of a face, where the face was then, and when that was."""

    face: Face
    found: Detection
    at_ns: int


@dataclass(frozen=True, slots=True)
class Known:
    """A followed face: where it was seen last, and what was last classified in it and shown of it.

    `next_classification_ns`: when it is due, as far as that is settled. `denied`: how often in a row it was not where
    it was expected, though it was detected in the whole of that very frame.
    """

    track: str
    found: Detection
    seen_ns: int
    classified: Classified | None = None
    next_classification_ns: int | None = None
    shown: Face | None = None
    denied: int = 0

    @property
    def is_classified_here(self) -> bool:
        """Whether it was classified where it was seen last, on that very frame."""
        return self.classified is not None and self.classified.found is self.found


@dataclass(slots=True)
class CameraMemory:
    """What is known of a camera whose frames measure `size` (width, height); with another size all starts anew.

    `detected_ns` is when faces were last detected in the whole frame (None: never), `was_detected` whether that was the
    last frame, `next_detection_ns` when it is due again, as far as that is settled.
    """

    faces: CameraFaces
    size: tuple[int, int] = (0, 0)
    jpeg: bytes = field(default=b"", repr=False)
    last_ns: int = 0
    detected_ns: int | None = None
    was_detected: bool = False
    next_detection_ns: int | None = None
    known: dict[str, Known] = field(default_factory=dict)
    in_last: tuple[str, ...] = ()
    _gaps_ns: deque[int] = field(default_factory=lambda: deque(maxlen=_FRAMES_REMEMBERED))

    @property
    def frame_ns(self) -> int:
        """Time between two frames, the median of the last few."""
        return sorted(self._gaps_ns)[len(self._gaps_ns) // 2] if self._gaps_ns else USUAL_FRAME_NS

    @property
    def found(self) -> list[Detection]:
        """Where the faces of the last frame were, in its order."""
        return [self.known[track].found for track in self.in_last]

    def followed(self, at_ns: int) -> list[Known]:
        """Return the faces to look for in a frame captured at `at_ns`: those of the last one, and those lost lately."""
        lost = [
            face
            for track, face in self.known.items()
            if track not in self.in_last and 0 <= at_ns - face.seen_ns <= LOOK_ON_NS
        ]
        return [self.known[track] for track in self.in_last] + lost

    def expected(self, face: Known, at_ns: int) -> Box:
        """Return where a followed face should be at a moment."""
        return self.faces.expected(face.track, at_ns)

    def saw(self, found: Sequence[Detection], at_ns: int, missed: Set[str] | None = None) -> tuple[str, ...]:
        """Remember the faces of a frame; returns the track of each.

        `missed` are the tracks that were not where they were expected, found as they may be all the same; None: nobody
        looked there.
        """
        tracks = self.faces.track([each.box for each in found], at_ns)
        for track, each in zip(tracks, found, strict=True):
            before = self.known.get(track)
            now = replace(before, found=each, seen_ns=at_ns) if before else Known(track, each, at_ns)
            self.known[track] = now if missed is None else replace(now, denied=now.denied + 1 if track in missed else 0)
        for ended in self.known.keys() - self.faces.live:
            del self.known[ended]
        self.in_last = tuple(tracks)
        return self.in_last

    def saw_again(self, at_ns: int) -> tuple[str, ...]:
        """Remember that a frame was the same as the last one; returns the track of each face, the old or a new one."""
        before = [self.known[track] for track in self.in_last]
        tracks = self.saw(self.found, at_ns)
        for track, face in zip(tracks, before, strict=True):
            self.known[track] = replace(self.known[track], classified=face.classified)
        return tracks

    def ended(self, jpeg: bytes, at_ns: int) -> None:
        """Remember the frame itself, once all is done with it."""
        if 0 < at_ns - self.last_ns < 1_000_000_000:
            self._gaps_ns.append(at_ns - self.last_ns)
        self.jpeg, self.last_ns = jpeg, at_ns
