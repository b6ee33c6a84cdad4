"""Aligned crops: every face upright, at the place and size that the classifier was trained on."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np

from mien.pixels import Crop, Grey, Rgb
from mien.types import Detection
from models.nets.weights import CropGeometry

MOUTH_BELOW_EYES = 1.13
"""Distance from between the eyes to the mouth, in eye distances, of a face seen from the front.

When the head turns, the eyes come closer together while this distance stays: the larger of the two decides the scale.
"""


@dataclass(frozen=True, slots=True)
class Square:
    """The part of a frame that becomes a crop: centre and side in frame pixels, turned by `angle` radians."""

    x: float
    y: float
    side: float
    angle: float = 0.0


def align(rgb: Rgb, face: Detection, geometry: CropGeometry, channels: int) -> Crop:
    """Return the crop of one face, `geometry.size` pixels wide and high; grey when `channels` is 1.

    Frame pixels are averaged, never skipped, when the face is larger than the crop; beyond the frame's edge its
    border is repeated.
    """
    crop = cut(rgb, square_of(face, geometry), geometry.size)
    if channels == 1:
        grey: Grey = np.asarray(cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY), np.uint8)
        return grey[:, :, np.newaxis]
    return crop


def square_of(face: Detection, geometry: CropGeometry) -> Square:
    """Return which square of the frame shows a face in the given geometry: by its eyes, else by its box."""
    if len(face.landmarks) < 2:
        return _square_of_box(face, geometry)
    (right_x, right_y), (left_x, left_y) = face.landmarks[:2]
    across, down = left_x - right_x, left_y - right_y
    apart = max(math.hypot(across, down), _height_of_face(face) / MOUTH_BELOW_EYES)
    if apart < 1:
        return _square_of_box(face, geometry)
    angle = math.atan2(down, across)
    side = apart / geometry.eye_distance
    # From the eyes' midpoint to the centre of the square, in the turned frame of the face.
    offset_x, offset_y = (0.5 - geometry.eye_x) * side, (0.5 - geometry.eye_y) * side
    return Square(
        x=(right_x + left_x) / 2 + offset_x * math.cos(angle) - offset_y * math.sin(angle),
        y=(right_y + left_y) / 2 + offset_x * math.sin(angle) + offset_y * math.cos(angle),
        side=side,
        angle=angle,
    )


def cut(picture: Rgb | Grey, square: Square, size: int) -> Rgb | Grey:
    """Return a square of the frame as `size` × `size` pixels."""
    part, square = _shrunk(picture, square, size)
    # Sampling on a grid at least as fine as the frame's own and averaging down keeps every pixel's share.
    finer = max(1, math.ceil(square.side / size))
    side = size * finer
    scale = square.side / side
    cos, sin = scale * math.cos(square.angle), scale * math.sin(square.angle)
    middle = (side - 1) / 2
    # Maps crop pixels to frame pixels; a pixel's coordinate is that of its centre.
    to_frame = np.array(
        [
            [cos, -sin, square.x - 0.5 - cos * middle + sin * middle],
            [sin, cos, square.y - 0.5 - sin * middle - cos * middle],
        ]
    )
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    fine = cv2.warpAffine(part, to_frame, (side, side), flags=flags, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(fine if finer == 1 else cv2.resize(fine, (size, size), interpolation=cv2.INTER_AREA), np.uint8)


def _shrunk(picture: Rgb | Grey, square: Square, size: int) -> tuple[Rgb | Grey, Square]:
    """Return only the part of the frame around the square, shrunk by a whole factor when the face is large."""
    height, width = picture.shape[:2]
    reach = square.side * (abs(math.cos(square.angle)) + abs(math.sin(square.angle))) / 2 + 2
    left, right = (min(width, max(0, int(square.x + sign * reach))) for sign in (-1, 1))
    top, bottom = (min(height, max(0, int(square.y + sign * reach))) for sign in (-1, 1))
    left, top = min(left, width - 1), min(top, height - 1)
    part = picture[top : max(bottom, top + 1), left : max(right, left + 1)]
    factor = max(1, int(square.side / (2 * size)))
    if factor > 1:
        small = (max(1, part.shape[1] // factor), max(1, part.shape[0] // factor))
        part = part[: small[1] * factor, : small[0] * factor]
        part = np.asarray(cv2.resize(part, small, interpolation=cv2.INTER_AREA), np.uint8)
    return part, Square((square.x - left) / factor, (square.y - top) / factor, square.side / factor, square.angle)


def _square_of_box(face: Detection, geometry: CropGeometry) -> Square:
    x, y, width, height = face.box
    longer = max(width, height, 1.0)
    return Square(x + width / 2, y + height / 2 + geometry.box_shift_y * longer, geometry.box_scale * longer)


def _height_of_face(face: Detection) -> float:
    """Return the distance from between the eyes to the mouth (one point, or its two corners); 0 when not known."""
    if len(face.landmarks) < 4:
        return 0.0
    eyes = np.mean(face.landmarks[:2], axis=0)
    mouth = np.mean(face.landmarks[3:5], axis=0)
    return float(np.hypot(*(mouth - eyes)))
