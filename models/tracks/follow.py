"""The faces of one camera or video over time: each gets its track, and the label that its track has come to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from mien.types import BaselineState, BaselineUse, Box, Face
from models.tracks.personal import RunningBaseline, adjusted
from models.tracks.smooth import Smoothed, decide, smooth
from models.tracks.track import FaceTracker


class CameraFaces:
    """What is remembered of the faces of one camera: nothing longer than their tracks.

    `smoothing_ms` is the time over which labels are smoothed, `threshold` the probability below which one is
    `uncertain`. With the `baseline` auto, what a face said at rest so far is taken from its label.
    """

    def __init__(self, smoothing_ms: float, threshold: float, baseline: BaselineUse = "off") -> None:
        self._smoothing_ms = smoothing_ms
        self._threshold = threshold
        self._baseline = baseline
        self._tracker = FaceTracker()
        self._running: dict[str, RunningBaseline] = {}
        self._smoothed: dict[str, Smoothed] = {}

    @property
    def live(self) -> frozenset[str]:
        """The tracks that may still go on."""
        return self._tracker.live

    def expected(self, track: str, at_ns: int) -> Box:
        """Return where the face of a live track should be at a moment."""
        return self._tracker.expected(track, at_ns)

    def follow(self, faces: Sequence[Face], at_ns: int) -> tuple[Face, ...]:
        """Return the faces of a frame captured at `at_ns` with track, smoothed probabilities and label filled in."""
        return self.label(faces, self.track([face.box for face in faces], at_ns), at_ns)

    def track(self, boxes: Sequence[Box], at_ns: int) -> list[str]:
        """Return the track of each box in a frame captured at `at_ns`; `label` takes them once faces are classified."""
        return self._tracker.update(boxes, at_ns)

    def label(self, faces: Sequence[Face], tracks: Sequence[str], at_ns: int) -> tuple[Face, ...]:
        """Return the faces of a frame, whose tracks are known, with smoothed probabilities and label filled in."""
        labelled = tuple(self._labelled(face, track, at_ns) for face, track in zip(faces, tracks, strict=True))
        for ended in self._smoothed.keys() - self._tracker.live:
            del self._smoothed[ended]
            self._running.pop(ended, None)
        return labelled

    def _labelled(self, face: Face, track: str, at_ns: int) -> Face:
        state, shares, own = self._own(face, track, at_ns)
        smoothed = smooth(self._smoothed.get(track), shares, own, at_ns, self._smoothing_ms, self._threshold)
        self._smoothed[track] = smoothed
        return replace(
            face,
            track=track,
            smoothed=smoothed.probabilities,
            label=smoothed.label,
            label_confidence=smoothed.confidence,
            baseline=state,
        )

    def _own(self, face: Face, track: str, at_ns: int) -> tuple[BaselineState, tuple[float, ...], str]:
        """Return probabilities and label of a face by itself, with its baseline if that is known."""
        if self._baseline == "off":
            return "none", face.probabilities, face.emotion
        baseline = self._running.setdefault(track, RunningBaseline()).seen(face, at_ns)
        if baseline is None:
            return "learning", face.probabilities, face.emotion
        shares = adjusted(baseline, face)
        return "known", shares, decide(shares, self._threshold)[0]


class VideoFaces:
    """Follows the faces of a video; tracks are called "1", "2", … in order of appearance, from left to right.

    `smoothing_ms` and `threshold` as for `CameraFaces`.
    """

    def __init__(self, smoothing_ms: float, threshold: float) -> None:
        self._faces = CameraFaces(smoothing_ms, threshold)
        self._names: dict[str, str] = {}

    @property
    def tracks(self) -> int:
        """How many there have been."""
        return len(self._names)

    def follow(self, faces: Sequence[Face], seconds: float) -> tuple[Face, ...]:
        """Return the faces of a frame with tracks and labels over time filled in; frames come in order."""
        followed = self._faces.follow(faces, round(seconds * 1e9))
        for face in sorted(followed, key=lambda face: face.box):
            self._names.setdefault(face.track, str(len(self._names) + 1))
        return tuple(replace(face, track=self._names[face.track]) for face in followed)
