"""The frame budget of a camera, as the API and the pages tell it: where the time went, and what was planned."""

from __future__ import annotations

from typing import Any

from dashboard.cameras.history import Interval
from mien.bus.budget import Budget
from mien.bus.plan import SavingsPlan
from mien.types import DropReason

STAGE_WORDS = {
    "queue": "waited for its batch",
    "decode": "JPEG to pixels",
    "detect": "found the faces",
    "classify": "read the emotions",
    "track": "followed each face",
    "draw": "drew what viewers see",
    "encode": "pixels to JPEG",
    "publish": "stored the result",
}
DROP_WORDS = {
    DropReason.SUPERSEDED: "a newer frame took its place before it was read",
    DropReason.STALE: "too old to be on time, so no work was spent on it",
    DropReason.UNDECODABLE: "not a readable picture",
    DropReason.TRIMMED: "nobody had read it when the queue was full",
    DropReason.OVERLOAD: "left out so that the others are on time",
    DropReason.WORKER_LOST: "its worker went away while it held it",
}


def budget_document(camera: str, budget_ms: float, minute: Interval, budget: Budget | None) -> dict[str, Any]:
    """Return the last minute of a camera as JSON types.

    `minute` is what the account says of its frames, drops included; `measured` what its worker says of those that it
    analysed, null while no worker says anything.
    """
    measured = None
    if budget is not None:
        measured = budget.to_dict()
        del measured["camera"], measured["budget_ms"]
        measured["plan_words"] = plan_words(budget.plan)
    return {
        "camera": camera,
        "budget_ms": budget_ms if budget is None else budget.budget_ms,
        "minute": minute.to_dict(),
        "measured": measured,
    }


def plan_words(plan: SavingsPlan) -> str:
    """Return one sentence that says what a worker does on a frame."""
    if plan.scan_ms > 0:
        search = f"Searches the whole frame every {plan.scan_ms:g} ms and follows faces in between"
    else:
        search = "Searches the whole frame every time"
    read = f"reads emotions every {plan.classify_ms:g} ms" if plan.classify_ms > 0 else "reads emotions on every frame"
    parts = [search, read, f"faces from {plan.smallest_face_px} px"]
    if plan.view_every > 1:
        parts.append(f"draws every {_ordinal(plan.view_every)} picture")
    if plan.analyse_every > 1:
        parts.append(f"analyses every {_ordinal(plan.analyse_every)} frame and drops the others")
    return "; ".join(parts) + "."


def _ordinal(number: int) -> str:
    if number % 100 in (11, 12, 13):
        return f"{number}th"
    return f"{number}{({1: 'st', 2: 'nd', 3: 'rd'}).get(number % 10, 'th')}"
