"""Where a face will be is predicted once, for whoever matches faces and whoever looks for one."""

from __future__ import annotations

import numpy as np
import pytest

from models.tracks.follow import CameraFaces
from models.tracks.motion import MAX_COAST_NS, Motion, corners_of

FRAME_NS = 40_000_000


def walking(frames: int = 10, px_a_frame: float = 4.0, grows: float = 0.0) -> Motion:
    """A face that goes to the right, 100 pixels wide at first, and may grow around its middle."""
    motion = Motion.begun(corners_of([(0.0, 0.0, 100.0, 100.0)])[0], 0)
    for number in range(1, frames):
        side = 100 + grows * number
        box = (px_a_frame * number - (side - 100) / 2, -(side - 100) / 2, side, side)
        motion = motion.seen(corners_of([box])[0], number * FRAME_NS)
    return motion


def test_a_face_is_expected_to_go_on_as_it_did() -> None:
    motion = walking()
    assert motion.expected_box(10 * FRAME_NS) == pytest.approx((40, 0, 100, 100), abs=0.1)


def test_its_size_is_expected_to_stay() -> None:
    _, _, width, height = walking(grows=2).expected_box(10 * FRAME_NS)
    assert (width, height) == pytest.approx((118, 118))


def test_a_face_that_is_not_seen_stands_still_after_a_while_and_forgets_its_speed() -> None:
    motion = walking()
    late_ns = motion.seen_ns + MAX_COAST_NS
    assert motion.expected_box(late_ns) == motion.expected_box(late_ns + MAX_COAST_NS)
    again = motion.seen(motion.corners, late_ns + 1)
    assert np.array_equal(again.expected(late_ns + FRAME_NS), motion.corners)


def test_where_a_track_is_expected_is_where_its_motion_leads() -> None:
    faces = CameraFaces(400.0, 0.5)
    for number in range(10):
        (track,) = faces.track([(4.0 * number, 0.0, 100.0, 100.0)], number * FRAME_NS)
    at_ns = 11 * FRAME_NS
    assert faces.expected(track, at_ns) == pytest.approx(walking().expected_box(at_ns))
