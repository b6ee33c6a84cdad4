from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from mien.types import EMOTIONS
from tests.worker.reports.timeline.sample import facts, sighting, two_tracks
from worker.reports.timeline.columns import Timeline


def test_a_timeline_gives_back_its_sightings_in_their_order() -> None:
    original = list(two_tracks())
    back = list(Timeline(original))
    assert [(each.frame, each.seconds, each.track, each.label) for each in back] == [
        (each.frame, each.seconds, each.track, each.label) for each in original
    ]
    assert back[5].probabilities == pytest.approx(original[5].probabilities, abs=1e-6)
    assert back[5].face.box == original[5].face.box


def test_a_timeline_is_made_once() -> None:
    timeline = Timeline.of(two_tracks())
    assert Timeline.of(timeline) is timeline


def test_tracks_come_in_order_of_appearance_with_their_sightings_in_order() -> None:
    one, two = Timeline(two_tracks()).tracks(facts())
    assert (one.name, len(one), two.name, len(two)) == ("1", 100, "2", 40)
    assert two.frames.tolist() == [*range(20, 40), *range(60, 80)]
    assert one.probabilities.shape == (100, len(EMOTIONS))


def test_each_sighting_stands_for_the_time_to_the_next_analysed_frame() -> None:
    one, two = Timeline(two_tracks()).tracks(facts())
    assert one.lasted_s.sum() == pytest.approx(10)
    assert two.lasted_s.sum() == pytest.approx(4), "a gap does not count as seen"


def test_with_every_fifth_frame_a_sighting_stands_for_five() -> None:
    timeline = Timeline(sighting(frame) for frame in range(0, 100, 5))
    assert timeline.tracks(facts(every=5))[0].lasted_s == pytest.approx(np.full(20, 0.5))


def test_times_of_a_video_with_a_variable_frame_rate_are_the_containers() -> None:
    seen = [sighting(frame, seconds=at) for frame, at in enumerate((0.0, 0.1, 2.1, 2.2))]
    lasted_s = Timeline(seen).tracks(dataclasses.replace(facts(4), seconds=2.4))[0].lasted_s
    assert lasted_s == pytest.approx([0.1, 2.0, 0.1, 0.6])


def test_frames_with_faces_are_counted_once() -> None:
    timeline = Timeline(two_tracks())
    assert timeline.frames_with_faces == 100
    assert timeline.most_at_once == 2


def test_a_video_without_faces_is_an_empty_timeline() -> None:
    timeline = Timeline([])
    assert (len(timeline), timeline.tracks(facts()), timeline.frames_with_faces, timeline.most_at_once) == (0, (), 0, 0)
    assert len(timeline.everyone(facts())) == 0
