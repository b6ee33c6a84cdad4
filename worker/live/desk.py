"""The desk of a camera: all that a live worker knows of it, so that deleting the desk forgets the camera."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

from mien.types import Frame
from worker.live.budget import RecentFrames
from worker.live.memory import CameraMemory

SILENT_AFTER_PERIODS = 3
"""A camera that missed this many frames in a row is not waited for."""

Overlay = tuple[tuple[str, tuple[int, ...]], ...]
"""What is drawn: the text and the box in whole pixels of each face."""


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


@dataclass(slots=True)
class LastView:
    """What viewers of a camera were last shown (the JPEG of the frame, and the view), and for how many frames more."""

    pass_over: int = 0
    source: bytes = field(default=b"", repr=False)
    overlay: Overlay = ()
    jpeg: bytes = field(default=b"", repr=False)


@dataclass(slots=True)
class CameraDesk:
    """All that a live worker knows of one camera, in the order of a frame's way.

    `rhythm`: when its frames come. `newest`: the live frame that waits, `queue`: the lossless ones. `last_result_ns`:
    when its last result was published (None: never). `memory`: of its faces (None: no frame was analysed). `logged_s`:
    when each trouble of it was last logged, by a monotonic clock. `last_view`: what viewers see (None: nobody watches).
    `recent`: where the time of its last frames went.
    """

    rhythm: Rhythm = field(default_factory=Rhythm)
    newest: Frame | None = None
    queue: deque[Frame] = field(default_factory=deque)
    last_result_ns: int | None = None
    memory: CameraMemory | None = None
    logged_s: dict[str, float] = field(default_factory=dict)
    last_view: LastView | None = None
    recent: RecentFrames = field(default_factory=RecentFrames)

    @property
    def head(self) -> Frame | None:
        """The next frame to analyse; None when none waits."""
        return self.queue[0] if self.queue else self.newest

    def take(self, frame: Frame) -> None:
        """Take its next frame of one delivery off the desk."""
        if frame.delivery == "live":
            self.newest = None
        else:
            self.queue.popleft()


class Desks(dict[str, CameraDesk]):
    """The desks of a worker by camera: `desks[camera]` makes one for a camera that has none, `del` forgets one."""

    def __missing__(self, camera: str) -> CameraDesk:
        desk = self[camera] = CameraDesk()
        return desk

    def leave(self, cameras: Iterable[str]) -> None:
        """Forget cameras that another worker reads now; frames that are here already stay until they are ended."""
        for camera in cameras:
            desk = self.pop(camera, None)
            if desk is not None and desk.head is not None:
                self[camera] = CameraDesk(newest=desk.newest, queue=desk.queue)

    def sweep(self, own: Collection[str]) -> None:
        """Forget the cameras that are not among `own`, except for those with frames that are not ended yet."""
        for camera in self.keys() - set(own):
            if self[camera].head is None:
                del self[camera]
