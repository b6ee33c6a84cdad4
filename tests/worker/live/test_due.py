"""A face is classified sooner than its interval says when it may show something else by now."""

from __future__ import annotations

import pytest

from mien.types import Detection, Face
from worker.live.due import MOVED_PART, UNSETTLED_PART, has_moved, part_to_wait
from worker.live.memory import Classified, Known

THRESHOLD = 0.5
UPRIGHT = Detection((100, 100, 100, 100), 0.9, ((130, 140), (170, 140), (150, 160), (150, 180)))


def shares(happy: float) -> tuple[float, ...]:
    return (0.0, 0.0, 0.0, 0.0, happy, 1 - happy, 0.0, 0.0)


def known(happy: float, smoothed: float, label: str, now: Detection = UPRIGHT) -> Known:
    read = Face(UPRIGHT.box, "happy", max(shares(happy)), shares(happy), 0, 0)
    shown = Face(UPRIGHT.box, "happy", max(shares(happy)), shares(happy), 0, 0, smoothed=shares(smoothed), label=label)
    return Known("t", now, 0, classified=Classified(read, UPRIGHT, 0), shown=shown)


def test_a_face_that_was_never_classified_is_due() -> None:
    assert part_to_wait(Known("t", UPRIGHT, 0), THRESHOLD) == 0


def test_a_still_face_whose_label_is_clear_waits() -> None:
    assert part_to_wait(known(0.9, 0.9, "happy"), THRESHOLD) == 1


@pytest.mark.parametrize(
    ("happy", "smoothed", "label"),
    [(0.3, 0.9, "happy"), (0.9, 0.6, "happy"), (0.55, 0.9, "happy"), (0.9, 0.4, "neutral")],
)
def test_a_face_whose_label_may_be_changing_is_due_early(happy: float, smoothed: float, label: str) -> None:
    assert part_to_wait(known(happy, smoothed, label), THRESHOLD) == UNSETTLED_PART


@pytest.mark.parametrize(
    "now",
    [
        Detection((140, 100, 100, 100), 0.9, ()),
        Detection((100, 100, 125, 125), 0.9, ()),
        Detection(UPRIGHT.box, 0.9, ((130, 140), (170, 140), (160, 160), (150, 180))),
        Detection(UPRIGHT.box, 0.9, ((130, 130), (170, 150), (150, 160), (150, 180))),
    ],
    ids=["moved", "grew", "turned", "tilted"],
)
def test_a_face_that_moved_grew_or_turned_is_due_early(now: Detection) -> None:
    assert has_moved(UPRIGHT, now)
    assert part_to_wait(known(0.9, 0.9, "happy", now), THRESHOLD) == MOVED_PART


def test_a_face_whose_label_may_be_changing_waits_for_less_than_one_that_moved() -> None:
    moved = Detection((140, 100, 100, 100), 0.9, ())
    assert part_to_wait(known(0.9, 0.6, "happy", moved), THRESHOLD) == UNSETTLED_PART < MOVED_PART


def test_a_face_that_trembles_has_not_moved() -> None:
    trembling = Detection((103, 98, 102, 101), 0.9, ((132, 139), (171, 141), (152, 161), (151, 181)))
    assert not has_moved(UPRIGHT, trembling)
