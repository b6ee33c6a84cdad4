"""A scene for tests: coloured squares on a dark wall are faces, and an analyzer that finds and reads them."""

from __future__ import annotations

import math
from collections.abc import Sequence

import cv2
import numpy as np

from mien.pixels import Rgb
from mien.types import EMOTIONS, Box, Detection, Face, Frame
from models.pictures.picture import encode_jpeg
from models.tracks.smooth import decide

WIDTH, HEIGHT = 640, 360
FRAME_NS = 40_000_000
START_NS = 1_000_000_000_000

Square = tuple[float, float, float, float]
"""x, y, side, and how happy it is (0 to 1)."""


def picture(*squares: Square, width: int = WIDTH, height: int = HEIGHT) -> bytes:
    """The scene as a JPEG: the happier, the more red and the less green."""
    rgb = np.full((height, width, 3), 20, np.uint8)
    for x, y, side, happy in squares:
        left, top = max(0, round(x)), max(0, round(y))
        rgb[top : max(0, round(y + side)), left : max(0, round(x + side))] = (
            round(90 + 150 * happy),
            round(90 + 150 * (1 - happy)),
            90,
        )
    return encode_jpeg(rgb, 95)


def frame(
    number: int, jpeg: bytes, camera: str = "a", *, at_ns: int | None = None, size: tuple[int, int] = (WIDTH, HEIGHT)
) -> Frame:
    """The n-th frame of a camera at 25 fps."""
    captured_ns = START_NS + number * FRAME_NS if at_ns is None else at_ns
    return Frame(camera, number, captured_ns, *size, jpeg, frame_id=f"{camera}-{number}")


class SceneAnalyzer:
    """Finds the squares; `blind` is how often the next calls of `near` miss all of them. Counts what was asked."""

    threshold = 0.5
    crop_px = 16

    def __init__(self) -> None:
        self.detections = 0
        self.nears = 0
        self.near_widths: list[int] = []
        self.batches: list[int] = []
        self.smallest: list[int | None] = []
        self.blind = 0

    def detect(self, rgb: Rgb, smallest_face_px: int | None = None) -> tuple[Detection, ...]:
        self.detections += 1
        self.smallest.append(smallest_face_px)
        return _squares(rgb)

    def near(self, rgb: Rgb, boxes: Sequence[Box]) -> tuple[Detection | None, ...]:
        self.nears += 1
        self.near_widths.append(rgb.shape[1])
        self.blind -= 1
        if self.blind >= 0:
            return (None,) * len(boxes)
        left, answers = list(_squares(rgb)), []
        for box in boxes:
            near = [each for each in left if math.dist(each.box[:2], box[:2]) < 0.6 * box[2]]
            answers.append(near[0] if near else None)
            left = [each for each in left if each not in near[:1]]
        return tuple(answers)

    def classify(self, found: Sequence[tuple[Rgb, Detection]]) -> list[Face]:
        if found:
            self.batches.append(len(found))
        return [_read(rgb, each) for rgb, each in found]


def _squares(rgb: Rgb) -> tuple[Detection, ...]:
    if rgb.max() < 10:
        raise ValueError("a black picture")
    mask = (rgb.max(axis=2) > 70).astype(np.uint8)
    count, _, stats, _ = cv2.connectedComponentsWithStats(mask)
    boxes = sorted(tuple(float(value) for value in stats[number][:4]) for number in range(1, count))
    return tuple(Detection((box[0], box[1], box[2], box[3]), 0.9) for box in boxes if box[2] > 4)


def _read(rgb: Rgb, found: Detection) -> Face:
    x, y, width, height = (round(value) for value in found.box)
    red, green, _ = rgb[y + height // 4 : y + height - height // 4, x + width // 4 : x + width - width // 4].mean(
        axis=(0, 1)
    )
    happy = float(np.clip((red - 90) / max(1.0, red + green - 180), 0, 1))
    shares = [0.02] * len(EMOTIONS)
    shares[EMOTIONS.index("happy")] = 0.02 + 0.84 * happy
    shares[EMOTIONS.index("sad")] = 0.02 + 0.84 * (1 - happy)
    emotion, confidence = decide(shares, SceneAnalyzer.threshold)
    return Face(found.box, emotion, confidence, tuple(shares), 0.5, 0.1, score=found.score)
