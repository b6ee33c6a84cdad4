"""Candidates of a detector, before they are merged into faces."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mien.types import Detection
from models.detect.canvas import Canvas

Floats = NDArray[np.float32]

SAME_FACE_IOU = 0.3
"""MediaPipe's `min_suppression_threshold` for its face detectors."""

INSIDE_SHARE = 0.75
"""A box that lies in a better one by this share of its area is a part of that face (an eye, a mouth), not a face."""


@dataclass(frozen=True, slots=True)
class Candidates:
    """Boxes [N, 4] as left, top, right, bottom, scores [N], landmarks [N, K, 2]; pixels."""

    boxes: Floats
    scores: Floats
    landmarks: Floats

    def keep(self, mask: NDArray[np.bool_]) -> Candidates:
        """Return those that the mask marks."""
        return Candidates(self.boxes[mask], self.scores[mask], self.landmarks[mask])

    def take(self, order: NDArray[np.intp]) -> Candidates:
        """Return those at these places, in this order."""
        return Candidates(self.boxes[order], self.scores[order], self.landmarks[order])

    def sides(self) -> Floats:
        """Return the longer side of each box."""
        longer: Floats = (self.boxes[:, 2:] - self.boxes[:, :2]).max(axis=1, initial=0)
        return longer

    def in_frame(self, canvas: Canvas) -> Candidates:
        """Return them in pixels of the frame that the canvas shows."""
        scale = np.asarray(canvas.scale, np.float32)
        offset = np.asarray((canvas.left, canvas.top), np.float32)
        boxes = (self.boxes.reshape(-1, 2, 2) - offset) / scale
        return Candidates(boxes.reshape(-1, 4), self.scores, (self.landmarks - offset) / scale)


def join(several: Sequence[Candidates]) -> Candidates:
    """Return the candidates of several passes over one frame as one set."""
    return Candidates(
        np.concatenate([each.boxes for each in several]),
        np.concatenate([each.scores for each in several]),
        np.concatenate([each.landmarks for each in several]),
    )


def merge(candidates: Candidates) -> tuple[Detection, ...]:
    """Return one detection a face, best first: candidates of the same face are averaged, weighted by score.

    The weighted non-maximum suppression of BlazeFace (Bazarevsky et al., 2019, section 3.3): steadier boxes than
    keeping the best one, so that crops do not tremble from frame to frame.
    """
    faces = []
    left = candidates.take(np.argsort(-candidates.scores, kind="stable"))
    while len(left.scores):
        overlap, share = _overlaps(left.boxes[0], left.boxes)
        same = overlap > SAME_FACE_IOU
        same[0] = True
        faces.append(_average(left.keep(same)))
        others = ~same & (share <= INSIDE_SHARE)
        if not others.any():
            break
        left = left.keep(others)
    return tuple(faces)


def _average(same: Candidates) -> Detection:
    weights = same.scores / same.scores.sum()
    x0, y0, x1, y1 = (weights @ same.boxes).tolist()
    # One product for all points: this runs for every face of every frame, and tensordot takes four times as long.
    points = (weights @ same.landmarks.reshape(len(weights), -1)).reshape(same.landmarks.shape[1:]).tolist()
    return Detection(
        box=(x0, y0, x1 - x0, y1 - y0),
        score=float(same.scores[0]),
        landmarks=tuple((x, y) for x, y in points),
    )


def _overlaps(box: Floats, boxes: Floats) -> tuple[Floats, Floats]:
    """Return intersection over union with each box, and the share of each box that lies inside `box`."""
    sides = np.maximum(np.minimum(box[2:], boxes[:, 2:]) - np.maximum(box[:2], boxes[:, :2]), 0)
    common = sides[:, 0] * sides[:, 1]
    own = np.maximum(boxes[:, 2:] - boxes[:, :2], 1e-6)
    areas = own[:, 0] * own[:, 1]
    width, height = np.maximum(box[2:] - box[:2], 1e-6).tolist()
    return common / (areas + width * height - common), common / areas
