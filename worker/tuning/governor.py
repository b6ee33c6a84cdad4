"""The governor of a live worker: goes down the ladder of plans under load, and up again when load drops.

It has no clock of its own and starts nothing: it learns what happened, and decides at most once a second.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace

from mien.bus.plan import EVERYTHING, SavingsPlan
from mien.logs import get_logger
from worker.tuning.choose import COMFORTABLE_BUSY, FULL_BUSY, Choice, Room, Work, busy_share, choose
from worker.tuning.costs import GUESS, Costs

LATE_PART = 0.01
"""More late or lost frames than this part: too many."""

LATE_SECONDS = 2
CALM_SECONDS = 10
"""This many calm seconds in a row before it goes up a step; twice as many after each time that was too early."""

LATE_CALM_SECONDS = 60
"""... after a step that late frames made necessary: whether they would be on time again cannot be reckoned."""

LONGEST_CALM_SECONDS = 320
REVERSED_S = 30.0
TRUSTED_S = 120.0
"""A step up that held for this long was right: the next one needs no more than the usual calm."""

# Late frames are the work's own doing when it takes this part of the time, or of a frame's budget. Otherwise they came
# late, or another process had the core, and less work would not help.
_BLAMED_BUSY = 0.25
_BLAMED_BUDGET_PART = 0.4

# What a worker may be busy with rather than to leave frames out; a little below what it would do so for again.
_MOST_BUSY = 0.75

_CHANGED_RATE = 0.2
_NEW_RATE_S = 3.0
_USUAL_RATE = 0.5
_FORGET_S = 5.0
_LEARNING = 0.2
_SLOWEST, _FASTEST = 4.0, 0.25

Ready = Callable[[SavingsPlan, Collection[tuple[int, int]]], bool]
"""Says whether all nets of a plan are ready for frames of these sizes (width, height), and starts making them so."""

log = get_logger(__name__)


@dataclass(slots=True)
class Second:
    """What happened since `since_s`, until it is a second long."""

    since_s: float
    busy_s: float = 0.0
    frames: int = 0
    missed: int = 0
    faces: float = 0.0


class Governor:
    """Holds the plan that a worker runs; `Governor()` does everything on every frame and never changes."""

    def __init__(
        self,
        steps: Sequence[SavingsPlan] = (EVERYTHING,),
        costs: Costs = GUESS,
        room: Room | None = None,
        ready: Ready | None = None,
    ) -> None:
        """`steps`: the ladder, dearest first. `room`: cores, workers and budget. `ready`: None when all nets are."""
        self._steps = tuple(steps)
        self._costs = costs
        self._room = Room() if room is None else room
        self._ready = ready
        self._work = Work(0)
        self._shapes: frozenset[tuple[int, int]] = frozenset()
        self._slower = 1.0
        self._level = 0
        self._wanted = 0
        self._why = self._choice().why
        self._now_s = 0.0
        self._second: Second | None = None
        self._late_seconds = 0
        self._calm_seconds = 0
        self._patience = CALM_SECONDS
        self._rose_s: float | None = None
        self._odd_rate_s: float | None = None

    @property
    def plan(self) -> SavingsPlan:
        """What to do on each frame now."""
        return self._steps[self._level]

    @property
    def level(self) -> int:
        """The place of `plan` on the ladder; 0: everything, or as much as the settings ask for."""
        return self._level

    @property
    def why(self) -> str:
        """One sentence on why it is this plan."""
        return self._why

    def cameras(
        self,
        cameras: int,
        fps: float,
        *,
        workers: int = 1,
        watched: int | None = None,
        shapes: Collection[tuple[int, int]] = (),
    ) -> None:
        """Learn how many cameras this worker has and how fast they are (frames a second of each, 0: unknown).

        `workers` share the machine, this one included; `watched` of the cameras are (None: all); `shapes` are the
        sizes of their frames (width, height). Cheap, so that it may be called at every heartbeat; a changed number of
        cameras or workers, or a rate that is another one for seconds, chooses the plan anew; more viewers may take it
        down.
        """
        self._shapes = frozenset(shapes)
        work = replace(self._work, cameras=cameras, watched=watched, fps=fps if fps > 0 else Work(cameras).fps)
        room = replace(self._room, workers=max(1, workers))
        same = cameras == self._work.cameras and room == self._room
        if same and (not cameras or not self._has_new_rate(work.fps)):
            more_viewers = work.watched_part > self._work.watched_part
            self._work = replace(work, fps=self._work.fps)
            if more_viewers and (choice := self._choice()).level > self._level:
                self._go(choice.level, choice.why)
            return
        self._work, self._room = work, room
        self._calm_seconds = self._late_seconds = 0
        self._patience, self._rose_s, self._odd_rate_s = CALM_SECONDS, None, None
        choice = self._choice()
        self._why = choice.why
        self._go(choice.level, choice.why)

    def note(
        self, now_s: float, busy_s: float, frames: int, late: int = 0, overload: int = 0, faces: int | None = None
    ) -> None:
        """Learn what a batch took: it ended at `now_s` (a monotonic clock), after `busy_s` of work on `frames`.

        `late` of them came late; `overload` are frames that were lost beside them because there was no time for them
        (superseded, stale), not those that the plan leaves out. `faces`: in all frames. Heartbeats
        without work count as well, so that quiet seconds do.
        """
        self._now_s = now_s
        second = self._second
        if second is None or now_s - second.since_s > _FORGET_S:
            self._second = second = Second(now_s - busy_s)
        second.busy_s += busy_s
        second.frames += frames + overload
        second.missed += late + overload
        if faces is not None and frames:
            self._learn_faces(faces / frames, frames)
        if now_s - second.since_s >= 1.0:
            self._second = Second(now_s)
            self._close(second, now_s - second.since_s)

    # Inside

    def _has_new_rate(self, fps: float) -> bool:
        """Return whether the rate differs by a fifth, and has done so for a while: one that stumbles is no new one."""
        if abs(fps - self._work.fps) <= _CHANGED_RATE * self._work.fps:
            self._odd_rate_s = None
            return False
        if self._odd_rate_s is None:
            self._odd_rate_s = self._now_s
        return self._now_s - self._odd_rate_s >= _NEW_RATE_S

    def _close(self, second: Second, took_s: float) -> None:
        """Decide after a second; lossless cameras may take all the time there is, so live ones must be there."""
        if not self._work.cameras:
            return
        busy = min(1.0, second.busy_s / took_s)
        self._learn_speed(busy, second.frames / took_s)
        missed = second.missed / second.frames if second.frames else 0.0
        late = missed > LATE_PART and self._is_to_blame(second, busy)
        self._late_seconds = self._late_seconds + 1 if late else 0
        if self._wanted != self._level:  # its nets are being made
            self._go(self._wanted, self._why)
        elif busy > FULL_BUSY:
            self._down(f"{busy:.0%} busy", missed)
        elif self._late_seconds >= LATE_SECONDS:
            self._patience = max(self._patience, LATE_CALM_SECONDS)
            self._down(f"{missed:.0%} of the frames of a second came late or were lost", missed)
        elif not late and self._is_usual(second, took_s) and self._has_room(busy):
            self._calm_seconds += 1
            if self._calm_seconds >= self._patience:
                self._up(busy)
        else:
            self._calm_seconds = 0
        if self._rose_s is not None and self._now_s - self._rose_s > TRUSTED_S:
            self._rose_s, self._patience = None, CALM_SECONDS

    def _is_to_blame(self, second: Second, busy: float) -> bool:
        frame_ms = 1000 * second.busy_s / max(1, second.frames)
        return busy >= _BLAMED_BUSY or frame_ms >= _BLAMED_BUDGET_PART * self._room.budget_ms

    def _is_usual(self, second: Second, took_s: float) -> bool:
        """Return whether about as many frames came as the cameras say; a pause shows no room."""
        expected = self._work.cameras * self._work.fps * took_s / self.plan.analyse_every
        return second.frames >= _USUAL_RATE * expected

    def _has_room(self, busy: float) -> bool:
        """Return whether the dearer step would keep the worker under a comfortable load, by what is measured."""
        if self._level == 0:
            return False
        leaves_out = self.plan.analyse_every > self._steps[self._level - 1].analyse_every
        most = _MOST_BUSY if leaves_out else COMFORTABLE_BUSY
        return self._predicted(busy) <= most and self._dearer_fits_the_budget()

    def _predicted(self, busy: float) -> float:
        here = busy_share(self._costs, self.plan, self._work)
        above = busy_share(self._costs, self._steps[self._level - 1], self._work)
        return busy * above / here if here else busy

    def _dearer_fits_the_budget(self) -> bool:
        alone = replace(self._work, cameras=min(1, self._work.cameras), fps=1.0)
        roomy = replace(self._room, workers=1)
        return choose(self._steps[self._level - 1 : self._level], self._costs, alone, roomy).fits

    def _down(self, why: str, missed: float) -> None:
        self._calm_seconds = self._late_seconds = 0
        if self._level + 1 >= len(self._steps):
            return
        kept = self.plan.analyse_every / self._steps[self._level + 1].analyse_every
        if kept < 1 and missed <= 1 - kept:  # a step that leaves frames out would lose more of them
            return
        if self._rose_s is not None and self._now_s - self._rose_s <= REVERSED_S:
            self._patience = min(LONGEST_CALM_SECONDS, 2 * self._patience)
            self._rose_s = None
        self._go(self._level + 1, why)

    def _up(self, busy: float) -> None:
        seconds, self._calm_seconds = self._calm_seconds, 0
        predicted = self._predicted(busy)
        if self._go(self._level - 1, f"{busy:.0%} busy for {seconds} s, {predicted:.0%} expected"):
            self._rose_s = self._now_s

    def _go(self, level: int, why: str) -> bool:
        """Take a step, or as much of it as is possible until its nets are ready; returns whether it was taken."""
        self._wanted = level
        if self._is_ready(self._steps[level]):
            self._take(level, why)
            return True
        same_nets = [
            below
            for below in range(self._level, level)
            if self._steps[below].smallest_face_px == self.plan.smallest_face_px
        ]
        self._take(max(same_nets, default=self._level), why)
        return False

    def _is_ready(self, plan: SavingsPlan) -> bool:
        same_nets = plan.smallest_face_px == self.plan.smallest_face_px
        return same_nets or self._ready is None or self._ready(plan, self._shapes)

    def _take(self, level: int, why: str) -> None:
        if level == self._level:
            return
        plan = self._steps[level]
        log.info("plan changed", level=level, was=self._level, plan=plan.words, before=self.plan.words, why=why)
        self._level, self._why = level, why

    def _choice(self) -> Choice:
        return choose(self._steps, self._costs, self._work, self._room, self._slower)

    def _learn_speed(self, busy: float, frames_a_second: float) -> None:
        """Compare what was predicted for so many frames with what they took."""
        if self._wanted != self._level or busy > 0.95 or frames_a_second < 1:
            return
        expected = busy_share(self._costs, self.plan, replace(self._work, cameras=1))
        expected *= frames_a_second * self.plan.analyse_every / self._work.fps
        if expected > 0.02:
            slower = min(_SLOWEST, max(_FASTEST, busy / expected))
            self._slower += _LEARNING * (slower - self._slower)

    def _learn_faces(self, faces: float, frames: int) -> None:
        part = min(1.0, frames * _LEARNING / max(1.0, self._work.fps))
        self._work = replace(self._work, faces=self._work.faces + part * (faces - self._work.faces))
