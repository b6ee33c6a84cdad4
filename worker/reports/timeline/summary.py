"""What a video's faces showed, in figures: JSON types, for each track and over all."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

import numpy as np

from worker.reports.timeline.columns import Timeline, Track
from worker.reports.timeline.palette import NOTICE, VA_WORDS
from worker.reports.timeline.table import LABELS, STATES, Sighting, VideoFacts


def summary(facts: VideoFacts, sightings: Iterable[Sighting]) -> dict[str, Any]:
    """Return what `summary.json` holds.

    `video` are the facts; `no_face_share` is the share of the analysed frames in which no face was found. `overall` and
    each of `tracks` have `seconds` seen (of all faces together: face-seconds), `emotions` (nine shares of that time by
    the label over time, sum 1), `emotion` (the one with the largest share), mean `confidence`, `valence` and `arousal`,
    all weighted by time, and `changes` of the label; a track also
    `baseline`: whether its own was used. Where nothing was seen, these are None.
    """
    timeline = Timeline.of(sightings)
    tracks = timeline.tracks(facts)
    with_faces = timeline.frames_with_faces
    changes = {track.name: _changes(track) for track in tracks}
    return {
        "notice": f"{NOTICE} {VA_WORDS[facts.va_source]}",
        "video": asdict(facts),
        "sightings": len(timeline),
        "frames_with_faces": with_faces,
        "no_face_share": round(max(0.0, 1 - with_faces / facts.analysed), 6) if facts.analysed else None,
        "most_faces_at_once": timeline.most_at_once,
        "overall": {**_figures(timeline.everyone(facts)), "changes": sum(changes.values())},
        "tracks": [
            {
                "track": track.name,
                "first_seconds": round(float(track.seconds[0]), 3),
                "last_seconds": round(float(track.seconds[-1]), 3),
                "sightings": len(track),
                **_figures(track),
                "changes": changes[track.name],
                "baseline": STATES[int(track.states[0])],
            }
            for track in tracks
        ],
    }


def _figures(track: Track) -> dict[str, Any]:
    # A video without times (all frames at 0 s) is counted by frames.
    weights = track.lasted_s if track.lasted_s.sum() > 0 else np.ones(len(track))
    if not len(track):
        empty = dict.fromkeys(("emotion", "emotions", "confidence", "valence", "arousal"))
        return {"seconds": 0.0, **empty}
    spent = np.bincount(track.labels, weights, len(LABELS)) / weights.sum()
    return {
        "seconds": round(float(track.lasted_s.sum()), 3),
        "emotion": LABELS[int(spent.argmax())],
        "emotions": {label: round(float(share), 6) for label, share in zip(LABELS, spent, strict=True)},
        "confidence": round(float(np.average(track.confidences, weights=weights)), 6),
        "valence": round(float(np.average(track.valence, weights=weights)), 4),
        "arousal": round(float(np.average(track.arousal, weights=weights)), 4),
    }


def _changes(track: Track) -> int:
    return int(np.count_nonzero(np.diff(track.labels.astype(np.int16))))
