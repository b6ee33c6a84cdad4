"""What lay on the bus and could not be read: moved aside, counted, and kept for `mien doctor`, at most 100 of them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, cast

import redis

from mien.bus.entries import CAMERAS, WORKER_NOTES, WORKERS, camera_of
from mien.documents import Count, Document
from mien.errors import line_of
from mien.logs import get_logger

REJECTED = "mien:rejected"
REJECTED_COUNT = "mien:rejected:count"
KEPT = 100

_UNREADABLE = (ValueError, TypeError, KeyError, AttributeError, IndexError, OverflowError, RecursionError)
_TYPES = {"frames": "stream", "results": "stream", "view": "stream", "counts": "hash", "watched": "string",
          "lease": "string", "budget": "string"}  # fmt: skip
_OWN_TYPES = {CAMERAS: "hash", WORKERS: "zset", WORKER_NOTES: "hash", REJECTED: "list", REJECTED_COUNT: "string"}
_REPEAT_LOG_S = 10.0
_NO_NUMBERS = (b"token", b"last_id")
_MOST_COUNTED = 1 << 60
_AHEAD_MS = 3_600_000
"""A stream whose newest id is so far in the future takes no entries any more."""

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Rejected(Document):
    """Something that could not be read: what it was (`kind`), whose, where it lay, and why. `at_ms`: Redis' clock."""

    kind: str
    camera: str
    where: str
    reason: str
    at_ms: Count


class Rejections:
    """Moves aside what cannot be read; raises what the client raises."""

    def __init__(self, client: redis.Redis) -> None:
        self._redis = client
        self._said_s = -_REPEAT_LOG_S

    @contextmanager
    def reading(self, kind: str, camera: str, where: str, move: Callable[[], object]) -> Iterator[None]:
        """Read one thing: when that raises what a damaged one does, `move` takes it away and it is noted."""
        try:
            yield
        except _UNREADABLE as error:
            move()
            self.note(kind, camera, where, error)

    def note(self, kind: str, camera: str, where: str, error: Exception | str) -> None:
        """Count and keep what was moved aside."""
        seconds, microseconds = cast(Any, self._redis.time())
        at_ms = seconds * 1000 + microseconds // 1000
        told = Rejected(_text(kind), _text(camera, 64), _text(where), _text(error, 300), at_ms)
        self._say(told)
        with self._redis.pipeline(transaction=True) as pipe:
            pipe.lpush(REJECTED, told.to_json())
            pipe.ltrim(REJECTED, 0, KEPT - 1)
            pipe.incr(REJECTED_COUNT)
            pipe.execute()

    def _say(self, told: Rejected) -> None:
        """Log it, at most once in 10 s: whoever floods the bus must not flood the log."""
        if time.monotonic() - self._said_s >= _REPEAT_LOG_S:
            self._said_s = time.monotonic()
            log.warning("an entry on the bus cannot be read", kind=told.kind, camera=told.camera, reason=told.reason)

    def all(self) -> tuple[Rejected, ...]:
        """Return the last ones, newest first; what cannot be read even here is left out."""
        found = []
        for text in cast("list[bytes]", self._redis.lrange(REJECTED, 0, KEPT - 1)):
            try:
                found.append(Rejected.from_json(text))
            except _UNREADABLE:
                continue
        return tuple(found)

    def count(self) -> int:
        """Return how many there were."""
        count = cast("bytes | None", self._redis.get(REJECTED_COUNT))
        return int(count) if count and count.isdigit() and len(count) < 19 else 0

    def repair(self) -> int:
        """Move aside keys of the bus that are of another type, streams without ids and accounts without numbers.

        Returns how many.
        """
        repaired = 0
        for key in tuple(self._redis.scan_iter("mien:*", count=1000)):
            expected = _expected_type(key)
            if expected is None:
                continue
            camera = camera_of(key) if key.startswith(b"mien:camera:") else ""
            found = cast(bytes, self._redis.type(key)).decode()
            if found not in (expected, "none"):
                self._redis.delete(key)
                self.note("key", camera, repr(key), f"it is a {found}, not a {expected}")
                repaired += 1
            elif found == "stream" and self._is_exhausted(key):
                self._redis.delete(key)
                self.note("key", camera, repr(key), "its entries are numbered beyond today")
                repaired += 1
            elif key.endswith(b":counts"):
                repaired += self._repair_account(key, camera)
        return repaired

    def _is_exhausted(self, key: bytes) -> bool:
        now_ms = cast(Any, self._redis.time())[0] * 1000
        newest: bytes = cast(Any, self._redis.xinfo_stream(key))["last-generated-id"]
        return int(newest.partition(b"-")[0]) > int(now_ms) + _AHEAD_MS

    def _repair_account(self, key: bytes, camera: str) -> int:
        fields = cast("dict[bytes, bytes]", self._redis.hgetall(key))
        damaged = [name for name, value in fields.items() if name not in _NO_NUMBERS and not is_counted(value)]
        if damaged:
            self._redis.hdel(key, *damaged)
            self.note("account", camera, repr(damaged[0]), f"{fields[damaged[0]][:40]!r} is no count")
        return len(damaged)


def is_counted(value: bytes) -> bool:
    """Return whether a text is a count that can still grow."""
    return value.isdigit() and len(value) < 20 and int(value) < _MOST_COUNTED


def _expected_type(key: bytes) -> str | None:
    name = key.decode(errors="replace")
    if name in _OWN_TYPES:
        return _OWN_TYPES[name]
    parts = name.split(":")
    return _TYPES.get(parts[3]) if len(parts) == 4 and parts[:2] == ["mien", "camera"] else None


def _text(said: Exception | str, most: int = 100) -> str:
    text = str(said)[: 4 * most].encode("utf-8", "replace").decode()  # cut first: long texts are slow to scrub
    return line_of(text, most) if text else ""
