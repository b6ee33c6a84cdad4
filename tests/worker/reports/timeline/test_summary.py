from __future__ import annotations

import dataclasses
import json

import pytest

from tests.worker.reports.timeline.sample import facts, sighting, two_tracks
from worker.reports.timeline.summary import summary
from worker.reports.timeline.table import LABELS


def test_the_shares_of_time_are_those_of_the_video() -> None:
    found = summary(facts(), two_tracks())
    one, two = found["tracks"]
    assert one["seconds"] == pytest.approx(10)
    assert one["emotions"] == dict.fromkeys(LABELS, 0.0) | {"happy": 0.6, "sad": 0.4}
    assert (one["emotion"], one["changes"]) == ("happy", 1)
    assert two["emotions"]["uncertain"] == two["emotions"]["neutral"] == 0.5
    assert (two["first_seconds"], two["last_seconds"], two["seconds"]) == (2.0, 7.9, 4.0)
    assert found["overall"]["seconds"] == pytest.approx(14)
    assert found["overall"]["emotions"]["happy"] == pytest.approx(6 / 14, abs=1e-6)
    assert found["overall"]["changes"] == 2
    assert (found["overall"]["valence"], found["overall"]["arousal"]) == (0.5, -0.25)
    assert (found["no_face_share"], found["most_faces_at_once"], found["sightings"]) == (0.0, 2, 140)


def test_shares_add_up_to_one() -> None:
    found = summary(facts(), two_tracks())
    for each in (found["overall"], *found["tracks"]):
        assert sum(each["emotions"].values()) == pytest.approx(1, abs=1e-5)


def test_time_counts_and_not_the_number_of_frames() -> None:
    seen = [sighting(0, "happy", seconds=0.0), sighting(1, "sad", seconds=3.0), sighting(2, "sad", seconds=3.5)]
    found = summary(dataclasses.replace(facts(3), seconds=4.0), seen)
    assert found["tracks"][0]["emotions"]["happy"] == pytest.approx(3 / (3 + 0.5 + 4 / 3), abs=1e-5)


def test_frames_without_a_face_have_their_share() -> None:
    assert summary(facts(), (sighting(frame) for frame in range(25)))["no_face_share"] == 0.75


def test_a_video_without_faces_has_a_summary() -> None:
    found = summary(facts(), [])
    assert (found["no_face_share"], found["tracks"], found["overall"]["seconds"]) == (1.0, [], 0.0)
    assert found["overall"]["emotion"] is None


def test_a_video_without_frames_has_a_summary() -> None:
    assert summary(facts(0), [])["no_face_share"] is None


def test_a_summary_is_json_and_says_what_it_is_not() -> None:
    found = summary(facts(), two_tracks())
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    assert "never what a person feels" in found["notice"]
    assert found["video"]["path"] == "talk.mp4"


def test_a_video_whose_frames_have_no_times_is_counted_by_frames() -> None:
    seen = [sighting(frame, "happy" if frame < 3 else "sad", seconds=0.0) for frame in range(4)]
    found = summary(dataclasses.replace(facts(0), frames=4, analysed=4, fps=0.0), seen)
    assert found["tracks"][0]["emotions"]["happy"] <= 0.75
    assert sum(found["tracks"][0]["emotions"].values()) == pytest.approx(1)
