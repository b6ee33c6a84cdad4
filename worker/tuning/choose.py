"""Which step of the ladder a worker begins with: the first one that the machine can carry, by measured costs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mien.bus.plan import SavingsPlan
from worker.tuning.costs import Costs

COMFORTABLE_BUSY = 0.65
"""Most of its time that a worker plans to be at work: what comes unevenly must still be on time."""

WORKERS_PART = 0.6
"""Part of a machine's cores that its workers plan for; the rest is for producers, dashboard and brokers.

On 2 cores, 4 H.264 cameras at 720p and 25 fps take 0.4 of a core to read and 0.3 to show.
"""

FULL_BUSY = 0.85
"""Busy for more than this is too much; up to it, everything is analysed rather than frames left out."""

WORST_PART = 0.9
"""Part of the budget that the dearest frame may take."""

ASSUMED_FACES = 2.0
ASSUMED_FPS = 25.0

_SOONER = 1.25
"""Faces that move or are uncertain are classified before their time: about one more in four."""


@dataclass(frozen=True, slots=True)
class Work:
    """What one worker has to do: its cameras, frames a second of each, faces in a frame, cameras that are watched."""

    cameras: int
    fps: float = ASSUMED_FPS
    faces: float = ASSUMED_FACES
    watched: int | None = None
    """None: all of them."""

    @property
    def watched_part(self) -> float:
        """Part of the cameras that is watched."""
        return 1.0 if self.watched is None else min(1.0, self.watched / max(1, self.cameras))


@dataclass(frozen=True, slots=True)
class Room:
    """What one worker may use: the machine's cores, the workers that share them, and the frame budget."""

    cores: int = 1
    workers: int = 1
    budget_ms: float = 40.0

    @property
    def busy(self) -> float:
        """Part of its time that the worker may be at work, by plan."""
        return min(COMFORTABLE_BUSY, self.cores * WORKERS_PART / max(1, self.workers))

    @property
    def full(self) -> float:
        """Part of its time that it may be at work where the only other way is to leave frames out."""
        return min(FULL_BUSY, self.cores * FULL_BUSY / max(1, self.workers))


@dataclass(frozen=True, slots=True)
class Choice:
    """A step of the ladder, what it is predicted to take, and one sentence why it is this one.

    `busy` is the part of its time that the worker is at work, `worst_ms` how long the dearest frame takes.
    """

    level: int
    plan: SavingsPlan
    busy: float
    worst_ms: float
    fits: bool
    why: str


def choose(steps: Sequence[SavingsPlan], costs: Costs, work: Work, room: Room, slower: float = 1.0) -> Choice:
    """Return the first of `steps` whose load is comfortable and whose dearest frame fits the budget, else the last one.

    `slower`: how many times the costs were exceeded at work, as far as that is known.
    """
    refused = ""
    for level, plan in enumerate(steps):
        busy, worst_ms = slower * busy_share(costs, plan, work), slower * worst_frame_ms(costs, plan, work)
        reason = _too_much(plan, busy, worst_ms, work, room, limit_of(steps, level, room))
        if not reason:
            return Choice(level, plan, busy, worst_ms, True, refused or _enough(plan, busy, work))
        refused = reason
    return Choice(len(steps) - 1, plan, busy, worst_ms, False, f"{refused}; there is no cheaper plan")


def limit_of(steps: Sequence[SavingsPlan], level: int, room: Room) -> float:
    """Return how busy a worker may be with a step, given what the next one would leave out."""
    leaves_out = level + 1 < len(steps) and steps[level + 1].analyse_every > steps[level].analyse_every
    return room.full if leaves_out else room.busy


def busy_share(costs: Costs, plan: SavingsPlan, work: Work) -> float:
    """Return the part of its time that a worker is busy; over 1 is more than it can do."""
    return work.cameras * work.fps * frame_ms(costs, plan, work) / 1000


def frame_ms(costs: Costs, plan: SavingsPlan, work: Work) -> float:
    """Return what a captured frame takes on average, those that the plan leaves out included."""
    in_whole = 1 / every_nth(plan.scan_ms, work.fps)
    nth = every_nth(plan.classify_ms, work.fps)
    classified = 1.0 if nth == 1 else min(1.0, _SOONER / nth)
    detect = in_whole * costs.detect(plan.smallest_face_px) + (1 - in_whole) * work.faces * costs.near_ms
    classify = classified * costs.classify(work.faces)
    shown = work.watched_part / plan.view_every * (costs.draw_ms * work.faces / 2 + costs.encode_ms)
    return (costs.decode_ms + (detect + classify) / costs.speedup + shown + costs.other_ms) / plan.analyse_every


def worst_frame_ms(costs: Costs, plan: SavingsPlan, work: Work) -> float:
    """Return what the dearest frame takes: faces are detected in all of it, and all are classified and drawn."""
    nets_ms = (costs.detect(plan.smallest_face_px) + costs.classify(work.faces)) / costs.speedup
    shown = costs.draw_ms * work.faces / 2 + costs.encode_ms if work.watched_part else 0.0
    return costs.decode_ms + nets_ms + shown + costs.other_ms


def every_nth(interval_ms: float, fps: float) -> int:
    """Return which frames an interval means, counted with half a frame of slack; 1: every one."""
    return max(1, int(interval_ms * fps / 1000 + 0.5))


def _too_much(plan: SavingsPlan, busy: float, worst_ms: float, work: Work, room: Room, limit: float) -> str:
    if busy > limit:
        shared = f"{count(room.workers, 'worker')} on {count(room.cores, 'core')}"
        return f"{_cameras(work)}: {plan.words} would take {busy:.2f} of a core, more than {limit:.2f} ({shared})"
    if work.cameras and worst_ms > WORST_PART * room.budget_ms:
        faces = count(work.faces, "face")
        return f"{plan.words}: a frame with {faces} would take {worst_ms:.0f} ms of {room.budget_ms:g}"
    return ""


def _enough(plan: SavingsPlan, busy: float, work: Work) -> str:
    if not work.cameras:
        return "no cameras yet"
    return f"{_cameras(work)}: {plan.words} takes {busy:.2f} of a core"


def _cameras(work: Work) -> str:
    return f"{count(work.cameras, 'camera')} at {work.fps:.3g} fps"


def count(number: float, what: str) -> str:
    """Return a number with its noun, for example `1 camera` or `2.5 faces`."""
    return f"{number:.2g} {what}{'' if number == 1 else 's'}"
