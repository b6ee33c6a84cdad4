"""Tracks thinned out for charts: a bounded number of points, whatever the length of the video."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from worker.reports.timeline.columns import Floats, Timeline, Track
from worker.reports.timeline.table import LABELS, VideoFacts

BRIEF_S, BRIEF_SHARE = 1.0, 0.1
"""A track that was seen for less than both, in seconds and as a share of the video, gets no chart either."""

_GAP_FRAMES = 1.5
_NEARLY_ALL = 0.95


@dataclass(frozen=True, slots=True)
class Stretch:
    """A time over which a track had one label; `confidence` is the mean."""

    start_s: float
    end_s: float
    label: str
    confidence: float


@dataclass(frozen=True, slots=True)
class Curve:
    """A track as `m` points in the order of time.

    A point stands for the time from `starts_s` to `ends_s`; `runs` [m] counts up after each gap in which the face was
    not seen. `probabilities` is [m, 8], `labels` numbers into `LABELS`.
    """

    name: str
    starts_s: Floats = field(repr=False)
    ends_s: Floats = field(repr=False)
    runs: NDArray[np.int64] = field(repr=False)
    labels: NDArray[np.uint8] = field(repr=False)
    confidences: Floats = field(repr=False)
    probabilities: Floats = field(repr=False)
    valence: Floats = field(repr=False)
    arousal: Floats = field(repr=False)

    def __len__(self) -> int:
        return len(self.starts_s)

    @property
    def middles_s(self) -> Floats:
        """The middle of each point's time."""
        return (self.starts_s + self.ends_s) / 2

    def parts(self) -> Iterator[slice]:
        """Yield the points of each time over which the face was seen without a gap."""
        cuts = np.flatnonzero(np.diff(self.runs)) + 1
        edges = [0, *cuts.tolist(), len(self)]
        return (slice(first, last) for first, last in pairwise(edges) if last > first)

    def stretches(self) -> list[Stretch]:
        """Return the label over time; neighbours of one label are one stretch."""
        found: list[Stretch] = []
        for part in self.parts():
            labels = self.labels[part]
            cuts = [0, *(np.flatnonzero(np.diff(labels.astype(np.int16))) + 1).tolist(), len(labels)]
            starts, ends, confidences = self.starts_s[part], self.ends_s[part], self.confidences[part]
            for first, last in pairwise(cuts):
                # Up to where the next one starts, so that rounding leaves no hair-lines between them.
                end = starts[last] if last < len(labels) else ends[-1]
                mean = float(confidences[first:last].mean())
                found.append(Stretch(float(starts[first]), float(end), LABELS[labels[first]], mean))
        return found


def curve_of(track: Track, facts: VideoFacts, points: int) -> Curve:
    """Return a track with at most about `points` points over the whole video.

    Up to as many analysed frames, every sighting is a point. Beyond, the video is cut into `points` bins of equal
    length, and a point is the mean of a bin (probabilities, valence, arousal, weighted by time) with the label that
    lasted longest in it: of two hours in 1,000 bins, each is 7.2 s. A gap is shown where the face was not seen for
    longer than a frame and a half, and longer than a bin.
    """
    bin_s = _bin_s(facts, points)
    binned = bin_s > 0
    keys = np.floor(track.seconds / bin_s).astype(np.int64) if binned else track.frames
    order = np.argsort(keys, kind="stable")
    _, firsts = np.unique(keys[order], return_index=True)
    if not len(order):
        return _empty(track.name)
    weights = np.maximum(track.lasted_s[order], 1e-9)
    totals = np.add.reduceat(weights, firsts)

    def mean(values: NDArray[np.float32]) -> Floats:
        column = weights if values.ndim == 1 else weights[:, None]
        sums: Floats = np.add.reduceat(values[order] * column, firsts, axis=0)
        return sums / (totals if values.ndim == 1 else totals[:, None])

    labels, confidences = _labels(track, order, firsts, weights)
    starts_s = np.minimum.reduceat(track.seconds[order], firsts)
    ends_s = np.maximum.reduceat((track.seconds + track.lasted_s)[order], firsts)
    tolerated_s = max(_GAP_FRAMES * facts.period_s, bin_s)
    gaps = starts_s[1:] - ends_s[:-1] > tolerated_s
    return Curve(
        name=track.name,
        starts_s=starts_s,
        ends_s=ends_s,
        runs=np.concatenate(([0], np.cumsum(gaps))),
        labels=labels,
        confidences=confidences,
        probabilities=mean(track.probabilities),
        valence=mean(track.valence),
        arousal=mean(track.arousal),
    )


def charted(timeline: Timeline, facts: VideoFacts, most: int) -> list[Track]:
    """Return what gets a chart: the `most` longest tracks that are not brief, in order of appearance.

    Before them all faces together (a track without a name), unless the one track that is charted is nearly all of it.
    """
    tracks = timeline.tracks(facts)
    brief_s = min(BRIEF_S, BRIEF_SHARE * facts.seconds)
    seen_s = {track.name: float(track.lasted_s.sum()) for track in tracks}
    longest = sorted((name for name, spent_s in seen_s.items() if spent_s >= brief_s), key=lambda name: -seen_s[name])
    kept = set(longest[:most])
    shown = [track for track in tracks if track.name in kept]
    if len(shown) == 1 and seen_s[shown[0].name] >= _NEARLY_ALL * sum(seen_s.values()):
        return shown
    return [timeline.everyone(facts), *shown]


def thinned(facts: VideoFacts, points: int) -> str:
    """Return what a chart of so many points says of how it was thinned out; nothing if it was not."""
    bin_s = _bin_s(facts, points)
    return f"Each point is the mean of {bin_s:.2g} s; the table has every frame." if bin_s else ""


def _bin_s(facts: VideoFacts, points: int) -> float:
    """The length of a bin; 0 where every analysed frame is a point."""
    bin_s = facts.seconds / points
    return bin_s if bin_s > facts.period_s else 0.0


def _labels(
    track: Track, order: NDArray[np.int64], firsts: NDArray[np.int64], weights: Floats
) -> tuple[NDArray[np.uint8], Floats]:
    """The label that lasted longest in each bin, and its mean confidence there."""
    bins = np.repeat(np.arange(len(firsts)), np.diff([*firsts, len(order)]))
    cells = bins * len(LABELS) + track.labels[order]
    size = len(firsts) * len(LABELS)
    spent = np.bincount(cells, weights, size).reshape(-1, len(LABELS))
    sure = np.bincount(cells, weights * track.confidences[order], size).reshape(-1, len(LABELS))
    labels = spent.argmax(axis=1)
    rows = np.arange(len(firsts))
    return labels.astype(np.uint8), sure[rows, labels] / spent[rows, labels]


def _empty(name: str) -> Curve:
    nothing = np.empty(0)
    none = np.empty(0, np.int64)
    return Curve(name, nothing, nothing, none, none.astype(np.uint8), nothing, np.empty((0, 8)), nothing, nothing)
