"""A canvas: the picture of fixed size that a detector's net sees, with the frame scaled and centred on it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np

from mien.pixels import Rgb, RgbBatch

STRIDE_PX = 32
"""Both detectors halve their input five times, so a canvas' sides are multiples of 32."""

MAX_ASPECT = 2.5
"""Frames longer than this are scaled to fit, their faces smaller than the setting says."""

LINEAR_UP_TO = 2.2
"""A picture is scaled down by up to this in one step."""


@dataclass(frozen=True, slots=True)
class Canvas:
    """Where a frame lies on the net's input: canvas pixel = frame pixel · scale + offset; all in pixels."""

    width: int
    height: int
    content_width: int
    content_height: int
    scale_x: float
    scale_y: float
    left: int
    top: int

    @property
    def scale(self) -> tuple[float, float]:
        """Canvas pixels for each frame pixel, x and y: equal but for rounding to whole pixels."""
        return self.scale_x, self.scale_y

    def shrink(self, rgb: Rgb) -> Rgb:
        """Return the frame, or a larger version of it, in the size that it has on the canvas."""
        return halved_down_to(rgb, self.content_width, self.content_height)

    def padded(self, width: int, height: int) -> Canvas:
        """Return a larger canvas with the frame in the middle, in the same size."""
        left, top = (width - self.content_width) // 2, (height - self.content_height) // 2
        return replace(self, width=width, height=height, left=left, top=top)

    def paint(self, content: Rgb) -> RgbBatch:
        """Return a batch of one, the canvas with what `shrink` gave on it and black around."""
        if content.shape[:2] == (self.height, self.width):
            return content[np.newaxis]
        canvas = np.zeros((1, self.height, self.width, 3), np.uint8)
        canvas[0, self.top : self.top + self.content_height, self.left : self.left + self.content_width] = content
        return canvas


def halved_down_to(rgb: Rgb, width: int, height: int) -> Rgb:
    """Return a picture in the given size, each of its pixels taken into account."""
    # Linear sampling looks at 2×2 pixels: well beyond half size it would skip some, so then the frame is halved
    # first. Averaging areas of any size would cost ten times as much: 8 ms for a frame of 1920×1080.
    while rgb.shape[1] > LINEAR_UP_TO * width:
        half = ((rgb.shape[1] + 1) // 2, (rgb.shape[0] + 1) // 2)
        rgb = np.asarray(cv2.resize(rgb, half, interpolation=cv2.INTER_LINEAR), np.uint8)
    if rgb.shape[1::-1] == (width, height):
        return rgb
    return np.asarray(cv2.resize(rgb, (width, height), interpolation=cv2.INTER_LINEAR), np.uint8)


def canvas_for(width: int, height: int, short_side: int, margin: int = 0) -> Canvas:
    """Return the canvas on which a frame's shorter side measures about `short_side` pixels.

    `margin` pixels stay free on every side at least: faces that fill the frame are found only with some room around.
    Without a margin the frame fills the canvas, stretched by the few percent that whole strides ask for.
    """
    longest = round(short_side * MAX_ASPECT)
    scale = min(short_side / min(width, height), longest / max(width, height))
    content_width, content_height = max(1, round(width * scale)), max(1, round(height * scale))
    if margin:
        canvas_width, canvas_height = round_up(content_width + 2 * margin), round_up(content_height + 2 * margin)
    else:
        content_width, content_height = canvas_width, canvas_height = _nearest(content_width), _nearest(content_height)
    return Canvas(
        width=canvas_width,
        height=canvas_height,
        content_width=content_width,
        content_height=content_height,
        scale_x=content_width / width,
        scale_y=content_height / height,
        left=(canvas_width - content_width) // 2,
        top=(canvas_height - content_height) // 2,
    )


def round_up(side: int) -> int:
    """Return the next multiple of the nets' stride."""
    return -(-side // STRIDE_PX) * STRIDE_PX


def _nearest(side: int) -> int:
    return max(STRIDE_PX, round(side / STRIDE_PX) * STRIDE_PX)
