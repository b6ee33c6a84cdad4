"""A face keeps its track while it moves, and through short gaps."""

from __future__ import annotations

import random

import numpy as np

from mien.types import Box
from models.tracks.track import FaceTracker, normalised_distance

MS = 1_000_000


def walk(start: Box, step: float, frame: int, jitter: random.Random) -> Box:
    x, y, width, height = start
    noise = [jitter.gauss(0, 1.5) for _ in range(4)]
    return (x + step * frame + noise[0], y + noise[1], width + noise[2], height + noise[3])


def test_two_faces_that_pass_keep_their_tracks() -> None:
    tracker, jitter = FaceTracker(), random.Random(1)
    seen = []
    for frame in range(60):
        left = walk((100, 100, 80, 80), 6, frame, jitter)
        right = walk((500, 230, 70, 70), -5, frame, jitter)
        boxes = [left, right] if frame % 2 else [right, left]
        tracks = tracker.update(boxes, frame * 40 * MS)
        seen.append(tuple(tracks if frame % 2 else tracks[::-1]))
    assert len(set(seen)) == 1
    assert seen[0][0] != seen[0][1]


def test_a_track_outlives_a_gap_of_400_ms_whether_frames_or_faces_are_missing() -> None:
    for frames_missing in (True, False):
        for step in (0, 3, -6):
            tracker, jitter = FaceTracker(), random.Random(2)
            tracks = set()
            for frame in range(60):
                if 30 <= frame < 40:
                    if not frames_missing:
                        tracker.update([], frame * 40 * MS)
                    continue
                tracks.update(tracker.update([walk((300, 100, 80, 80), step, frame, jitter)], frame * 40 * MS))
            assert len(tracks) == 1, (frames_missing, step)


def test_a_camera_at_five_frames_a_second_keeps_its_tracks() -> None:
    tracker, jitter = FaceTracker(), random.Random(3)
    tracks = {
        track
        for frame in range(20)
        for track in tracker.update([walk((0, 100, 80, 80), 20, frame, jitter)], frame * 200 * MS)
    }
    assert len(tracks) == 1


def test_a_face_that_was_away_for_long_is_a_new_one() -> None:
    tracker = FaceTracker()
    (before,) = tracker.update([(10, 10, 50, 50)], 0)
    (after,) = tracker.update([(10, 10, 50, 50)], 1500 * MS)
    assert before != after
    assert tracker.live == {after}


def test_a_face_far_away_is_another_one() -> None:
    tracker = FaceTracker()
    (before,) = tracker.update([(10, 10, 50, 50)], 0)
    (after,) = tracker.update([(200, 10, 50, 50)], 40 * MS)
    assert before != after


def test_every_face_of_a_crowd_has_a_track_of_its_own() -> None:
    tracker = FaceTracker()
    boxes: list[Box] = [(x * 60.0, y * 60.0, 50.0, 50.0) for x in range(8) for y in range(5)]
    first = tracker.update(boxes, 0)
    assert len(set(first)) == 40
    assert tracker.update(boxes[::-1], 40 * MS) == first[::-1]


def test_a_frame_without_faces_has_no_tracks() -> None:
    assert FaceTracker().update([], 0) == []


def test_distance_is_measured_in_sides_of_a_face() -> None:
    face, moved, doubled = np.array([[0.0, 0, 50, 50], [50, 0, 100, 50], [-25, -25, 75, 75]])
    distances = normalised_distance(np.array([face]), np.array([face, moved, doubled]))
    np.testing.assert_allclose(distances, [[0, 1, np.log(2) / 2]])
