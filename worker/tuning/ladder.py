"""The ladder: the plans of a worker in a fixed order, from everything on every frame to the least work."""

from __future__ import annotations

from mien.bus.plan import SavingsPlan
from mien.settings import Settings

COARSER = 4 / 3
"""By how much the smallest face grows in one step; the next one is twice the first size."""


def ladder(settings: Settings) -> tuple[SavingsPlan, ...]:
    """Return the plans that a worker may run, dearest first; at least one.

    What a setting gives is the same in every step, and steps that differ in nothing else are left out. With
    `tune: off` there is one step: everything on every frame, or what the settings give.
    """
    smallest_px = settings.smallest_face_px
    mid_px, large_px = round(smallest_px * COARSER), 2 * smallest_px
    steps = [
        SavingsPlan(smallest_face_px=smallest_px),
        SavingsPlan(scan_ms=80, smallest_face_px=smallest_px),
        SavingsPlan(scan_ms=120, smallest_face_px=smallest_px),
        SavingsPlan(scan_ms=160, classify_ms=80, smallest_face_px=smallest_px),
        SavingsPlan(scan_ms=160, classify_ms=120, smallest_face_px=smallest_px),
        SavingsPlan(scan_ms=160, classify_ms=120, smallest_face_px=mid_px),
        SavingsPlan(scan_ms=160, classify_ms=120, smallest_face_px=large_px),
        SavingsPlan(scan_ms=160, classify_ms=120, smallest_face_px=large_px, view_every=2),
        SavingsPlan(scan_ms=160, classify_ms=120, smallest_face_px=large_px, view_every=2, analyse_every=2),
    ]
    if settings.tune == "off":
        steps = steps[:1]
    return tuple(dict.fromkeys(_with_given(plan, settings) for plan in steps))


def _with_given(plan: SavingsPlan, settings: Settings) -> SavingsPlan:
    return SavingsPlan(
        scan_ms=plan.scan_ms if settings.scan_ms is None else settings.scan_ms,
        classify_ms=plan.classify_ms if settings.classify_ms is None else settings.classify_ms,
        smallest_face_px=settings.smallest_face_px if is_given(settings) else plan.smallest_face_px,
        view_every=plan.view_every,
        analyse_every=plan.analyse_every,
    )


def is_given(settings: Settings) -> bool:
    """Return whether the smallest face was set, rather than left at its default."""
    return "smallest_face_px" in settings.model_fields_set
