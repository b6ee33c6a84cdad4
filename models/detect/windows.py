"""Windows: the small squares of a frame in which faces are looked for that are expected there."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np

from mien.pixels import Rgb, RgbBatch
from mien.types import Box, Detection
from models.detect.candidates import Candidates, merge
from models.detect.canvas import LINEAR_UP_TO, halved_down_to

FARTHEST = 0.6
"""Longest way from where a face is expected to where it is found, in sides of the face."""

LARGEST_RATIO = 1.6
"""A face does not grow or shrink by more than this from one frame to the next."""

BATCH = 2
"""Windows that a net sees at once.

Two cost 1.1 ms and one 0.6, on a core whose cache other work has emptied 1.5 and 1.1. Four at once gain nothing over
two pairs, and each size of batch that is compiled takes 16 MB.
"""

# Longest side of a box that a face is expected in, and its farthest place, in longer sides of the frame.
_LARGEST_IN_FRAMES = 2.0

# Two detections that overlap so much are one face, seen in two windows.
_SAME_FACE_IOU = 0.3


@dataclass(frozen=True, slots=True)
class Window:
    """A square of the frame, `side` pixels wide, that a net sees on a square canvas of `canvas_side` pixels.

    canvas pixel = (frame pixel - left or top) · scale. It may reach beyond the frame: there it is black.
    """

    left: int
    top: int
    side: int
    canvas_side: int

    @property
    def scale(self) -> float:
        """Canvas pixels for each frame pixel."""
        return self.canvas_side / self.side

    def cut(self, rgb: Rgb) -> Rgb:
        """Return what the window shows of a frame, `canvas_side` pixels wide and high."""
        height, width = rgb.shape[:2]
        x0, x1 = (min(max(x, 0), width) for x in (self.left, self.left + self.side))
        y0, y1 = (min(max(y, 0), height) for y in (self.top, self.top + self.side))
        part = rgb[y0:y1, x0:x1]
        if part.shape[:2] != (self.side, self.side):
            square = np.zeros((self.side, self.side, 3), np.uint8)
            if part.size:
                square[y0 - self.top : y1 - self.top, x0 - self.left : x1 - self.left] = part
            part = square
        return halved_down_to(part, self.canvas_side, self.canvas_side)

    def in_frame(self, candidates: Candidates) -> Candidates:
        """Return candidates of the canvas in pixels of the frame."""
        offset = np.asarray((self.left, self.top), np.float32)
        boxes = candidates.boxes.reshape(-1, 2, 2) / self.scale + offset
        return Candidates(boxes.reshape(-1, 4), candidates.scores, candidates.landmarks / self.scale + offset)


def window_around(box: Box, canvas_side: int, most_face_side: float, own_scale: float) -> Window:
    """Return the window with a face in its middle that measures about `most_face_side` on the canvas, or less.

    It is never larger than where faces are detected in the whole frame, which it sees at `own_scale` canvas pixels for
    each of its pixels. A net measures the same face a few percent larger or smaller on another scale, so that is what
    agrees best with the whole frame, and what is smaller gains nothing from being enlarged.
    """
    x, y, width, height = box
    face_side = min(most_face_side, max(width, height) * own_scale)
    side = max(canvas_side, round(max(width, height) * canvas_side / face_side))
    # Sides that can be halved without a rest as often as `cut` halves them: that takes half the time.
    steps = 2 ** max(0, math.ceil(math.log2(side / (LINEAR_UP_TO * canvas_side))))
    side = round(side / steps) * steps
    return Window(round(x + (width - side) / 2), round(y + (height - side) / 2), side, canvas_side)


def detect_near(
    rgb: Rgb,
    boxes: Sequence[Box],
    around: Callable[[Box], Window],
    run: Callable[[RgbBatch], list[Candidates]],
    least_score: Callable[[float], float],
) -> tuple[Detection | None, ...]:
    """Return the face at each of the boxes, looked for in the window `around` it, or None.

    `run` is the net: it gives the candidates of each window, in canvas pixels. What is looked for on canvases of one
    size goes there together.
    `least_score` says what a face must score that has a given side there.
    """
    found: list[tuple[Detection, ...]] = [()] * len(boxes)
    sane = [index for index, box in enumerate(boxes) if may_be(box, rgb)]
    every = sorted(((index, around(boxes[index])) for index in sane), key=lambda pair: pair[1].canvas_side)
    for part in _batches(every):
        seen = run(np.stack([window.cut(rgb) for _, window in part]))
        for (index, window), each in zip(part, seen, strict=True):
            faces = merge(window.in_frame(each))
            found[index] = tuple(face for face in faces if face.score >= least_score(max(face.box[2:]) * window.scale))
    return assign(boxes, found)


def _batches(windows: Sequence[tuple[int, Window]]) -> Iterator[list[tuple[int, Window]]]:
    """Yield windows of one size together, at most `BATCH` of them."""
    for _, group in groupby(windows, key=lambda pair: pair[1].canvas_side):
        same = list(group)
        yield from (same[start : start + BATCH] for start in range(0, len(same), BATCH))


def may_be(box: Box, rgb: Rgb) -> bool:
    """Return whether a face can be expected there: a motion model may have led a box anywhere."""
    x, y, width, height = box
    most = _LARGEST_IN_FRAMES * max(rgb.shape[:2])
    return all(map(math.isfinite, box)) and 1 <= max(width, height) <= most and max(abs(x), abs(y)) <= most


def assign(boxes: Sequence[Box], found: Sequence[Sequence[Detection]]) -> tuple[Detection | None, ...]:
    """Return which detection of its own window is each expected face; no face is given twice.

    The pair that fits best goes first: score times how well the boxes overlap.
    """
    pairs = [
        (each.score * overlap(box, each.box), index, each)
        for index, (box, detections) in enumerate(zip(boxes, found, strict=True))
        for each in detections
        if fits(box, each.box)
    ]
    chosen: list[Detection | None] = [None] * len(boxes)
    taken: list[Box] = []
    for _, index, each in sorted(pairs, key=lambda pair: -pair[0]):
        if chosen[index] is None and all(overlap(each.box, other) <= _SAME_FACE_IOU for other in taken):
            chosen[index] = each
            taken.append(each.box)
    return tuple(chosen)


def fits(expected: Box, found: Box) -> bool:
    """Return whether a box may be the one that is expected: near it and of about its size."""
    sides = max(*expected[2:], 1.0), max(*found[2:], 1.0)
    away_x = found[0] + found[2] / 2 - expected[0] - expected[2] / 2
    away_y = found[1] + found[3] / 2 - expected[1] - expected[3] / 2
    near = max(abs(away_x), abs(away_y)) <= FARTHEST * min(sides)
    return near and max(sides) <= LARGEST_RATIO * min(sides)


def overlap(one: Box, other: Box) -> float:
    """Return intersection over union of two boxes."""
    width = min(one[0] + one[2], other[0] + other[2]) - max(one[0], other[0])
    height = min(one[1] + one[3], other[1] + other[3]) - max(one[1], other[1])
    common = max(0.0, width) * max(0.0, height)
    return common / max(one[2] * one[3] + other[2] * other[3] - common, 1e-6)
