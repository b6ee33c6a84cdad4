"""Personal baselines of the faces of a video or camera: each track's own, and nothing is kept beyond it.

Of a camera a `RunningBaseline` learns from what was seen of a track so far. A video is known to its end: first all of
it is followed as ever, and what is seen of each track is added to a `TrackHistory`; then every face is labelled again,
its probabilities adjusted before they are smoothed.
"""

from __future__ import annotations

from array import array
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from mien.types import EMOTIONS, Face
from models.tracks.baseline import Baseline, Floats, log_of
from models.tracks.smooth import Smoothed, decide, smooth

LEAST_TRACK_S = 10.0
"""A track that was seen for less has no baseline: its most neutral three seconds may be all that it ever showed."""

MOST_REMEMBERED = 600
"""A running baseline remembers so many seconds: faces and light change over the day."""

_LONGEST_GAP_S = 1.0
_NS = 1e9


@dataclass(slots=True)
class _Seen:
    seconds: array[float] = field(default_factory=lambda: array("d"))
    shares: array[float] = field(default_factory=lambda: array("d"))


class TrackHistory:
    """What was seen of each track of a video: 72 bytes a face. Frames are added in their order."""

    def __init__(self) -> None:
        self._tracks: dict[str, _Seen] = {}

    def add(self, face: Face, seconds: float) -> None:
        """Note what the net says of a face, whose track is known, in a frame at a time from the video's start."""
        seen = self._tracks.setdefault(face.track, _Seen())
        seen.seconds.append(seconds)
        seen.shares.extend(face.probabilities)

    def baselines(self) -> dict[str, Baseline]:
        """Return the baseline of each track that has one: seen for `LEAST_TRACK_S`, and near rest some of that time."""
        found = {}
        for name, seen in self._tracks.items():
            # Each sighting stands for the time up to the next one, the last one for none.
            lasted_s = np.append(np.clip(np.diff(np.array(seen.seconds)), 0.0, _LONGEST_GAP_S), 0.0)
            if lasted_s.sum() < LEAST_TRACK_S:
                continue
            baseline = Baseline.of(log_of(np.array(seen.shares).reshape(-1, len(EMOTIONS))), lasted_s)
            if baseline is not None:
                found[name] = baseline
        return found


class PersonalFaces:
    """Labels the faces of a video over time with the baseline of their track; frames come in order.

    `smoothing_ms` and `threshold` as for `CameraFaces`, which has given every face its track.
    """

    def __init__(self, smoothing_ms: float, threshold: float, baselines: Mapping[str, Baseline]) -> None:
        self._smoothing_ms = smoothing_ms
        self._threshold = threshold
        self._baselines = baselines
        self._smoothed: dict[str, Smoothed] = {}

    def label(self, face: Face, seconds: float) -> Face:
        """Return a followed face with smoothed probabilities and label as its track's baseline makes them.

        What the net says of the frame alone stays: `probabilities`, `emotion`, valence and arousal. Without a baseline
        nothing changes, and the face is `learning`.
        """
        baseline = self._baselines.get(face.track)
        if baseline is None:
            return replace(face, baseline="learning")
        shares = adjusted(baseline, face)
        own, _ = decide(shares, self._threshold)
        before, at_ns = self._smoothed.get(face.track), round(seconds * _NS)
        smoothed = smooth(before, shares, own, at_ns, self._smoothing_ms, self._threshold)
        self._smoothed[face.track] = smoothed
        return replace(
            face,
            smoothed=smoothed.probabilities,
            label=smoothed.label,
            label_confidence=smoothed.confidence,
            baseline="known",
        )


class RunningBaseline:
    """The baseline of one track of a camera, from its past alone: a row a second, at most `MOST_REMEMBERED` of them."""

    def __init__(self) -> None:
        self._rows: deque[Floats] = deque(maxlen=MOST_REMEMBERED)
        self._lasted_ns: deque[int] = deque(maxlen=MOST_REMEMBERED)
        self._sum = np.zeros(len(EMOTIONS))
        self._sum_ns = 0
        self._last_ns: int | None = None
        self._baseline: Baseline | None = None

    def seen(self, face: Face, at_ns: int) -> Baseline | None:
        """Note what the net says of the face in a frame captured at `at_ns`; return the baseline, None while learning.

        It is found anew once a second. None until the face was seen for `LEAST_TRACK_S`, and when it was never near
        rest in the time that is remembered.
        """
        gap_ns = 0 if self._last_ns is None else min(max(0, at_ns - self._last_ns), round(_LONGEST_GAP_S * _NS))
        self._last_ns = at_ns
        self._sum += gap_ns * log_of(np.array(face.probabilities))
        self._sum_ns += gap_ns
        if self._sum_ns >= _NS:
            self._rows.append(self._sum / self._sum_ns)
            self._lasted_ns.append(self._sum_ns)
            self._sum, self._sum_ns = np.zeros(len(EMOTIONS)), 0
            is_enough = sum(self._lasted_ns) >= LEAST_TRACK_S * _NS
            self._baseline = Baseline.of(np.array(self._rows), np.array(self._lasted_ns) / _NS) if is_enough else None
        return self._baseline


def adjusted(baseline: Baseline, face: Face) -> tuple[float, ...]:
    """Return the probabilities of a face with what it says at rest taken away."""
    return tuple(baseline.adjust(np.array(face.probabilities)).tolist())
