"""What a face is called follows its track, and nothing outlives it."""

from __future__ import annotations

from dataclasses import replace

from mien.types import Face
from models.tracks.follow import CameraFaces, VideoFaces

MS = 1_000_000
HAPPY = (0.0, 0.0, 0.0, 0.0, 0.9, 0.1, 0.0, 0.0)
NEUTRAL = (0.0, 0.0, 0.0, 0.0, 0.3, 0.7, 0.0, 0.0)


def a_face(x: float, probabilities: tuple[float, ...], emotion: str) -> Face:
    return Face((x, 10, 50, 50), emotion, max(probabilities), probabilities, 0, 0)


def test_one_odd_frame_does_not_change_the_label_but_its_own_emotion_stays() -> None:
    faces = CameraFaces(smoothing_ms=400, threshold=0.4)
    for frame in range(10):
        faces.follow([a_face(10, HAPPY, "happy")], frame * 40 * MS)
    (odd,) = faces.follow([a_face(10, NEUTRAL, "neutral")], 400 * MS)
    assert (odd.emotion, odd.probabilities) == ("neutral", NEUTRAL)
    assert odd.label == "happy"
    assert odd.smoothed is not None
    assert odd.label_confidence == odd.smoothed[4]
    assert 0.8 < odd.label_confidence < 0.9


def test_two_faces_are_smoothed_each_on_its_own() -> None:
    faces = CameraFaces(smoothing_ms=400, threshold=0.4)
    for frame in range(10):
        left, right = faces.follow(
            [a_face(10, HAPPY, "happy"), a_face(300, NEUTRAL, "neutral")][:: 1 if frame % 2 else -1],
            frame * 40 * MS,
        )[:: 1 if frame % 2 else -1]
        assert (left.label, right.label) == ("happy", "neutral")
        assert left.track != right.track


def test_what_is_known_of_a_face_ends_with_its_track() -> None:
    faces = CameraFaces(smoothing_ms=400, threshold=0.4)
    faces.follow([a_face(10, HAPPY, "happy")], 0)
    assert faces.follow([], 2000 * MS) == ()
    assert faces._smoothed == {}


def test_tracks_of_a_video_are_numbered_as_faces_appear_from_left_to_right() -> None:
    faces = VideoFaces(smoothing_ms=400, threshold=0.4)
    assert [face.track for face in faces.follow([a_face(300, HAPPY, "happy"), a_face(10, HAPPY, "happy")], 0)] == [
        "2", "1",
    ]  # fmt: skip
    later = [a_face(10, HAPPY, "happy"), a_face(600, NEUTRAL, "neutral"), a_face(300, HAPPY, "happy")]
    assert [face.track for face in faces.follow(later, 0.04)] == ["1", "3", "2"]
    assert [face.track for face in faces.follow([a_face(10, HAPPY, "happy")], 1.5)] == ["4"]
    assert faces.tracks == 4


def test_to_track_and_then_to_label_is_to_follow() -> None:
    together, apart = (CameraFaces(smoothing_ms=400, threshold=0.4) for _ in range(2))
    for frame in range(5):
        faces = [a_face(10 + frame, HAPPY if frame % 2 else NEUTRAL, "happy"), a_face(300, NEUTRAL, "neutral")]
        followed = together.follow(faces, frame * 40 * MS)
        tracks = apart.track([face.box for face in faces], frame * 40 * MS)
        labelled = apart.label(faces, tracks, frame * 40 * MS)
        assert [face.track for face in labelled] == tracks
        assert set(tracks) == apart.live
        assert [replace(face, track="") for face in labelled] == [replace(face, track="") for face in followed]
