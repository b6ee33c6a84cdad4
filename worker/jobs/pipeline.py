"""The pictures of a chunk in three stages side by side: read and decode, analyse, draw and write.

The analysis runs on the caller's thread and is what takes the time. Files are read and decoded ahead of it, and
annotated pictures encoded and written behind it, on a few threads: libjpeg and the runtimes leave the interpreter to
the others meanwhile. All decoded pixels together stay within a budget, so that memory does not grow with the job.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from types import TracebackType

from mien.inputs.fetch import Fetcher
from mien.inputs.input import Input
from mien.jobs.folder import Entry, Inputs
from mien.machine import usable_cores
from worker.analyzer import Analyzer
from worker.jobs.pictures import Analysed, Fetched, Limits, Opened, Unusable, analyse, decode, fetch, write

GROUP_PICTURES = 8
GROUP_PIXELS = 8_000_000
"""Faces of a few pictures are classified together. More gains little on a CPU and makes a stop take longer."""

BUDGET_PIXELS = 32_000_000
"""Decoded pixels at any moment: 96 MB. One photo that is larger than this is read when no other is in memory."""

# Files read ahead of decoding, and pictures decoded ahead of the analysis.
_READ_AHEAD, _DECODE_AHEAD = 12, 8
# What lies elsewhere is waited for, so many are asked for at once; files here, and members of archives, are read one
# after the other: a compressed archive can only be read forward.
_REMOTE_READERS = 8
_MOST_THREADS = 4


class PixelBudget:
    """How many decoded pixels there may be; one picture that is larger is let in alone."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._held = 0
        self._given_back = threading.Condition()

    def take(self, pixels: int, *, wait: bool) -> bool:
        """Take pixels and say whether they were to be had; `wait`: until others have given back enough."""
        with self._given_back:
            if wait:
                self._given_back.wait_for(lambda: self._has_room(pixels))
            elif not self._has_room(pixels):
                return False
            self._held += pixels
            return True

    def give_back(self, pixels: int) -> None:
        """Give pixels back that were taken."""
        with self._given_back:
            self._held -= pixels
            self._given_back.notify()

    def _has_room(self, pixels: int) -> bool:
        return self._held == 0 or self._held + pixels <= self._limit


class ReadAhead:
    """Pictures of a job in the order of the inputs, read and decoded ahead of whoever takes them."""

    def __init__(
        self, items: Iterable[tuple[int, Input]], limits: Limits, budget: PixelBudget, fetcher: Fetcher | None = None
    ) -> None:
        self._items = iter(items)
        self._limits = limits
        self._budget = budget
        self._fetcher = fetcher or Fetcher()
        self._here = ThreadPoolExecutor(1, "read")
        self._elsewhere = ThreadPoolExecutor(_REMOTE_READERS, "fetch")
        self._decoders = ThreadPoolExecutor(_threads(), "decode")
        self._reading: deque[Future[Fetched | Unusable]] = deque()
        self._decoding: deque[Future[Opened | Unusable]] = deque()

    def __enter__(self) -> ReadAhead:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for pool in (self._here, self._elsewhere, self._decoders):
            pool.shutdown(wait=False, cancel_futures=True)

    def take(self, *, wait: bool) -> Opened | Unusable | None:
        """Return the next picture; None at the end, and without `wait`, when there is no room for it yet."""
        self._refill()
        if not self._decoding and not (self._reading and self._decode_next(wait=wait)):
            return None
        picture = self._decoding.popleft().result()
        self._refill()
        return picture

    def _refill(self) -> None:
        while len(self._reading) < _READ_AHEAD and (following := next(self._items, None)):
            index, item = following
            pool = self._here if item.address.is_here else self._elsewhere
            self._reading.append(pool.submit(fetch, index, item, self._fetcher, self._limits))
        while len(self._decoding) < _DECODE_AHEAD and self._reading and self._reading[0].done():
            if not self._decode_next(wait=False):
                return

    def _decode_next(self, *, wait: bool) -> bool:
        """Have the next file decoded, when it has been read and there is room for its pixels."""
        file = self._reading[0].result()
        if isinstance(file, Unusable):
            unusable: Future[Opened | Unusable] = Future()
            unusable.set_result(file)
            self._decoding.append(unusable)
        elif self._budget.take(file.pixels, wait=wait):
            self._decoding.append(self._decoders.submit(decode, file, self._limits))
        else:
            return False
        self._reading.popleft()
        return True


class WriteBehind:
    """Draws and writes pictures on threads, and keeps their entries until they are collected."""

    def __init__(self, inputs: Inputs, jpeg_quality: int, budget: PixelBudget) -> None:
        self._inputs = inputs
        self._jpeg_quality = jpeg_quality
        self._budget = budget
        self._pool = ThreadPoolExecutor(_threads(), "write")
        self._writing: deque[tuple[int, Future[Entry]]] = deque()

    def __enter__(self) -> WriteBehind:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._pool.shutdown(wait=True, cancel_futures=error is not None)

    def add(self, analysed: Analysed) -> None:
        """Take over a picture."""
        self._writing.append((analysed.opened.index, self._pool.submit(self._write, analysed)))

    def collect(self, entries: dict[int, Entry], *, wait: bool = False) -> None:
        """Put the entries of written pictures into `entries`; `wait`: of all. Raises OSError of a failed writing."""
        while self._writing and (wait or self._writing[0][1].done()):
            index, written = self._writing.popleft()
            entries[index] = written.result()

    def _write(self, analysed: Analysed) -> Entry:
        try:
            return write(analysed, self._inputs, self._jpeg_quality)
        finally:
            self._budget.give_back(analysed.opened.held)


class PhotoPipeline:
    """Reads the pictures of a job."""

    def __init__(self, analyzer: Analyzer, limits: Limits, jpeg_quality: int, fetcher: Fetcher | None = None) -> None:
        self._analyzer = analyzer
        self._limits = limits
        self._jpeg_quality = jpeg_quality
        # Kept from chunk to chunk: a compressed tar is then read once, and not once for each chunk.
        self._fetcher = fetcher or Fetcher()

    def run(
        self,
        wanted: Mapping[int, Input],
        inputs: Inputs,
        entries: dict[int, Entry],
        why_stop: Callable[[], str],
        progress: Callable[[], None],
    ) -> str:
        """Put an entry for each of `wanted` into `entries`; return why it stopped early, or nothing.

        Before each group of pictures is analysed, `why_stop` is asked; what was analysed by then is finished.
        `progress` is called after each group. Raises OSError when results cannot be written.
        """
        budget = PixelBudget(BUDGET_PIXELS)
        with ExitStack() as stages:
            ahead = stages.enter_context(ReadAhead(wanted.items(), self._limits, budget, self._fetcher))
            behind = stages.enter_context(WriteBehind(inputs, self._jpeg_quality, budget))
            while True:
                group, unusable = self._next_group(ahead, budget)
                entries.update({each.index: each.entry() for each in unusable})
                if not group and not unusable:
                    break
                reason = why_stop()
                if reason:
                    behind.collect(entries, wait=True)
                    return reason
                self._analyse(group, behind, entries, budget)
                group.clear()  # what is written is let go, while the next group is waited for
                behind.collect(entries)
                progress()
            behind.collect(entries, wait=True)
        return ""

    def _next_group(self, ahead: ReadAhead, budget: PixelBudget) -> tuple[list[Opened], list[Unusable]]:
        """Return what to analyse next, and what was found unusable meanwhile; nothing of both at the end."""
        group: list[Opened] = []
        unusable: list[Unusable] = []
        while len(group) + len(unusable) < GROUP_PICTURES and sum(each.held for each in group) < GROUP_PIXELS:
            picture = ahead.take(wait=not group)
            if picture is None:
                break
            if isinstance(picture, Opened):
                group.append(picture)
            else:
                unusable.append(picture)
                budget.give_back(picture.held)
        return group, unusable

    def _analyse(
        self, group: Sequence[Opened], behind: WriteBehind, entries: dict[int, Entry], budget: PixelBudget
    ) -> None:
        for result in analyse(self._analyzer, group) if group else ():
            if isinstance(result, Analysed):
                behind.add(result)
            else:
                entries[result.index] = result.entry()
                budget.give_back(result.held)


def _threads() -> int:
    return min(_MOST_THREADS, usable_cores())
