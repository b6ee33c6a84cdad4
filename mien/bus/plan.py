"""The plan of a worker: how much work it does on a frame, and so what a machine can carry.

Savings must not change results: `python -m bench agreement` compares each with full analysis of every frame.
"""

from __future__ import annotations

from dataclasses import dataclass

from mien.documents import Count, Document
from mien.limits import SMALLEST_FACE_PX


@dataclass(frozen=True, slots=True)
class SavingsPlan(Document):
    """How often a worker does what; the fields that are 0 (or 1, for `view_every` and `analyse_every`) save nothing.

    `scan_ms`: faces are detected in the whole frame once in this time for each camera; between, they are followed in
    small windows around where they were. `classify_ms`: a followed face is classified once in this time, and sooner
    when it is new, uncertain, or has moved or turned. `smallest_face_px`: the smallest face that is detected, in a
    frame 720 pixels high. `view_every`: every n-th frame is drawn for viewers. `analyse_every`: every n-th frame is
    analysed, the others are dropped as `overload`.
    """

    scan_ms: float = 0.0
    classify_ms: float = 0.0
    smallest_face_px: Count = SMALLEST_FACE_PX
    view_every: Count = 1
    analyse_every: Count = 1

    @property
    def words(self) -> str:
        """What the plan does, in words.

        >>> SavingsPlan(scan_ms=120, classify_ms=80).words
        'detect every 120 ms, classify every 80 ms'
        """
        said = []
        if self.scan_ms:
            said.append(f"detect every {self.scan_ms:g} ms")
        if self.classify_ms:
            said.append(f"classify every {self.classify_ms:g} ms")
        if self.view_every > 1:
            said.append(f"draw every {_ordinal(self.view_every)} frame")
        if self.analyse_every > 1:
            said.append(f"analyse every {_ordinal(self.analyse_every)} frame")
        if self.smallest_face_px != SMALLEST_FACE_PX:
            said.append(f"faces from {self.smallest_face_px} px")
        return ", ".join(said) or "everything on every frame"


EVERYTHING = SavingsPlan()
"""Full analysis of every frame: what photos and jobs get, and what every saving is compared with."""


def _ordinal(number: int) -> str:
    if number % 100 in (11, 12, 13):
        return f"{number}th"
    return f"{number}{({1: 'st', 2: 'nd', 3: 'rd'}).get(number % 10, 'th')}"
