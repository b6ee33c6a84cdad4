"""The grab thread: it drains a live source, so that what is taken is always the newest picture."""

from __future__ import annotations

import threading

from mien.errors import SourceError, SourceLost
from producer.feed import Captured
from producer.sources.source import Grab, LiveSource

_JOIN_S = 0.3


class Grabber:
    """Reads a live source in a thread of its own and keeps the newest picture.

    With `keep_all` nothing is replaced: the thread waits until the picture before was taken. The source is opened,
    read and closed in that thread only, so that a camera that hangs never blocks the thread that takes the pictures.
    `after` is the grabber that had the source before: closing may take seconds, and the source is opened only when that
    is done.
    """

    def __init__(self, source: LiveSource, *, keep_all: bool = False, after: Grabber | None = None) -> None:
        self._source = source
        self._after = after
        self._keep_all = keep_all
        self._changed = threading.Condition()
        self._newest: Grab | None = None
        self._replaced = 0
        self._closing = False
        self._finished = False
        self._error: SourceError | None = None
        self._thread = threading.Thread(target=self._run, name="grab", daemon=True)

    @property
    def ended(self) -> bool:
        """Whether the source came to its end and everything was handed over."""
        with self._changed:
            return self._finished and self._newest is None and self._error is None

    @property
    def hangs(self) -> bool:
        """Whether its thread still waits for a camera that does not answer."""
        return self._thread.is_alive()

    def start(self) -> None:
        """Start the thread, which opens the source; its errors are raised by `next`."""
        self._thread.start()

    def next(self, timeout_s: float) -> Captured | None:
        """Return the newest picture and how many it replaced, or None when there is none in time."""
        with self._changed:
            self._changed.wait_for(lambda: self._newest is not None or self._finished, timeout_s)
            if self._newest is not None:
                captured = Captured(self._newest, self._replaced)
                self._newest, self._replaced = None, 0
                self._changed.notify_all()
                return captured
            if self._finished and self._error is not None:
                raise self._error
            return None

    def close(self) -> int:
        """Ask the thread to end and return how many pictures were left. A read that hangs is not waited for."""
        with self._changed:
            self._closing = True
            left = self._replaced + (self._newest is not None)
            self._newest, self._replaced = None, 0
            self._changed.notify_all()
        if self._thread.is_alive():
            self._thread.join(_JOIN_S)
        return left

    def _run(self) -> None:
        error: SourceError | None = None
        try:
            if self._after is not None:
                self._after._thread.join()
                self._after = None
            self._source.open()
            while not self._closing and (grab := self._source.read()) is not None:
                self._put(grab)
        except SourceError as raised:
            error = raised
        except Exception as raised:  # the boundary of this thread: whatever a camera raises, the producer continues
            error = SourceLost(f"the source stopped: {' '.join(str(raised).split()) or type(raised).__name__}")
        with self._changed:
            self._error = error
            self._finished = True
            self._changed.notify_all()
        self._source.close()

    def _put(self, grab: Grab) -> None:
        with self._changed:
            if self._keep_all:
                self._changed.wait_for(lambda: self._newest is None or self._closing)
            if self._closing:
                return
            self._replaced += self._newest is not None
            self._newest = grab
            self._changed.notify_all()
