"""The frame budget of a camera in the API and on the pages: where the time went, and the savings plan."""

from __future__ import annotations

from dataclasses import dataclass, fields

from dashboard.cameras.history import Interval, IntervalAccount
from mien.bus.budget import Budget
from mien.documents import Document, Inner, derived
from mien.types import DropReason

STAGE_WORDS = {
    "queue": "waited for its batch",
    "decode": "JPEG to pixels",
    "detect": "found the faces",
    "classify": "classified the emotions",
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
        """What the worker does on a frame."""
        return f"{self.plan.words[:1].upper()}{self.plan.words[1:]}."


@dataclass(frozen=True, slots=True)
class CameraBudget(Document):
    """Where the frame budget of a camera went in the last minute, and what became of its frames, drops included.

    `measured` is null while no worker publishes a budget.
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
