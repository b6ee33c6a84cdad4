"""Step 2, collect: which frames are kept, which are dropped, and when a batch closes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass

from mien.bus.bus import stored_ns
from mien.types import DropReason, Frame
from worker.live.desk import Desks

WAITING_PART = 0.25
"""Part of the budget that the oldest frame of a batch may wait for the other cameras, where batches cost less."""

HURRIED_PART = 0.05
"""The same where they cost no less, as on a CPU: waiting would only make frames late."""


@dataclass(frozen=True, slots=True)
class Rules:
    """The settings that decide about frames, in nanoseconds.

    `waiting_part`: the part of the budget that the oldest frame of a batch may wait for the other cameras.
    """

    budget_ns: int
    starve_ns: int
    waiting_part: float = HURRIED_PART

    @property
    def share_ns(self) -> int:
        """How old the oldest frame of a batch may get while others are waited for."""
        return int(self.budget_ns * self.waiting_part)


@dataclass(frozen=True, slots=True)
class Drop:
    """A frame that will not be analysed, and why."""

    frame: Frame
    reason: DropReason


@dataclass(frozen=True, slots=True)
class Batch:
    """What to do now: `frames`, at most one of each camera, are analysed together; `stale` ones are dropped."""

    frames: tuple[Frame, ...]
    stale: tuple[Drop, ...] = ()


def age_ns(frame: Frame, clock_ns: int) -> int:
    """Return the age of a frame; a frame from the future (its producer's clock is ahead) has age 0."""
    return max(0, clock_ns - frame.captured_ns)


def is_stale(frame: Frame, last_result_ns: int | None, clock_ns: int, rules: Rules, frame_ns: int = 0) -> bool:
    """Return whether the result of a live frame would come too late, after `frame_ns` of work on it.

    A camera without a result for `starve_ns` gets one all the same, so that an overloaded machine still shows it. A
    frame that would have been late even if work on it had begun when it came is judged by its age alone: a machine that
    is too slow for the budget still does what it can.
    """
    if frame.delivery == "lossless":
        return False
    could_be_on_time = stored_ns(frame) - frame.captured_ns + frame_ns <= rules.budget_ns
    if age_ns(frame, clock_ns) + (frame_ns if could_be_on_time else 0) <= rules.budget_ns:
        return False
    return last_result_ns is not None and clock_ns - last_result_ns < rules.starve_ns


def fitting(frames: Sequence[Frame], clock_ns: int, frame_ns: int, rules: Rules) -> int:
    """Return how many of `frames`, the first ones, can be analysed together; at least 1.

    Every frame of a batch waits for all of it, so a batch takes no frame more that would make one late which would be
    on time without.
    """
    for number in range(len(frames), 1, -1):
        done_ns = clock_ns + number * frame_ns
        if not any(_made_late(frame, done_ns, clock_ns + frame_ns, rules) for frame in frames[:number]):
            return number
    return 1


def _made_late(frame: Frame, done_ns: int, soonest_ns: int, rules: Rules) -> bool:
    return age_ns(frame, soonest_ns) <= rules.budget_ns < age_ns(frame, done_ns)


def is_closed(heads: Mapping[str, Frame], due: Set[str], clock_ns: int, rules: Rules) -> bool:
    """Return whether to analyse now rather than to collect on.

    A batch closes when every camera that is due has delivered, or when its oldest frame has spent its share of the
    budget waiting.
    """
    if not heads:
        return False
    return due <= heads.keys() or waited_ns(heads, clock_ns) >= rules.share_ns


def waited_ns(heads: Mapping[str, Frame], clock_ns: int) -> int:
    """Return the age of the oldest frame."""
    return max(age_ns(frame, clock_ns) for frame in heads.values())


class Collector:
    """Frames that were read and not analysed yet: the newest of each live camera, all of each lossless one."""

    def __init__(self, rules: Rules, desks: Desks) -> None:
        self.rules = rules
        self._desks = desks
        self._every = 1

    @property
    def heads(self) -> dict[str, Frame]:
        """The next frame of each camera that has one."""
        return {camera: desk.head for camera, desk in self._desks.items() if desk.head is not None}

    def has_queue(self, camera: str) -> bool:
        """Return whether frames of a lossless camera wait here, so that no more need be read yet."""
        return camera in self._desks and bool(self._desks[camera].queue)

    def analyse_every(self, every: int) -> None:
        """Analyse every n-th frame of each live camera from now on; cameras alternate, so that work is even."""
        if every == self._every:
            return
        self._every = every
        in_order = sorted((desk.rhythm for desk in self._desks.values()), key=lambda rhythm: rhythm.phase)
        for place, rhythm in enumerate(in_order):
            rhythm.pass_over = place % every

    def add(self, frames: Iterable[Frame]) -> list[Drop]:
        """Take frames that were read, oldest first; returns the live ones that will not be analysed.

        A newer frame takes the place of an older one that still waits: so no camera starves while frames are passed
        over.
        """
        drops = []
        for frame in frames:
            desk = self._desks[frame.camera]
            desk.rhythm.note(frame.captured_ns)
            if frame.delivery == "lossless":
                desk.queue.append(frame)
                continue
            if desk.newest is not None:
                drops.append(Drop(desk.newest, DropReason.SUPERSEDED))
            elif desk.rhythm.pass_over > 0:
                desk.rhythm.pass_over -= 1
                drops.append(Drop(frame, DropReason.OVERLOAD))
                continue
            desk.rhythm.pass_over = self._every - 1
            desk.newest = frame
        return drops

    def close(self, clock_ns: int, limit: int, frame_ns: int = 0) -> Batch | None:
        """Return the batch to analyse now, or None to keep collecting.

        A frame that `frame_ns` of work would make late is stale. At most `limit` frames, and not more than are done in
        time, of the cameras that had no result for the longest, oldest frame first; the others stay for the next batch.
        """
        heads = self.heads
        due = {camera for camera, desk in self._desks.items() if desk.rhythm.is_due(clock_ns)}
        if not is_closed(heads, due, clock_ns, self.rules):
            return None
        stale = {
            camera: frame
            for camera, frame in heads.items()
            if is_stale(frame, self._desks[camera].last_result_ns, clock_ns, self.rules, frame_ns)
        }
        fresh = [frame for camera, frame in heads.items() if camera not in stale]
        fresh.sort(key=lambda frame: (self._desks[frame.camera].last_result_ns or 0, frame.captured_ns))
        chosen = tuple(fresh[:limit])
        chosen = chosen[: fitting(chosen, clock_ns, frame_ns, self.rules)]
        for frame in (*chosen, *stale.values()):
            self._desks[frame.camera].take(frame)
        return Batch(chosen, tuple(Drop(frame, DropReason.STALE) for frame in stale.values()))

    def share_left_ns(self, clock_ns: int) -> int | None:
        """Return how long the batch may stay open; None when nothing waits."""
        heads = self.heads
        return max(0, self.rules.share_ns - waited_ns(heads, clock_ns)) if heads else None

    def had_result(self, camera: str, clock_ns: int) -> None:
        """Remember that a result of a camera was published."""
        self._desks[camera].last_result_ns = clock_ns

    def take_all(self) -> list[Frame]:
        """Return all frames, and have none."""
        frames = []
        for desk in self._desks.values():
            frames += [*([desk.newest] if desk.newest else []), *desk.queue]
            desk.newest = None
            desk.queue.clear()
        return frames
