"""Faces drawn into a picture: a box, and above it a bar with the emotion, readable at any size and never outside."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2

from mien.pixels import Rgb
from mien.types import Box, Face

Colour = tuple[int, int, int]
Rectangle = tuple[int, int, int, int]
"""Left, top, right, bottom in whole pixels; the last two are the first that do not belong to it."""

RED: Colour = (214, 40, 40)
GREEN: Colour = (30, 160, 70)
GREY: Colour = (140, 140, 140)
BAR: Colour = (255, 255, 255)
TEXT: Colour = (20, 20, 20)

COLOURS: dict[str, Colour] = {
    "anger": RED,
    "contempt": RED,
    "disgust": RED,
    "fear": RED,
    "sad": RED,
    "happy": GREEN,
    "surprise": GREEN,
    "neutral": GREY,
    "uncertain": GREY,
}

_FONT = cv2.FONT_HERSHEY_DUPLEX
# Height of a capital letter at font scale 1, in pixels.
_LETTER_PX = 22
_SMALLEST_LETTER_PX = 9
_LETTER_OF_FACE = 0.10
_LETTER_OF_PICTURE = 0.035
_BASE_BOX_PX = 2


@dataclass(frozen=True, slots=True)
class Bar:
    """Where a label goes: its rectangle in whole pixels, and how its text is set."""

    left: int
    top: int
    width: int
    height: int
    padding: int
    scale: float
    stroke: int

    def covers(self, other: Bar) -> bool:
        """Return whether the two have a pixel in common."""
        return (
            self.left < other.left + other.width
            and other.left < self.left + self.width
            and self.top < other.top + other.height
            and other.top < self.top + self.height
        )


def draw_faces(rgb: Rgb, faces: Sequence[Face]) -> None:
    """Draw every face into a picture, in place.

    The label is the smoothed one when a face has it. Boxes are 2 px in a frame 720 pixels high, more in larger ones.
    """
    height, width = rgb.shape[:2]
    thickness = _thickness(width, height)
    for face in faces:
        _draw_box(rgb, face.box, COLOURS.get(face.label or face.emotion, GREY), thickness)
    # All bars come after all boxes, so that no neighbour's box crosses a text.
    for face, bar in zip(faces, _bars(faces, width, height), strict=True):
        _draw_bar(rgb, label_of(face), bar)


def drawn_in(faces: Sequence[Face], width: int, height: int) -> list[Rectangle]:
    """Return the parts of a picture that `draw_faces` changes, cut at its edges: four sides and a bar for each face."""
    thickness = _thickness(width, height)
    parts: list[Rectangle] = []
    for face in faces:
        x, y, box_width, box_height = face.box
        left, top, right, bottom = round(x), round(y), round(x + box_width), round(y + box_height)
        outer = (left - thickness + 1, top - thickness + 1, right + thickness, bottom + thickness)
        parts += [
            (outer[0], outer[1], outer[2], top + 1),
            (outer[0], bottom, outer[2], outer[3]),
            (outer[0], outer[1], left + 1, outer[3]),
            (right, outer[1], outer[2], outer[3]),
        ]
    for bar in _bars(faces, width, height):  # a text may reach a little out of a bar that was cut to the picture
        rim = bar.stroke + 1
        right, bottom = bar.left + bar.width + rim, bar.top + bar.height + rim
        parts.append((bar.left - rim, bar.top - rim, right, bottom))
    cut = [(max(0, left), max(0, top), min(width, right), min(height, bottom)) for left, top, right, bottom in parts]
    return [part for part in cut if part[0] < part[2] and part[1] < part[3]]


def label_of(face: Face) -> str:
    """Return what the bar says, for example `happy (53%)`."""
    name, confidence = (face.label, face.label_confidence) if face.label else (face.emotion, face.confidence)
    return f"{name} ({100 * confidence:.0f}%)"


def place_bar(text: str, box: Box, width: int, height: int, thickness: int, taken: Sequence[Bar] = ()) -> Bar:
    """Return where the bar with `text` goes in a picture of `width` × `height` pixels.

    Above the box if there is room, else below it, else inside its upper edge; where it would cover one of the bars in
    `taken`, the next of these places. Shifted sideways so that it stays in the picture, and set smaller when it would
    be wider than the picture.
    """
    x, y, _, box_height = box
    side = min(width, height)
    letter = max(_SMALLEST_LETTER_PX, 0.012 * side, min(_LETTER_OF_FACE * box_height, _LETTER_OF_PICTURE * side))
    bar = _sized(text, letter)
    while bar.width > width and letter > 1:
        letter *= 0.9
        bar = _sized(text, letter)
    bar = replace(bar, width=min(bar.width, width), height=min(bar.height, height))
    left = min(max(0, round(x) - thickness), max(0, width - bar.width))
    above, below, inside = (
        round(y) - thickness - bar.height,
        round(y + box_height) + thickness,
        max(0, round(y)) + thickness,
    )
    lowest = max(0, height - bar.height)
    places = [replace(bar, left=left, top=top) for top in (above, below, inside) if 0 <= top <= lowest]
    free = [place for place in places if not any(place.covers(other) for other in taken)]
    if free or places:
        return (free or places)[0]
    return replace(bar, left=left, top=min(inside, lowest))


def _thickness(width: int, height: int) -> int:
    return max(_BASE_BOX_PX, round(_BASE_BOX_PX * min(height, width) / 720))


def _bars(faces: Sequence[Face], width: int, height: int) -> list[Bar]:
    bars: list[Bar] = []
    for face in faces:
        bars.append(place_bar(label_of(face), face.box, width, height, _thickness(width, height), bars))
    return bars


def _sized(text: str, letter_px: float) -> Bar:
    scale = letter_px / _LETTER_PX
    stroke = max(1, round(letter_px / 11))
    (text_width, text_height), baseline = cv2.getTextSize(text, _FONT, scale, stroke)
    padding = max(2, round(letter_px / 3))
    return Bar(0, 0, text_width + 2 * padding, text_height + baseline // 2 + 2 * padding, padding, scale, stroke)


def _draw_box(rgb: Rgb, box: Box, colour: Colour, thickness: int) -> None:
    x, y, width, height = box
    left, top, right, bottom = round(x), round(y), round(x + width), round(y + height)
    # One-pixel lines side by side: OpenCV's own thick lines are a pixel wider than asked for, with round corners.
    for out in range(thickness):
        cv2.rectangle(rgb, (left - out, top - out), (right + out, bottom + out), colour, 1, cv2.LINE_8)


def _draw_bar(rgb: Rgb, text: str, bar: Bar) -> None:
    corner = (bar.left + bar.width - 1, bar.top + bar.height - 1)
    cv2.rectangle(rgb, (bar.left, bar.top), corner, BAR, cv2.FILLED)
    (_, text_height), _ = cv2.getTextSize(text, _FONT, bar.scale, bar.stroke)
    origin = (bar.left + bar.padding, bar.top + bar.padding + text_height)
    cv2.putText(rgb, text, origin, _FONT, bar.scale, TEXT, bar.stroke, cv2.LINE_AA)
