from __future__ import annotations

import pytest

from tests.worker.reports.timeline.sample import facts, sighting, two_tracks
from worker.reports.timeline.columns import Timeline
from worker.reports.timeline.curve import charted, curve_of, thinned


def test_a_short_video_is_not_thinned_out() -> None:
    one, _ = Timeline(two_tracks()).tracks(facts())
    curve = curve_of(one, facts(), 500)
    assert len(curve) == 100
    assert curve.probabilities == pytest.approx(one.probabilities, abs=1e-6)
    assert thinned(facts(), 500) == ""


def test_a_long_video_has_no_more_points_than_asked_for() -> None:
    long = facts(50_000)
    track = Timeline(sighting(frame, "happy" if frame % 10 < 7 else "sad") for frame in range(50_000)).tracks(long)[0]
    curve = curve_of(track, long, 500)
    assert len(curve) == 500
    assert curve.probabilities.sum(axis=1) == pytest.approx(1, abs=1e-5)
    assert {stretch.label for stretch in curve.stretches()} == {"happy"}, "the label that lasted longest in each bin"
    assert len(list(curve.parts())) == 1
    assert "10 s" in thinned(long, 500)


def test_a_gap_stays_a_gap() -> None:
    two = Timeline(two_tracks()).tracks(facts())[1]
    stretches = curve_of(two, facts(), 500).stretches()
    assert [stretch.label for stretch in stretches] == ["uncertain", "neutral"]
    assert [stretch.start_s for stretch in stretches] == pytest.approx([2.0, 6.0])
    assert [stretch.end_s for stretch in stretches] == pytest.approx([4.0, 8.0])


def test_one_missed_frame_is_no_gap() -> None:
    track = Timeline(sighting(frame) for frame in range(100) if frame != 50).tracks(facts())[0]
    assert len(list(curve_of(track, facts(), 500).parts())) == 1
    track = Timeline(sighting(frame) for frame in range(100) if not 50 <= frame < 53).tracks(facts())[0]
    assert len(list(curve_of(track, facts(), 500).parts())) == 2


def test_a_gap_of_a_long_video_stays_a_gap() -> None:
    long = facts(50_000)
    track = Timeline(sighting(frame) for frame in range(50_000) if not 20_000 <= frame < 30_000).tracks(long)[0]
    before, after = curve_of(track, long, 500).stretches()
    assert before.end_s == pytest.approx(2_000, abs=10)
    assert after.start_s == pytest.approx(3_000, abs=10)


def test_all_faces_together_are_the_mean_of_the_faces() -> None:
    seen = [sighting(frame, label, track) for frame in range(100) for label, track in (("happy", "1"), ("sad", "2"))]
    everyone = curve_of(Timeline(seen).everyone(facts()), facts(), 500)
    assert len(everyone) == 100
    assert everyone.probabilities[0] == pytest.approx(
        [(a + b) / 2 for a, b in zip(seen[0].probabilities, seen[1].probabilities, strict=True)], abs=1e-6
    )


def test_brief_tracks_get_no_chart_and_a_single_one_is_not_shown_twice() -> None:
    seen = [sighting(frame) for frame in range(100)]
    flash = [sighting(frame, track="2") for frame in range(2)]
    assert [track.name for track in charted(Timeline([*seen, *flash]), facts(), 6)] == ["1"]
    assert [track.name for track in charted(Timeline(two_tracks()), facts(), 6)] == ["", "1", "2"]


def test_the_longest_of_many_tracks_get_a_chart_in_order_of_appearance() -> None:
    seen = [sighting(frame, track=str(track)) for track in range(1, 21) for frame in range(10 + 4 * track)]
    assert [track.name for track in charted(Timeline(seen), facts(), 3)] == ["", "18", "19", "20"]


def test_no_faces_are_an_empty_curve() -> None:
    (everyone,) = charted(Timeline([]), facts(), 6)
    curve = curve_of(everyone, facts(), 500)
    assert (len(curve), curve.stretches(), list(curve.parts())) == (0, [], [])
