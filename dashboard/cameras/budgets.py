"""The frame budget of a camera, as the API and the pages tell it: where the time went, and what was planned."""

from __future__ import annotations

from dataclasses import dataclass, fields

from dashboard.cameras.history import Interval, IntervalAccount
from mien.bus.budget import Budget
from mien.bus.plan import SavingsPlan
from mien.documents import Document, Inner, derived
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


@dataclass(frozen=True, slots=True)
class Measured(Budget):
    """What the worker of a camera says of the frames that it analysed, with its plan in words."""

    camera: Inner[str]
    budget_ms: Inner[float]

    @derived
    def plan_words(self) -> str:
        """One sentence that says what the worker does on a frame."""
        return plan_words(self.plan)


@dataclass(frozen=True, slots=True)
class CameraBudget(Document):
    """Where the frame budget of a camera went in the last minute, and what became of its frames, drops included.

    `measured` is null while no worker says anything.
    """

    camera: str
    budget_ms: float
    minute: IntervalAccount
    measured: Measured | None


def camera_budget(camera: str, budget_ms: float, minute: Interval, budget: Budget | None) -> CameraBudget:
    """Return the last minute of a camera: what the account says of its frames, and what its worker said."""
    account = IntervalAccount.of(minute)
    if budget is None:
        return CameraBudget(camera, budget_ms, account, None)
    measured = Measured(**{each.name: getattr(budget, each.name) for each in fields(budget)})
    return CameraBudget(camera, budget.budget_ms, account, measured)


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
