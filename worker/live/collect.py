"""Frames between the bus and the analysis: which are kept, which are dropped, and when a batch closes."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass

from mien.bus.bus import stored_ns
from mien.types import DropReason, Frame

WAITING_PART = 0.25
"""Part of the budget that the oldest frame of a batch may wait for the other cameras, where batches cost less."""

HURRIED_PART = 0.05
"""The same where they cost no less, as on a CPU: waiting would only make frames late."""

SILENT_AFTER_PERIODS = 3
"""A camera that missed this many frames in a row is not waited for."""


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


class Rhythm:
    """How often a camera delivers, to know when it is due, and which of its frames the plan passes over."""

    def __init__(self) -> None:
        self._last_ns = 0
        self._period_ns = 0.0
        self.pass_over = 0
        """How many frames of a live camera are still to be passed over before one is analysed."""

    def note(self, captured_ns: int) -> None:
        """Learn from the capture time of a frame."""
        gap_ns = captured_ns - self._last_ns
        if self._last_ns and gap_ns > 0:
            self._period_ns += (gap_ns - self._period_ns) * (0.2 if self._period_ns else 1.0)
        self._last_ns = captured_ns

    def is_due(self, clock_ns: int) -> bool:
        """Return whether a frame was captured by now and must be under way, as far as the rhythm tells."""
        if not self._period_ns or self.pass_over:
            return False
        missed = (clock_ns - self._last_ns) / self._period_ns
        return 1 <= missed <= SILENT_AFTER_PERIODS

    @property
    def phase(self) -> float:
        """Where in its period the camera delivers, 0 to 1."""
        return self._last_ns % self._period_ns / self._period_ns if self._period_ns else 0.0


class Collector:
    """Frames that were read and not analysed yet: the newest of each live camera, all of each lossless one."""

    def __init__(self, rules: Rules) -> None:
        self.rules = rules
        self._live: dict[str, Frame] = {}
        self._lossless: dict[str, deque[Frame]] = {}
        self._rhythms: dict[str, Rhythm] = {}
        self._last_result_ns: dict[str, int] = {}
        self._every = 1

    @property
    def heads(self) -> dict[str, Frame]:
        """The next frame of each camera that has one."""
        return self._live | {camera: queue[0] for camera, queue in self._lossless.items() if queue}

    def has_queue(self, camera: str) -> bool:
        """Return whether frames of a lossless camera wait here, so that no more need be read yet."""
        return bool(self._lossless.get(camera))

    def analyse_every(self, every: int) -> None:
        """Analyse every n-th frame of each live camera from now on; cameras take turns, so that work is even."""
        if every == self._every:
            return
        self._every = every
        in_order = sorted(self._rhythms.values(), key=lambda rhythm: rhythm.phase)
        for place, rhythm in enumerate(in_order):
            rhythm.pass_over = place % every

    def add(self, frames: Iterable[Frame]) -> list[Drop]:
        """Take frames that were read, oldest first; returns the live ones that will not be analysed.

        A newer frame takes the place of an older one that still waits, its turn included: so no camera starves while
        frames are passed over.
        """
        drops = []
        for frame in frames:
            rhythm = self._rhythms.setdefault(frame.camera, Rhythm())
            rhythm.note(frame.captured_ns)
            if frame.delivery == "lossless":
                self._lossless.setdefault(frame.camera, deque()).append(frame)
                continue
            if (older := self._live.get(frame.camera)) is not None:
                drops.append(Drop(older, DropReason.SUPERSEDED))
            elif rhythm.pass_over > 0:
                rhythm.pass_over -= 1
                drops.append(Drop(frame, DropReason.OVERLOAD))
                continue
            rhythm.pass_over = self._every - 1
            self._live[frame.camera] = frame
        return drops

    def close(self, clock_ns: int, limit: int, frame_ns: int = 0) -> Batch | None:
        """Return the batch to analyse now, or None to keep collecting.

        A frame that `frame_ns` of work would make late is stale. At most `limit` frames, and not more than are done in
        time, of the cameras that had no result for the longest; the others stay for the next one.
        """
        heads = self.heads
        due = {camera for camera, rhythm in self._rhythms.items() if rhythm.is_due(clock_ns)}
        if not is_closed(heads, due, clock_ns, self.rules):
            return None
        stale = {
            camera: frame
            for camera, frame in heads.items()
            if is_stale(frame, self._last_result_ns.get(camera), clock_ns, self.rules, frame_ns)
        }
        fresh = [frame for camera, frame in heads.items() if camera not in stale]
        fresh.sort(key=lambda frame: self._last_result_ns.get(frame.camera, 0))
        chosen = tuple(fresh[:limit])
        chosen = chosen[: fitting(chosen, clock_ns, frame_ns, self.rules)]
        for frame in (*chosen, *stale.values()):
            self._take(frame)
        return Batch(chosen, tuple(Drop(frame, DropReason.STALE) for frame in stale.values()))

    def share_left_ns(self, clock_ns: int) -> int | None:
        """Return how long the batch may stay open; None when nothing waits."""
        heads = self.heads
        return max(0, self.rules.share_ns - waited_ns(heads, clock_ns)) if heads else None

    def had_result(self, camera: str, clock_ns: int) -> None:
        """Remember that a result of a camera was published."""
        self._last_result_ns[camera] = clock_ns

    def forget(self, cameras: Set[str]) -> None:
        """Forget what is known of cameras that moved to another worker; their frames stay until they are ended."""
        for camera in cameras:
            self._rhythms.pop(camera, None)
            self._last_result_ns.pop(camera, None)

    def take_all(self) -> list[Frame]:
        """Return all frames, and have none."""
        frames = [*self._live.values(), *(frame for queue in self._lossless.values() for frame in queue)]
        self._live.clear()
        self._lossless.clear()
        return frames

    def _take(self, frame: Frame) -> None:
        if frame.delivery == "live":
            del self._live[frame.camera]
        else:
            self._lossless[frame.camera].popleft()
