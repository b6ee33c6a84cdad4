"""What is done with one frame in steps 3 to 6, and what has come out so far."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from mien.bus.plan import SavingsPlan
from mien.limits import LIVE_PIXELS
from mien.pixels import Rgb
from mien.types import Box, Detection, Face, Frame
from models.pictures.picture import decode
from worker.live.memory import CameraMemory, Known

PIXELS_A_CROP = 2
"""A frame is decoded smaller as long as each face still measures so many times the side of the classifier's crop."""

SMALL_BOX = 1.3
"""A box below so many times the smallest face is a small one; it measures 0.75 of a face's height.

A window finds eyes there up to a tenth of the face away from where they are found in the whole frame: classified on
every frame, the labels of all sightings in `one_by_one.mp4` agreed in 44 %, only where faces are detected in the whole
frame in 94 % (detect every 160 ms, classify every 120 ms).
"""

Shrink = Literal[1, 2, 4]
"""By how much both sides of a picture are divided when it is decoded."""


@dataclass(slots=True)
class FrameWork:
    """What is done with one frame: it `detects` faces in all of it, or it `repeats` the last one, which was the same.

    `found` are its faces in pixels of the frame, `tracks` which ones they are, `classified` those that were classified
    on this very frame. `picture` holds the pixels, both sides divided by `shrink`; None when none were needed. `missed`
    are followed faces that were not where they were expected; None: nobody looked there.
    """

    frame: Frame
    memory: CameraMemory
    plan: SavingsPlan
    is_watched: bool
    detects: bool = False
    repeats: bool = False
    shrink: Shrink = 1
    picture: Rgb | None = field(default=None, repr=False)
    found: list[Detection] = field(default_factory=list)
    missed: tuple[Known, ...] | None = None
    tracks: tuple[str, ...] = ()
    classified: dict[str, Face] = field(default_factory=dict)

    @property
    def at_ns(self) -> int:
        """When the frame was captured."""
        return self.frame.captured_ns

    @property
    def saves(self) -> bool:
        """Whether the plan leaves any work out."""
        return self.plan.scan_ms > 0 or self.plan.classify_ms > 0

    def is_small(self, found: Detection) -> bool:
        """Return whether a face is so small that its eyes are found well in the whole frame only."""
        return max(found.box[2:]) < SMALL_BOX * self.plan.smallest_face_px * min(self.memory.size) / 720

    def load(self, shrink: Shrink = 1) -> Rgb:
        """Return the pixels, both sides divided by `shrink`; raises PictureError."""
        if self.picture is None or self.shrink != shrink:
            self.picture, self.shrink = decode(self.frame.jpeg, LIVE_PIXELS, shrink=shrink), shrink
        return self.picture

    def smallest_use(self, crop_px: int) -> Shrink:
        """Return by how much to shrink: not when somebody watches, or when new faces are detected."""
        if self.is_watched or self.detects:
            return 1
        least_px = PIXELS_A_CROP * crop_px
        side_px = min((max(face.found.box[2:]) for face in self.memory.followed(self.at_ns)), default=4 * least_px)
        if side_px >= 4 * least_px:
            return 4
        return 2 if side_px >= 2 * least_px else 1


def scaled(found: Detection, factor: float) -> Detection:
    """Return a detection in the pixels of the same picture `factor` times as large."""
    if factor == 1:
        return found
    landmarks = tuple((x * factor, y * factor) for x, y in found.landmarks)
    return Detection(scaled_box(found.box, factor), found.score, landmarks)


def scaled_box(box: Box, factor: float) -> Box:
    """Return a box in the pixels of the same picture `factor` times as large."""
    x, y, width, height = box
    return x * factor, y * factor, width * factor, height * factor
