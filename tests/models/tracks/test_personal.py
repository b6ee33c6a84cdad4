"""Each track of a video gets its own baseline, from what was seen of it, or none."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from mien.types import EMOTIONS, Face
from models.tracks.follow import CameraFaces, VideoFaces
from models.tracks.personal import LEAST_TRACK_S, MOST_REMEMBERED, PersonalFaces, RunningBaseline, TrackHistory

FPS = 10
FACE = Face((10.0, 10.0, 40.0, 40.0), "sad", 0.5, (0.125,) * 8, 0.0, 0.0)


def face(x: float = 10.0, **shares: float) -> Face:
    rest = (1 - sum(shares.values())) / (len(EMOTIONS) - len(shares))
    probabilities = tuple(shares.get(name, rest) for name in EMOTIONS)
    top = max(probabilities)
    emotion = EMOTIONS[probabilities.index(top)] if top >= 0.4 else "uncertain"
    return replace(FACE, box=(x, 10.0, 40.0, 40.0), probabilities=probabilities, emotion=emotion, confidence=top)


def followed(frames: list[list[Face]], fps: float = FPS) -> list[tuple[float, Face]]:
    faces = VideoFaces(400.0, 0.4)
    return [(at / fps, each) for at, found in enumerate(frames) for each in faces.follow(found, at / fps)]


def with_baselines(seen: list[tuple[float, Face]]) -> list[Face]:
    history = TrackHistory()
    for seconds, each in seen:
        history.add(each, seconds)
    personal = PersonalFaces(400.0, 0.4, history.baselines())
    return [personal.label(each, seconds) for seconds, each in seen]


def test_a_face_that_rests_sad_is_labelled_neutral_and_laughs_as_before() -> None:
    frames = [[face(sad=0.52, neutral=0.4)]] * 80 + [[face(happy=0.9, sad=0.06)]] * 60
    before = followed(frames)
    assert [before[40][1].label, before[120][1].label] == ["sad", "happy"]
    after = with_baselines(before)
    assert [after[40].label, after[120].label] == ["neutral", "happy"]
    assert {each.baseline for each in after} == {"known"}
    assert after[40].smoothed is not None
    assert after[40].label_confidence == after[40].smoothed[EMOTIONS.index("neutral")]
    # What the net says of the frame alone stays beside it.
    assert [(each.probabilities, each.emotion) for each in after] == [
        (each.probabilities, each.emotion) for _, each in before
    ]


@pytest.mark.parametrize(
    "frames",
    [
        [[face(sad=0.6, neutral=0.35)]] * int(LEAST_TRACK_S * FPS - 5),
        [[face(happy=0.95, neutral=0.02)]] * 300,
    ],
)
def test_a_short_track_and_one_never_near_rest_stay_as_they_are(frames: list[list[Face]]) -> None:
    before = followed(frames)
    assert with_baselines(before) == [replace(each, baseline="learning") for _, each in before]


def test_tracks_know_nothing_of_each_other() -> None:
    one = [[face(sad=0.52, neutral=0.4)]] * 120
    both = [[*found, face(300.0, anger=0.5, neutral=0.4)] for found in one]
    alone, together = with_baselines(followed(one)), with_baselines(followed(both))
    assert [each for each in together if each.track == "1"] == alone


def test_a_gap_does_not_count_as_seen() -> None:
    frames: list[list[Face]] = [[] for _ in range(200)]
    frames[::9] = [[face(sad=0.52, neutral=0.4)]] * len(frames[::9])
    assert {each.baseline for each in with_baselines(followed(frames))} == {"known"}
    # The same moments at a tenth of the rate: nothing is seen for 9 s at a time, so each is a track of its own.
    assert {each.baseline for each in with_baselines(followed(frames, FPS / 10))} == {"learning"}


def test_the_baseline_does_not_depend_on_the_frame_rate() -> None:
    def offset(fps: int) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
        half = [[face(sad=0.52, neutral=0.4)]] * (8 * fps) + [[face(happy=0.9, sad=0.06)]] * (6 * fps)
        history = TrackHistory()
        for seconds, each in followed(half, fps):
            history.add(each, seconds)
        return history.baselines()["1"].offset

    assert offset(5) == pytest.approx(offset(30), abs=0.02)


def live(frames: list[list[Face]], fps: float = FPS) -> list[Face]:
    faces = CameraFaces(400.0, 0.4, "auto")
    return [each for at, found in enumerate(frames) for each in faces.follow(found, round(at / fps * 1e9))]


def test_a_camera_learns_for_ten_seconds_and_then_knows() -> None:
    seen = live([[face(sad=0.52, neutral=0.4)]] * 200)
    states = [each.baseline for each in seen]
    learned = states.index("known")
    assert learned == pytest.approx(LEAST_TRACK_S * FPS, abs=2)
    assert states == ["learning"] * learned + ["known"] * (200 - learned)
    assert {each.label for each in seen[:learned]} == {"sad"}
    assert seen[-1].label == "neutral"
    assert {each.emotion for each in seen} == {"sad"}
    assert {each.baseline for each in live([[face(happy=0.95, neutral=0.02)]] * 200)} == {"learning"}


def test_a_baseline_of_a_camera_dies_with_its_track() -> None:
    gone: list[Face] = []
    seen = live([*[[face(sad=0.52, neutral=0.4)]] * 150, *[gone] * 15, *[[face(sad=0.52, neutral=0.4)]] * 20])
    assert seen[149].baseline == "known"
    assert {each.baseline for each in seen[150:]} == {"learning"}
    assert seen[150].track != seen[149].track


def test_without_the_setting_a_camera_has_no_baseline() -> None:
    faces = CameraFaces(400.0, 0.4)
    seen = [each for at in range(150) for each in faces.follow([face(sad=0.52, neutral=0.4)], at * 100_000_000)]
    assert {(each.baseline, each.label) for each in seen} == {("none", "sad")}


def test_what_was_long_ago_is_forgotten() -> None:
    running = RunningBaseline()
    for second in range(20):
        running.seen(face(sad=0.52, neutral=0.4), second * 10**9)
    assert running.seen(face(sad=0.52, neutral=0.4), 20 * 10**9) is not None
    for second in range(21, 22 + MOST_REMEMBERED):
        last = running.seen(face(happy=0.95, neutral=0.02), second * 10**9)
    assert last is None
