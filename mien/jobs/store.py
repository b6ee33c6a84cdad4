"""What the broker stores of jobs: a record each, how far its parts are, and which steps are open.

mien:job:<id>                        the record: kind, name, state, attempt, sums over its parts, …
mien:job:<id>:parts                  the numbers of each part (see `Jobs.report`)
mien:job:<id>:failures               the failures of each part, the first ones only
mien:job:<id>:<attempt>:open:<group> steps that must all be finished before the next ones begin
mien:job:<id>:deaths                 see `mien.jobs.deaths`
mien:same:<digest>                   the job that asks for just this
mien:jobs                            all jobs by the time they were made
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from importlib import resources
from typing import TYPE_CHECKING, cast

import redis

from mien.address import Address
from mien.bus.broker import broker_errors
from mien.bus.outage import Outage
from mien.formats import Priority, check_priority
from mien.jobs.queue import JobQueue
from mien.jobs.request import Inputs
from mien.jobs.steps import WEBHOOK, Call, call
from mien.jobs.view import FAILURES_KEPT, JobState, JobView, Tally, failures_to_json, view_of
from mien.settings import Settings

if TYPE_CHECKING:
    from redis.client import Pipeline

_INDEX = "mien:jobs"
_ACTIVE: tuple[JobState, ...] = ("queued", "running")
Views = list[JobView]


def record_key(job_id: str) -> str:
    """Return the key of a job's record."""
    return f"mien:job:{job_id}"


def parts_key(job_id: str) -> str:
    """Return the key of the numbers of a job's parts."""
    return f"mien:job:{job_id}:parts"


def failures_key(job_id: str) -> str:
    """Return the key of the failures of a job's parts."""
    return f"mien:job:{job_id}:failures"


def open_key(job_id: str, attempt: int, group: str) -> str:
    """Return the key of the steps that are queued or worked on and must all be finished before the next."""
    return f"mien:job:{job_id}:{attempt}:open:{group}"


def _keys(job_id: str) -> tuple[str, ...]:
    return record_key(job_id), parts_key(job_id), failures_key(job_id)


class JobStore:
    """The records of one broker. Every method raises BrokerUnavailable when the broker does not answer."""

    def __init__(self, address: Address, connection: redis.Redis, settings: Settings) -> None:
        self.address = address
        self.settings = settings
        self.redis = connection
        self.outage = Outage()
        self._queues = JobQueue(connection, settings)
        lua = resources.files("mien.jobs") / "lua"
        self._advance = connection.register_script((lua / "advance.lua").read_text())
        self._tally = connection.register_script((lua / "tally.lua").read_text())

    def ping(self) -> None:
        """Raise BrokerUnavailable when the broker does not answer."""
        with broker_errors(self.address):
            self.redis.ping()

    def advance(self, job_id: str, states: Iterable[JobState], attempt: int | None = None, **fields: str) -> bool:
        """Set fields of a job's record if it is in one of `states` (and at this attempt); say whether it was."""
        allowed = "".join(f"{state}," for state in states)
        pairs = [part for pair in fields.items() for part in pair]
        with broker_errors(self.address):
            moved = self._advance(
                keys=[record_key(job_id)], args=[allowed, "" if attempt is None else str(attempt), *pairs]
            )
        return bool(moved)

    def is_wanted(self, job_id: str, attempt: int) -> bool:
        """Say whether an attempt is still to be worked on: not cancelled, not replaced by a retry."""
        with broker_errors(self.address):
            state, current = self.redis.hmget(record_key(job_id), "state", "attempt")
        return state in (b"queued", b"running") and current == str(attempt).encode()

    def report(self, job_id: str, tallies: Mapping[int, Tally | None] | Mapping[str, Tally | None]) -> None:
        """Say how far parts of a job are; None forgets a part.

        A part is called by the number of its chunk or its video, or `<number>-<anything>` for what is only progress.
        """
        if not tallies:
            return
        values: list[str | int] = [FAILURES_KEPT]
        for part, tally in tallies.items():
            numbers: Sequence[str | int] = tally.numbers if tally else ("", "", "", "", "")
            values += [str(part), *numbers, failures_to_json(tally.failures) if tally else ""]
        with broker_errors(self.address):
            self._tally(keys=[record_key(job_id), parts_key(job_id), failures_key(job_id)], args=values)

    def _newest(self, limit: int) -> Views:
        """Return the newest jobs, the newest first."""
        with broker_errors(self.address):
            ids = [key.decode() for key in cast(Iterable[bytes], self.redis.zrevrange(_INDEX, 0, max(0, limit - 1)))]
        views = self._read(ids)
        expired = set(ids) - {view.id for view in views}
        if expired:
            with broker_errors(self.address):
                self.redis.zrem(_INDEX, *expired)
        return views

    def _read(self, ids: Sequence[str], *, existed: bool = False) -> Views:
        with broker_errors(self.address), self.redis.pipeline(transaction=True) as pipe:
            for job_id in ids:
                pipe.hgetall(record_key(job_id))
                pipe.hgetall(failures_key(job_id))
            answers = pipe.execute()
        return [
            view_of(job_id, record, failures, existed=existed)
            for job_id, record, failures in zip(ids, answers[::2], answers[1::2], strict=True)
            if record
        ]

    def _same(self, digest: str) -> JobView | None:
        """Return a job that has not ended and asks for the same."""
        if not digest:
            return None
        with broker_errors(self.address):
            job_id = cast("bytes | None", self.redis.get(f"mien:same:{digest}"))
        views = self._read([job_id.decode()], existed=True) if job_id else []
        return views[0] if views and not views[0].ended else None

    def _add(
        self, job_id: str, name: str, inputs: Inputs, priority: Priority, digest: str, calls: Sequence[Call]
    ) -> bool:
        """Store and queue a new job; False when its id is taken, or somebody asked for the same just now."""
        created = time.time()
        same_key = f"mien:same:{digest}"
        with broker_errors(self.address), self.redis.pipeline(transaction=True) as pipe:
            pipe.watch(record_key(job_id), same_key)  # type: ignore[no-untyped-call]
            if pipe.exists(record_key(job_id)) or self._same(digest) is not None:
                return False
            pipe.multi()
            pipe.hset(
                record_key(job_id),
                mapping={
                    "kind": inputs.kind,
                    "name": name.encode("utf-8", "replace").decode(),
                    "state": "queued",
                    "attempt": 1,
                    "priority": priority,
                    "created": repr(created),
                    "started": "",
                    "finished": "",
                    "inputs": len(inputs.items),
                    "out": os.fsencode(inputs.out),
                    "reason": "",
                },
            )
            pipe.zadd(_INDEX, {job_id: created})
            if digest:
                pipe.set(same_key, job_id, ex=self.settings.job_ttl_s)
            self._open(pipe, priority, job_id, 1, calls)
            try:
                pipe.execute()
            except redis.WatchError:
                return False
        return True

    def _open(self, pipe: Pipeline, priority: Priority, job_id: str, attempt: int, calls: Sequence[Call]) -> None:
        """Queue steps, and note them as open in their groups, and the groups in the group of all."""
        groups: dict[str, list[str]] = {}
        for each in calls:
            groups.setdefault(each.group, []).append(each.step)
        whole = groups.pop("", []) + [f"input-{group}" for group in groups]
        for group, steps in {**groups, "": whole}.items():
            if steps:
                pipe.sadd(open_key(job_id, attempt, group), *steps)
                pipe.expire(open_key(job_id, attempt, group), self.settings.job_ttl_s)
        self._queues.add(pipe, priority, job_id, attempt, calls)

    def _close(
        self, job_id: str, attempt: int, group: str, step: str, after: Callable[[str, str], tuple[Call, ...]]
    ) -> tuple[Call, ...] | None:
        """Take a step out of its open group; queue and return what comes next if it was the last, else None."""
        key = open_key(job_id, attempt, group)
        while True:
            with broker_errors(self.address), self.redis.pipeline(transaction=True) as pipe:
                pipe.watch(key)  # type: ignore[no-untyped-call]
                record = cast(dict[bytes, bytes], pipe.hgetall(record_key(job_id)))
                if not _is_active(record, attempt):
                    return None
                others = int(pipe.scard(key)) - int(bool(step) and pipe.sismember(key, step))
                calls: tuple[Call, ...] | None = None
                new: list[Call] = []
                if not others or not step:
                    calls = after(job_id, group)
                    new = self._queues.unknown(job_id, attempt, calls)
                pipe.multi()
                if step:
                    pipe.srem(key, step)
                self._open(pipe, _priority(record), job_id, attempt, new)
                try:
                    pipe.execute()
                except redis.WatchError:  # another worker finished a step in this moment: read again
                    continue
                return calls

    def _end(self, job_id: str, attempt: int | None, state: JobState, reason: str, webhook: bool) -> bool:
        """End a job, and queue the call of its webhook in the same moment."""
        while True:
            with broker_errors(self.address), self.redis.pipeline(transaction=True) as pipe:
                pipe.watch(record_key(job_id))  # type: ignore[no-untyped-call]
                record = cast(dict[bytes, bytes], pipe.hgetall(record_key(job_id)))
                if not _is_active(record, attempt):
                    return False
                pipe.multi()
                pipe.hset(
                    record_key(job_id),
                    mapping={"state": state, "finished": repr(time.time()), "reason": reason},
                )
                for key in _keys(job_id):
                    pipe.expire(key, self.settings.job_ttl_s)
                if webhook:
                    self._queues.add(pipe, _priority(record), job_id, int(record[b"attempt"]), [call(WEBHOOK)])
                try:
                    pipe.execute()
                except redis.WatchError:
                    continue
                return True

    def _begin_again(self, job_id: str, calls: Sequence[Call]) -> None:
        """Queue steps as a new attempt, unless somebody else begins one in this moment."""
        earlier: bytes | None = None
        while True:
            with broker_errors(self.address), self.redis.pipeline(transaction=True) as pipe:
                pipe.watch(record_key(job_id))  # type: ignore[no-untyped-call]
                record = cast(dict[bytes, bytes], pipe.hgetall(record_key(job_id)))
                current = record.get(b"attempt")
                if current is None or earlier not in (None, current):
                    return
                earlier = current
                pipe.multi()
                pipe.hset(
                    record_key(job_id),
                    mapping={
                        "state": "queued",
                        "attempt": int(current) + 1,
                        "finished": "",
                        "started": "",
                        "reason": "",
                        "earlier": view_of(job_id, record, {}).work[0],
                    },
                )
                for key in _keys(job_id):
                    pipe.persist(key)
                self._open(pipe, _priority(record), job_id, int(current) + 1, calls)
                try:
                    pipe.execute()
                except redis.WatchError:  # a worker reported in this moment: read again
                    continue
                return


def _is_active(record: Mapping[bytes, bytes], attempt: int | None) -> bool:
    current = attempt is None or record.get(b"attempt") == str(attempt).encode()
    return current and record.get(b"state", b"").decode() in _ACTIVE


def _priority(record: Mapping[bytes, bytes]) -> Priority:
    return check_priority(record.get(b"priority", b"normal").decode())
