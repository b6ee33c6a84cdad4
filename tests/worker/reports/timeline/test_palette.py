from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from mien.types import EMOTIONS
from worker.reports.timeline.palette import COLOURS, STACK, clock, percent
from worker.reports.timeline.table import LABELS

# Machado, Oliveira, Fernandes (2009): how linear RGB is seen, severity 1.
SIGHT = {
    "normal": [[1, 0, 0], [0, 1, 0], [0, 0, 1]],
    "protan": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deutan": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "tritan": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
}


@pytest.mark.parametrize("sight", SIGHT)
def test_no_two_colours_look_alike_to_anybody(sight: str) -> None:
    color = pytest.importorskip("skimage.color")
    rgb = np.array([[int(text[at : at + 2], 16) / 255 for at in (1, 3, 5)] for text in COLOURS.values()])
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    seen = np.clip(linear @ np.array(SIGHT[sight]).T, 0, 1)
    seen = np.where(seen <= 0.0031308, 12.92 * seen, 1.055 * seen ** (1 / 2.4) - 0.055)
    lab = color.rgb2lab(seen[None])[0]
    apart = {(a, b): float(color.deltaE_ciede2000(lab[a], lab[b])) for a, b in combinations(range(len(lab)), 2)}
    assert min(apart.values()) > 13


def test_every_label_has_a_colour_and_every_emotion_its_place_in_the_stack() -> None:
    assert set(COLOURS) == set(LABELS)
    assert sorted(STACK) == sorted(EMOTIONS)


def test_times_and_shares_are_written_for_people() -> None:
    assert [clock(each) for each in (0, 7.25, 59.96, 65, 3723)] == ["0.0 s", "7.2 s", "1:00", "1:05", "1:02:03"]
    assert [percent(each) for each in (0, 0.001, 0.5, 1)] == ["0 %", "<1 %", "50 %", "100 %"]
