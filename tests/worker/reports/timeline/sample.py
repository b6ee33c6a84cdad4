"""A made-up video with known answers."""

from __future__ import annotations

from collections.abc import Iterator

from mien.types import EMOTIONS, UNCERTAIN, Face
from worker.reports.timeline.table import Sighting, VideoFacts

FPS = 10.0


def facts(frames: int = 100, path: str = "talk.mp4", every: int = 1) -> VideoFacts:
    """A video at 10 fps of which every n-th frame was analysed."""
    return VideoFacts(path, 640, 360, frames, frames / FPS, FPS, -(-frames // every))


def sighting(
    frame: int,
    label: str = "happy",
    track: str = "1",
    confidence: float = 0.8,
    side: float = 100.0,
    seconds: float = -1.0,
) -> Sighting:
    """A face whose likeliest emotion is `label`."""
    top = EMOTIONS.index("neutral" if label == UNCERTAIN else label)
    shares = tuple(confidence if each == top else (1 - confidence) / 7 for each in range(8))
    face = Face(
        box=(200.25, 100.5, side, side),
        emotion=label,
        confidence=confidence,
        probabilities=tuple([0.125] * 8),
        valence=0.5,
        arousal=-0.25,
        track=track,
        smoothed=shares,
        label=label,
        label_confidence=confidence,
    )
    return Sighting(frame, frame / FPS if seconds < 0 else seconds, track, face)


def two_tracks() -> Iterator[Sighting]:
    """Track 1 is happy for 6 s, then sad for 4 s; track 2 is uncertain from 2 s to 4 s and neutral from 6 s to 8 s."""
    for frame in range(100):
        yield sighting(frame, "happy" if frame < 60 else "sad")
        if 20 <= frame < 40:
            yield sighting(frame, UNCERTAIN, "2", 0.3)
        if 60 <= frame < 80:
            yield sighting(frame, "neutral", "2", 0.9)
