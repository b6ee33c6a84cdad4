"""All sightings of a video as columns, so that two hours of three faces take 40 MB and are read once."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from mien.types import EMOTIONS, Face
from worker.reports.timeline.table import LABELS, STATES, Sighting, VideoFacts

Floats = NDArray[np.float64]

_AT_ONCE = 1_024
_NUMBER = {label: number for number, label in enumerate(LABELS)}


@dataclass(frozen=True, slots=True)
class Track:
    """One face over time, `n` sightings in the order of the video.

    `labels` are [n] numbers into `LABELS`, `states` into `STATES`, `probabilities` [n, 8], the others [n].
    `lasted_s` is for how many seconds each sighting stands.
    """

    name: str
    frames: NDArray[np.int64] = field(repr=False)
    seconds: Floats = field(repr=False)
    labels: NDArray[np.uint8] = field(repr=False)
    confidences: NDArray[np.float32] = field(repr=False)
    probabilities: NDArray[np.float32] = field(repr=False)
    valence: NDArray[np.float32] = field(repr=False)
    arousal: NDArray[np.float32] = field(repr=False)
    lasted_s: Floats = field(repr=False)
    states: NDArray[np.uint8] = field(repr=False)

    def __len__(self) -> int:
        return len(self.frames)


class Timeline:
    """The sightings of a video in columns; also an iterable of them, so that it can stand wherever they can."""

    def __init__(self, sightings: Iterable[Sighting]) -> None:
        frames, seconds, codes, labels, states = array("q"), array("d"), array("l"), bytearray(), bytearray()
        rest = array("f")
        names: dict[str, int] = {}
        for sighting in sightings:
            face = sighting.face
            frames.append(sighting.frame)
            seconds.append(sighting.seconds)
            codes.append(names.setdefault(sighting.track, len(names)))
            labels.append(_NUMBER[sighting.label])
            states.append(STATES.index(face.baseline))
            rest.extend((*face.box, sighting.confidence, face.valence, face.arousal, *sighting.probabilities))
        self._names = tuple(names)
        self._frames = np.array(frames, np.int64)
        self._seconds = np.array(seconds, np.float64)
        self._codes = np.array(codes, np.int64)
        self._labels = np.frombuffer(bytes(labels), np.uint8)
        self._states = np.frombuffer(bytes(states), np.uint8)
        self._rest = np.array(rest, np.float32).reshape(-1, 7 + len(EMOTIONS))

    @classmethod
    def of(cls, sightings: Iterable[Sighting]) -> Timeline:
        """Return the timeline of some sightings; themselves if they are one."""
        return sightings if isinstance(sightings, Timeline) else cls(sightings)

    def __len__(self) -> int:
        return len(self._frames)

    def __iter__(self) -> Iterator[Sighting]:
        # Numpy gives its values away a thousand at once ten times faster than one by one.
        for start in range(0, len(self), _AT_ONCE):
            yield from self._sightings(slice(start, start + _AT_ONCE))

    def sighting(self, index: int) -> Sighting:
        """Return one sighting; a face's own probabilities are not kept, only those over time."""
        return next(self._sightings(slice(index, index + 1)))

    def _sightings(self, rows: slice) -> Iterator[Sighting]:
        columns = (self._frames, self._seconds, self._codes, self._labels, self._states, self._rest)
        for frame, seconds, code, number, state, rest in zip(
            *(column[rows].tolist() for column in columns), strict=True
        ):
            x, y, width, height, confidence, valence, arousal, *shares = rest
            label, track, smoothed = LABELS[number], self._names[code], tuple(shares)
            face = Face(
                box=(x, y, width, height),
                emotion=label,
                confidence=confidence,
                probabilities=smoothed,
                valence=valence,
                arousal=arousal,
                track=track,
                smoothed=smoothed,
                label=label,
                label_confidence=confidence,
                baseline=STATES[state],
            )
            yield Sighting(frame, seconds, track, face)

    def indices(self) -> dict[str, NDArray[np.int64]]:
        """Return, for each track in order of appearance, where its sightings are, in the order of the video."""
        order = np.argsort(self._codes, kind="stable")
        ends = np.searchsorted(self._codes[order], np.arange(len(self._names)), side="right")
        return dict(zip(self._names, np.split(order, ends[:-1]), strict=True)) if self._names else {}

    @property
    def sides_px(self) -> NDArray[np.float32]:
        """The mean side of each face, in pixels."""
        sides: NDArray[np.float32] = np.sqrt(np.maximum(self._rest[:, 2] * self._rest[:, 3], 0))
        return sides

    @property
    def confidences(self) -> NDArray[np.float32]:
        """The confidence of each sighting's label."""
        return self._rest[:, 4]

    def tracks(self, facts: VideoFacts) -> tuple[Track, ...]:
        """Return the tracks, in order of appearance."""
        lasted_s = self.lasted_s(facts)
        return tuple(self._track(name, rows, lasted_s) for name, rows in self.indices().items())

    def everyone(self, facts: VideoFacts) -> Track:
        """Return all sightings of all tracks as if they were one, in the order of the video."""
        return self._track("", np.argsort(self._frames, kind="stable"), self.lasted_s(facts))

    def lasted_s(self, facts: VideoFacts) -> Floats:
        """Return the seconds that each sighting stands for: up to the next analysed frame, whatever the frame rate.

        Frames in which the face was not found do not count: the way to the next sighting of the track is divided by the
        number of analysed frames on it. The last sighting of a track stands for a frame of mean length.
        """
        lasted_s = np.empty(len(self))
        for rows in self.indices().values():
            frames = np.maximum(np.diff(self._frames[rows]) / facts.step, 1.0)
            lasted_s[rows] = np.append(np.diff(self._seconds[rows]) / frames, facts.period_s)
        return np.maximum(lasted_s, 0.0)

    def _track(self, name: str, rows: NDArray[np.int64], lasted_s: Floats) -> Track:
        rest = self._rest[rows]
        return Track(
            name=name,
            frames=self._frames[rows],
            seconds=self._seconds[rows],
            labels=self._labels[rows],
            confidences=rest[:, 4],
            probabilities=rest[:, 7:],
            valence=rest[:, 5],
            arousal=rest[:, 6],
            lasted_s=lasted_s[rows],
            states=self._states[rows],
        )

    @property
    def frames_with_faces(self) -> int:
        """In how many frames at least one face was seen."""
        return len(np.unique(self._frames))

    @property
    def most_at_once(self) -> int:
        """The most faces in one frame."""
        return int(np.unique(self._frames, return_counts=True)[1].max()) if len(self) else 0
