"""The plan of a worker: how much work it does on a frame, and so what a machine can carry.

Every saving keeps the answer: `python -m bench agreement` measures each against everything on every frame.
"""

from __future__ import annotations

from dataclasses import dataclass

from mien.documents import Count, Document
from mien.limits import SMALLEST_FACE_PX


@dataclass(frozen=True, slots=True)
class SavingsPlan(Document):
    """How often a worker does what; the fields that are 0 (or 1, for `view_every` and `analyse_every`) save nothing.

    `scan_ms`: the whole frame is searched for faces once in this time for each camera; between, faces are followed in
    small windows around where they were. `classify_ms`: the emotion of a followed face is read once in this time, and
    sooner when it is new, moved, turned or is uncertain. `smallest_face_px`: smallest face that the search finds, in a
    frame 720 pixels high. `view_every`: every n-th frame is drawn for viewers. `analyse_every`: every n-th frame is
    analysed, the others are dropped as `overload`.
    """

    scan_ms: float = 0.0
    classify_ms: float = 0.0
    smallest_face_px: Count = SMALLEST_FACE_PX
    view_every: Count = 1
    analyse_every: Count = 1


EVERYTHING = SavingsPlan()
"""Everything on every frame: what photos and jobs do, and what every saving is compared with."""
