from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from mien.errors import JobError
from mien.types import Face
from models.tracks.follow import VideoFaces
from worker.jobs.video.found import Followed, Found, followed_faces
from worker.jobs.video.render import Shown
from worker.jobs.video.tracks import Seen

FACE = Face(
    (10.0, 10.0, 40.0, 40.0), "happy", 0.7, (0.0, 0.0, 0.0, 0.0, 0.7, 0.3, 0.0, 0.0), 0.5, 0.1, 0.9, ((1.0, 2.0),)
)
OTHER = replace(FACE, box=(200.0, 10.0, 40.0, 40.0), landmarks=((3.0, 4.0), (5.0, 6.0)), va_source="measured")


def test_tracks_are_numbered_in_order_of_appearance_from_left_to_right() -> None:
    faces = VideoFaces(400.0, 0.4)
    assert [face.track for face in faces.follow([OTHER, FACE], 0.0)] == ["2", "1"]
    new = replace(FACE, box=(100.0, 200.0, 40.0, 40.0))
    assert [face.track for face in faces.follow([new, FACE, OTHER], 0.04)] == ["3", "1", "2"]
    assert faces.tracks == 3


def test_a_face_that_comes_back_after_a_second_is_a_new_track() -> None:
    faces = VideoFaces(400.0, 0.4)
    seconds = [0.0, 0.04, 0.9, 3.0]
    assert [faces.follow([FACE], at)[0].track for at in seconds] == ["1", "1", "1", "2"]


def test_the_first_face_of_a_track_keeps_its_own_probabilities() -> None:
    (face,) = VideoFaces(400.0, 0.4).follow([FACE], 0.0)
    assert face.smoothed == FACE.probabilities
    assert (face.label, face.label_confidence) == ("happy", 0.7)


def test_faces_come_back_from_their_files_as_they_were(tmp_path: Path) -> None:
    found = Found.of([(3, 30), (4, 40), (6, 60)], [(3, (FACE, OTHER)), (4, ()), (6, (OTHER,))], 0.4)
    found.write(tmp_path / "a.npz")
    assert list(Found.read(tmp_path / "a.npz").faces()) == [(3, 30, (FACE, OTHER)), (4, 40, ()), (6, 60, (OTHER,))]
    followed = VideoFaces(400.0, 0.4).follow([FACE, OTHER], 0.0)
    Followed.of([*followed, followed[1]]).write(tmp_path / "b.npz")
    again = list(followed_faces(found, Followed.read(tmp_path / "b.npz")))
    assert [face.track for _, _, faces in again for face in faces] == ["1", "2", "2"]
    assert again[0][2] == followed


def test_the_same_faces_give_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a.npz", "b.npz"):
        Found.of([(3, 30)], [(3, (FACE, OTHER))], 0.4).write(tmp_path / name)
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()


def test_a_file_of_faces_that_is_not_whole_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.npz").write_bytes(b"PK\x03\x04 but not much more")
    with pytest.raises(JobError, match=r"a\.npz cannot be read"):
        Found.read(tmp_path / "a.npz")


def test_between_two_analysed_frames_a_box_moves_from_one_to_the_other() -> None:
    first = replace(FACE, track="1")
    moved = replace(first, box=(50.0, 10.0, 40.0, 80.0))
    gone = replace(OTHER, track="2")
    shown = Shown([Seen(0, 0.0, (first, gone)), Seen(4, 0.4, (moved,))], every=4)
    assert shown.at(0, 0.0) == (first, gone)
    between = shown.at(1, 0.1)
    assert between[0].box == pytest.approx((20.0, 10.0, 40.0, 50.0))
    assert between[1].box == OTHER.box
    assert {face.source for face in between} == {"tracked"}
    assert shown.at(4, 0.4) == (moved,)
    assert shown.at(9, 0.9) == ()
