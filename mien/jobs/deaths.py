"""Workers that died over steps of jobs: a step that kills every worker must not be queued again for ever."""

from __future__ import annotations

from typing import cast

import redis

from mien.address import Address
from mien.bus.broker import broker_errors
from mien.jobs.queue import rq_id
from mien.jobs.steps import Call

# A step that killed five workers in the same place will kill the sixth; twenty deaths anywhere are no accident either.
_MOST_IN_PLACE = 5
_MOST_IN_ALL = 20
_PARTS = ("at", "last", "same", "all")


class Deaths:
    """Deaths by job and step. Every method raises BrokerUnavailable when the broker does not answer.

    Deaths count as long as they happen in the same place, which a step names itself: somebody may kill workers, or
    machines may go away, but hardly always in the middle of the same picture.
    """

    def __init__(self, address: Address, connection: redis.Redis, ttl_s: int) -> None:
        self._address = address
        self._redis = connection
        self._ttl_s = ttl_s

    def add(self, job_id: str, name: str) -> bool:
        """Count a death over an RQ job; returns whether no other worker should try."""
        key = _key(job_id)
        at, last, same, total = (f"{name}:{part}" for part in _PARTS)
        with broker_errors(self._address):
            place, before, count, deaths = cast("list[bytes | None]", self._redis.hmget(key, at, last, same, total))
            in_place = int(count or 0) + 1 if (place or b"") == before else 1
            in_all = int(deaths or 0) + 1
            self._redis.hset(key, mapping={last: place or b"", same: in_place, total: in_all})
            self._redis.expire(key, self._ttl_s)
        return (in_place > _MOST_IN_PLACE and bool(place)) or in_all > _MOST_IN_ALL

    def at(self, job_id: str, attempt: int, step: Call, place: str) -> None:
        """Store where a step is; empty while it begins: a death then is no input's fault."""
        with broker_errors(self._address):
            self._redis.hset(_key(job_id), f"{rq_id(job_id, attempt, step.step)}:at", place)

    def count(self, job_id: str, attempt: int, step: Call) -> int:
        """Return how many workers died in a row where the last one died; 0 when that was at a step's beginning."""
        name = rq_id(job_id, attempt, step.step)
        with broker_errors(self._address):
            last, same = cast("list[bytes | None]", self._redis.hmget(_key(job_id), f"{name}:last", f"{name}:same"))
        return int(same or 0) if last else 0

    def forget(self, job_id: str, attempt: int, step: Call) -> None:
        """Say that a step has stored more than it had, or is finished."""
        name = rq_id(job_id, attempt, step.step)
        with broker_errors(self._address):
            self._redis.hdel(_key(job_id), *(f"{name}:{part}" for part in _PARTS))


def _key(job_id: str) -> str:
    return f"mien:job:{job_id}:deaths"
