from __future__ import annotations

import dataclasses
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from mien.errors import RuntimeMissing
from tests.support.media import astronaut
from tests.worker.reports.timeline.sample import facts, sighting, two_tracks
from worker.reports.timeline.contact import (
    CROP_PX,
    MOMENTS,
    MOST_TRACKS,
    Moment,
    clearest,
    contact_sheet,
    moment_of,
    sharpest,
    sharpness_of,
)
from worker.reports.timeline.table import Sighting


def test_the_moments_of_a_track_are_spread_over_its_time() -> None:
    chosen = [each for each in clearest(two_tracks()) if each.track == "1"]
    assert len(chosen) == MOMENTS
    frames = [each.frame for each in chosen]
    assert frames == sorted(frames)
    assert min(np.diff(frames)) >= 8
    assert frames[0] < 13
    assert frames[-1] > 86


def test_large_and_sure_faces_are_taken_first() -> None:
    seen = [sighting(frame, confidence=0.5, side=50) for frame in range(80)]
    seen[12] = sighting(12, confidence=0.5, side=200)
    seen[37] = sighting(37, confidence=0.95, side=50)
    assert {12, 37} <= {each.frame for each in clearest(seen)}


def test_sharp_faces_are_taken_before_blurred_ones() -> None:
    seen = [sighting(frame) for frame in range(80)]
    chosen = clearest(seen, sharpness=lambda each: 10.0 if each.frame % 10 == 6 else 1.0)
    assert [each.frame % 10 for each in chosen] == [6] * MOMENTS


def test_a_track_of_three_frames_has_three_moments() -> None:
    assert [each.frame for each in clearest(sighting(frame) for frame in (4, 5, 9))] == [4, 5, 9]
    assert clearest([]) == []


def test_of_many_tracks_those_seen_most_often_are_taken_in_order_of_appearance() -> None:
    seen = [sighting(frame, track=str(track)) for track in range(50) for frame in range(track + 1)]
    tracks = list(dict.fromkeys(each.track for each in clearest(seen)))
    assert tracks == [str(track) for track in range(50 - MOST_TRACKS, 50)]


def at(x: float, y: float, side: float) -> Sighting:
    seen = sighting(0)
    return dataclasses.replace(seen, face=dataclasses.replace(seen.face, box=(x, y, side, side)))


@pytest.mark.parametrize(
    ("x", "y", "side"),
    [(180, 60, 100), (-40, -40, 90), (480, 480, 90), (0, 0, 512), (-300, 900, 20), (100, 100, 0.2), (0, 0, 5000)],
)
def test_the_face_is_cut_out_wherever_it_is(x: float, y: float, side: float) -> None:
    moment = moment_of(at(x, y, side), astronaut())
    assert moment.crop.shape == (CROP_PX, CROP_PX, 3)
    assert moment.crop.dtype == np.uint8


def test_a_crop_is_a_square_of_the_frame_and_not_stretched() -> None:
    frame = np.zeros((100, 300, 3), np.uint8)
    frame[:, ::2] = 255
    crop = moment_of(at(0, 0, 400), frame).crop
    assert crop[0, :, 0].std() > 0, "columns stay apart"


def test_the_sharpest_of_many_moments_are_kept() -> None:
    picture = astronaut()
    blurred = np.asarray(cv2.GaussianBlur(picture, (0, 0), 6), np.uint8)
    assert sharpness_of(picture) > 3 * sharpness_of(blurred)
    seen = [dataclasses.replace(at(180, 60, 100), frame=frame) for frame in range(24)]
    moments = [moment_of(each, picture if each.frame % 3 == 1 else blurred) for each in seen]
    assert [moment.sighting.frame % 3 for moment in sharpest(moments)] == [1] * MOMENTS


def test_a_sheet_shows_the_faces_in_rows(tmp_path: Path) -> None:
    face = moment_of(at(180, 60, 100), astronaut()).crop
    contact_sheet(facts(), [Moment(each, face) for each in clearest(two_tracks())], tmp_path / "contact.jpg")
    bgr = cv2.imread(str(tmp_path / "contact.jpg"))
    assert bgr is not None
    rgb = bgr[:, :, ::-1]
    found = cv2.matchTemplate(np.ascontiguousarray(rgb), face, cv2.TM_CCOEFF_NORMED) > 0.95
    count, _ = cv2.connectedComponents(found.astype(np.uint8))
    assert count - 1 == 2 * MOMENTS
    assert [path.name for path in tmp_path.iterdir()] == ["contact.jpg"]


def test_rows_come_in_the_order_of_tracks_whatever_the_order_of_the_moments(tmp_path: Path) -> None:
    face = moment_of(at(180, 60, 100), astronaut()).crop
    moments = [Moment(sighting(frame, track=str(track)), face) for track in range(1, 12) for frame in (3, 30)]
    contact_sheet(facts(), moments, tmp_path / "in_order.jpg")
    contact_sheet(facts(), sorted(moments, key=lambda each: -int(each.sighting.track)), tmp_path / "other.jpg")
    assert (tmp_path / "in_order.jpg").read_bytes() == (tmp_path / "other.jpg").read_bytes()


def test_a_sheet_has_a_bounded_size(tmp_path: Path) -> None:
    face = np.zeros((CROP_PX, CROP_PX, 3), np.uint8)
    many = [Moment(sighting(frame, track=str(track)), face) for track in range(60) for frame in range(12)]
    contact_sheet(facts(), many, tmp_path / "contact.jpg")
    bgr = cv2.imread(str(tmp_path / "contact.jpg"))
    assert bgr is not None
    assert bgr.shape[0] < 8_000
    assert bgr.shape[1] < 2_000


def test_a_video_without_faces_has_a_sheet(tmp_path: Path) -> None:
    contact_sheet(facts(path="会議 \udcff.mp4"), [], tmp_path / "contact.jpg")
    assert cv2.imread(str(tmp_path / "contact.jpg")) is not None


def test_without_pillow_the_error_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "PIL", None)
    with pytest.raises(RuntimeMissing, match=r"install mien\[video\]"):
        contact_sheet(facts(), [], tmp_path / "contact.jpg")
    assert not list(tmp_path.iterdir())
