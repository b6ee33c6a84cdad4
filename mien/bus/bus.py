"""The bus: frames, results, views, cameras, workers and their account on Redis Streams.

Only this module and its `entries` know key names and stream fields. A frame lives in its camera's stream until it
is ended exactly once, by `finish` or `drop` (guarded by XACK, in one script with the count). So the length of the
stream is the number of frames in flight, and the account balances at any moment, whichever process is killed.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, replace
from functools import partial, wraps
from importlib import resources
from typing import Any, Concatenate, ParamSpec, TypeVar, cast

import redis

from mien.address import Address
from mien.bus.broker import broker_errors, connect, is_missing
from mien.bus.budget import Budget
from mien.bus.clock import Clock
from mien.bus.direct import Direct, Script
from mien.bus.entries import (
    CAMERAS,
    FIRST_ID,
    WORKER_NOTES,
    WORKERS,
    bare_streams_of,
    budget_key,
    camera_from_note,
    camera_keys,
    camera_of,
    counts_key,
    counts_of,
    document_of,
    frame_of,
    frames_key,
    id_order,
    lease_key,
    result_of,
    results_key,
    streams_of,
    view_key,
    view_of,
    watched_key,
)
from mien.bus.rejected import Rejected, Rejections
from mien.documents import adapter
from mien.errors import BrokerUnavailable, line_of
from mien.settings import Settings
from mien.types import Camera, Counts, DropReason, Frame, FrameResult, View

P = ParamSpec("P")
R = TypeVar("R")

GROUP = "workers"
BLOCK_MS = 200
HEARTBEAT_TTL_MS = 1500
WATCH_TTL_MS = 3000
LEASE_TTL_MS = 2000
BUDGET_TTL_MS = 5000
READ_COUNT = 16
_REPAIRS = 5


@dataclass(frozen=True, slots=True)
class Workers:
    """Ids of the workers whose heartbeat is fresh, and of those that stopped beating."""

    live: tuple[str, ...]
    dead: tuple[str, ...]


def stored_ns(frame: Frame) -> int:
    """Return when a frame that was read came onto the bus, on Redis' clock, in whole milliseconds (rounded up)."""
    milliseconds, _ = id_order(frame.frame_id)
    return (milliseconds + 1) * 1_000_000


def repairing(method: Callable[Concatenate[Bus, P], R]) -> Callable[Concatenate[Bus, P], R]:
    """Let a method be tried again after what lay in its way on the bus was moved aside.

    Raises BrokerUnavailable when something lies there again each time.
    """

    @wraps(method)
    def repaired(bus: Bus, /, *args: P.args, **more: P.kwargs) -> R:
        reason = ""
        for _ in range(_REPAIRS):
            try:
                return method(bus, *args, **more)
            except redis.ResponseError as error:  # neither away nor refused, so it is about what is stored
                reason = line_of(error)
            with broker_errors(bus.address), suppress(redis.ResponseError):  # damaged again meanwhile
                bus._rejections.repair()
        raise BrokerUnavailable(f"what is stored at {bus.address} is in the way: {reason}")

    return repaired


class Bus:
    """One process' connection to the bus.

    Every method raises BrokerUnavailable when Redis does not answer or cannot do it now, and BrokerRefused when it
    refuses; nothing is retried inside.
    """

    def __init__(self, url: str, settings: Settings) -> None:
        self.address = Address.of_broker(url)
        self._settings = settings
        self._redis = connect(self.address, "bus")
        self.clock = Clock(self._server_ns)
        self._direct = Direct(self._redis)
        self._publish = self._script("publish")
        self._finish = self._script("finish")
        self._drop = self._script("drop")
        self._flush = self._script("flush")
        self._retire = self._script("retire")
        self._beat = self._script("beat")
        self._lease = self._script("lease")
        self._rejections = Rejections(self._redis)
        for kind in (Camera, FrameResult, Budget, Rejected):  # now, and not while a frame waits
            adapter(kind)

    @classmethod
    def from_settings(cls, settings: Settings) -> Bus:
        """Return the bus at `settings.bus_url`; raises SettingsError when there is none."""
        return cls(settings.bus_url, settings)

    def close(self) -> None:
        """Close the connections."""
        self._redis.close()

    def ping(self) -> None:
        """Raise BrokerUnavailable when Redis does not answer."""
        with broker_errors(self.address):
            self._redis.ping()

    # Frames: producer

    @repairing
    def publish(self, frame: Frame, *, skipped: int = 0, token: str = "") -> str:
        """Add a captured frame to its camera's stream and return its id.

        `skipped`: how many frames were captured before it and never published; they count as captured and superseded.
        `token`, unique for a frame, makes a second try after a lost answer harmless.
        """
        backlog = self._settings.live_backlog if frame.delivery == "live" else 0
        fields: list[bytes | str | int] = [
            "jpeg", frame.jpeg, "seq", frame.seq, "captured_ns", frame.captured_ns,
            "width", frame.width, "height", frame.height, "delivery", frame.delivery,
        ]  # fmt: skip
        token = token or f"{frame.seq}:{frame.captured_ns}"
        with broker_errors(self.address):
            frame_id = self._publish(
                [frames_key(frame.camera), counts_key(frame.camera)], [GROUP, backlog, skipped, token, *fields]
            )
        return cast(bytes, frame_id or b"").decode()

    @repairing
    def skip(self, camera: str, frames: int) -> None:
        """Count frames that were captured but never published, as superseded."""
        if frames <= 0:
            return
        with broker_errors(self.address), self._redis.pipeline(transaction=True) as pipe:
            pipe.hincrby(counts_key(camera), "captured", frames)
            pipe.hincrby(counts_key(camera), f"drop:{DropReason.SUPERSEDED}", frames)
            pipe.execute()

    @repairing
    def in_flight(self, camera: str) -> int:
        """Return how many frames of a camera are captured and not yet ended."""
        with broker_errors(self.address):
            return int(self._redis.xlen(frames_key(camera)))

    @repairing
    def flush(self, camera: str) -> int:
        """End every frame that nobody has read, as trimmed; the producer calls it when it ends."""
        with broker_errors(self.address):
            try:
                return int(self._flush([frames_key(camera), counts_key(camera)], [GROUP]))
            except redis.ResponseError as error:
                if not is_missing(error):
                    raise
                return 0  # nothing was ever published

    # Frames: worker

    def read(self, worker: str, cameras: Sequence[str], block_ms: int = BLOCK_MS) -> list[Frame]:
        """Return the unread frames of `cameras`, oldest first for each, at most 16 a camera.

        Waits up to `block_ms` when there are none (0: does not wait). They are this worker's until it ends
        them with `finish` or `drop`.
        """
        answer = self._unread(worker, cameras, block_ms) if cameras else None
        return [frame for key, entries in bare_streams_of(answer) for frame in self._frames_of(camera_of(key), entries)]

    def reclaim(self, worker: str, camera: str, live: Iterable[str]) -> list[Frame]:
        """Take over, in order, what workers that are not `live` still hold of a camera, and return it.

        Frames of a `live` camera are too old by then: they are counted as `worker_lost` and not returned.
        """
        keep = {*live, worker}
        frames: list[Frame] = []
        for name in self._consumers(camera):
            if name.decode(errors="replace") in keep:
                continue
            held = self._frames_of(camera, self._claim(worker, camera, name))
            self.drop(camera, [one.frame_id for one in held if one.delivery == "live"], DropReason.WORKER_LOST)
            frames += [one for one in held if one.delivery == "lossless"]
            self._forget(camera, name)
        return sorted(frames, key=lambda frame: id_order(frame.frame_id))

    def finish(self, result: FrameResult, view: View | None = None) -> bool:
        """Store a result and count its frame; False when the frame was ended by somebody else before."""
        return self.finish_all([(result, view)])[0]

    @repairing
    def finish_all(self, ended: Sequence[tuple[FrameResult, View | None]]) -> list[bool]:
        """End the frames of a batch in one round trip: store each result, and its view, and count the frame.

        False for a frame that somebody else ended before: of that one nothing is stored.
        """
        if not ended:
            return []
        keys: list[str] = []
        args: list[str | int | bytes] = [GROUP, self._settings.results_kept]
        for result, view in ended:
            camera = result.camera
            keys += (frames_key(camera), counts_key(camera), results_key(camera), view_key(camera))
            timing = "on_time" if result.on_time else "late"
            args += (result.frame_id, result.to_json(), timing, b"" if view is None else view.jpeg)
        with broker_errors(self.address):
            done = self._finish(keys, args)
        return [one == 1 for one in done]

    def drop(self, camera: str, frame_ids: Sequence[str], reason: DropReason) -> int:
        """End frames without a result; returns how many were not ended by somebody else before."""
        return self.drop_all({(camera, reason): frame_ids})[camera, reason] if frame_ids else 0

    @repairing
    def drop_all(self, frame_ids: Mapping[tuple[str, DropReason], Sequence[str]]) -> dict[tuple[str, DropReason], int]:
        """End frames of any cameras without a result, in one round trip; returns how many as `drop` does."""
        if not frame_ids:
            return {}
        keys: list[str] = []
        args: list[str | int] = [GROUP]
        for (camera, reason), ids in frame_ids.items():
            keys += (frames_key(camera), counts_key(camera))
            args += (reason.value, len(ids), *ids)
        with broker_errors(self.address):
            dropped = self._drop(keys, args)
        return dict(zip(frame_ids, dropped, strict=True))

    # Results and views

    @repairing
    def recent_results(self, camera: str, count: int = 20) -> list[FrameResult]:
        """Return the last results of a camera, newest first."""
        with broker_errors(self.address):
            entries = cast(Any, self._redis.xrevrange(results_key(camera), count=count))
        with broker_errors(self.address):
            return [result for _, result in self._results_of(camera, entries)]

    @repairing
    def read_result_texts(
        self, after: Mapping[str, str], block_ms: int = BLOCK_MS, count: int = 100
    ) -> list[tuple[str, str, bytes]]:
        """Return (camera, entry id, JSON on one line) of the results after the entry id given for each camera."""
        answer = self._xread({results_key(camera): entry for camera, entry in after.items()}, block_ms, count)
        with broker_errors(self.address):
            return [(camera_of(key), entry_id.decode(), result.to_json())
                    for key, entries in answer
                    for entry_id, result in self._results_of(camera_of(key), entries)]  # fmt: skip

    @repairing
    def last_result_ids(self, cameras: Sequence[str]) -> dict[str, str]:
        """Return the entry id of the newest result of each camera, `0-0` where there is none.

        Whoever reads after it gets every result that comes from now on, however late the first read is.
        """
        return self._last_ids(cameras, results_key)

    @repairing
    def last_view_ids(self, cameras: Sequence[str]) -> dict[str, str]:
        """Return the entry id of the newest view of each camera, `0-0` where there is none."""
        return self._last_ids(cameras, view_key)

    @repairing
    def read_views(self, after: Mapping[str, str], block_ms: int = BLOCK_MS) -> dict[str, tuple[str, View]]:
        """Return the newest view of each camera after the entry id given for it, with its own entry id."""
        answer = self._xread({view_key(camera): entry for camera, entry in after.items()}, block_ms, None)
        newest = {}
        with broker_errors(self.address):
            for key, entries in answer:
                camera = camera_of(key)
                for entry_id, fields in entries:
                    with self._reading("view", camera, entry_id, partial(self._redis.xdel, key, entry_id)):
                        newest[camera] = (entry_id.decode(), view_of(camera, fields))
        return newest

    @repairing
    def put_budgets(self, budgets: Sequence[Budget]) -> None:
        """Publish where the frame budgets of cameras went, in one round trip; repeated about once a second."""
        if not budgets:
            return
        with broker_errors(self.address), self._redis.pipeline(transaction=False) as pipe:
            for budget in budgets:
                pipe.set(budget_key(budget.camera), budget.to_json(), px=BUDGET_TTL_MS)
            pipe.execute()

    @repairing
    def budgets(self, cameras: Sequence[str]) -> dict[str, Budget]:
        """Return the last published budget of each of `cameras` that a worker reads now."""
        if not cameras:
            return {}
        with broker_errors(self.address):
            told = cast(Any, self._redis.mget([budget_key(camera) for camera in cameras]))
            budgets = {}
            for camera, text in zip(cameras, told, strict=True):
                if text is not None:
                    with self._reading("budget", camera, b"", partial(self._redis.delete, budget_key(camera))):
                        budgets[camera] = document_of(Budget, text)
        return budgets

    @repairing
    def watch(self, cameras: Iterable[str]) -> None:
        """Say that somebody watches these cameras; to be said again within 3 s."""
        with broker_errors(self.address), self._redis.pipeline(transaction=False) as pipe:
            for camera in cameras:
                pipe.set(watched_key(camera), 1, px=WATCH_TTL_MS)
            pipe.execute()

    @repairing
    def watched(self, cameras: Sequence[str]) -> frozenset[str]:
        """Return those of `cameras` that somebody watches."""
        if not cameras:
            return frozenset()
        with broker_errors(self.address):
            marks = cast(Any, self._redis.mget([watched_key(camera) for camera in cameras]))
        return frozenset(camera for camera, mark in zip(cameras, marks, strict=True) if mark is not None)

    # Cameras

    def lease(self, camera: str, holder: str) -> str:
        """Take or renew the right to be the producer of a camera, for 2 s; returns who has it now.

        That is `holder` when it was free or `holder`'s already. What stands before the last `/` in `holder` is shown to
        people whose producer finds the camera taken.
        """
        return self._ask_lease(camera, holder, LEASE_TTL_MS)

    def release(self, camera: str, holder: str) -> None:
        """Give the right to be the producer of a camera back, unless another one has it by now."""
        self._ask_lease(camera, holder, 0)

    def _ask_lease(self, camera: str, holder: str, ttl_ms: int) -> str:
        with broker_errors(self.address):
            held = self._lease([lease_key(camera)], [holder, ttl_ms])
        return cast(bytes, held).decode(errors="replace")

    @repairing
    def put_camera(self, camera: Camera) -> None:
        """Publish the state of a camera, as of now; a producer repeats it every 0.5 s."""
        note = replace(camera, updated_ns=self.clock.now_ns()).to_json()
        with broker_errors(self.address):
            self._redis.hset(CAMERAS, camera.name, cast(Any, note))

    def forget_camera(self, camera: str) -> None:
        """Remove a camera, its streams and its account."""
        with broker_errors(self.address), self._redis.pipeline(transaction=True) as pipe:
            pipe.hdel(CAMERAS, camera)
            for key in camera_keys(camera):
                pipe.delete(key)
            pipe.execute()

    @repairing
    def cameras(self) -> list[Camera]:
        """Return all cameras by name; one that should be live but whose heartbeat is over 2 s old has no signal."""
        with broker_errors(self.address):
            notes = cast("dict[bytes, bytes]", self._redis.hgetall(CAMERAS))
            now_ns = self.clock.now_ns()
            cameras = []
            for name in sorted(notes):
                camera = name.decode(errors="replace")
                with self._reading("camera", camera, name, partial(self._redis.hdel, CAMERAS, name)):
                    cameras.append(camera_from_note(name, notes[name], now_ns))
        return cameras

    def counts(self, camera: str) -> Counts:
        """Return the account of a camera, all numbers of the same moment."""
        return self.all_counts([camera])[camera]

    @repairing
    def all_counts(self, cameras: Sequence[str]) -> dict[str, Counts]:
        """Return the accounts of several cameras, all numbers of the same moment."""
        with broker_errors(self.address), self._redis.pipeline(transaction=True) as pipe:
            for camera in cameras:
                pipe.hgetall(counts_key(camera))
                pipe.xlen(frames_key(camera))
            answers = pipe.execute()
        try:
            return {camera: counts_of(answers[2 * i], answers[2 * i + 1]) for i, camera in enumerate(cameras)}
        except ValueError as error:
            raise redis.ResponseError(line_of(error)) from None  # for `repairing`, as the broker would say it

    @repairing
    def rejected(self) -> tuple[int, tuple[Rejected, ...]]:
        """Return how many things on the bus could not be read so far, and the last ones, newest first."""
        with broker_errors(self.address):
            return self._rejections.count(), self._rejections.all()

    # Workers

    @repairing
    def beat(self, worker: str, note: Mapping[str, object] | None = None) -> Workers:
        """Publish that a worker is alive, for 1.5 s, and return all live and dead workers. `note` is shown to
        people."""
        told = json.dumps({} if note is None else note)
        with broker_errors(self.address):
            live, dead = self._beat([WORKERS, WORKER_NOTES], [worker, HEARTBEAT_TTL_MS, told])
        return Workers(*(tuple(name.decode(errors="replace") for name in names) for names in (live, dead)))

    @repairing
    def leave(self, worker: str) -> None:
        """Take a worker off the list, after it ended all its frames."""
        with broker_errors(self.address):
            self._beat([WORKERS, WORKER_NOTES], [worker, 0])

    @repairing
    def workers(self) -> dict[str, dict[str, Any]]:
        """Return the live workers and the note of each."""
        now_ms = self._server_ns() // 1_000_000  # not our estimate of it: who has just expired would live on
        with broker_errors(self.address), self._redis.pipeline(transaction=True) as pipe:
            pipe.zrangebyscore(WORKERS, f"({now_ms}", "+inf")
            pipe.hgetall(WORKER_NOTES)
            live, notes = pipe.execute()
        told = {}
        with broker_errors(self.address):
            for name in live:
                with self._reading("worker", "", name, partial(self._redis.hdel, WORKER_NOTES, name)):
                    note = json.loads(notes.get(name, b"{}"))
                    told[name.decode()] = dict(note)
        return told

    # Inside

    def _script(self, name: str) -> Script:
        return Script(self._direct, (resources.files("mien.bus") / "lua" / f"{name}.lua").read_text())

    def _server_ns(self) -> int:
        with broker_errors(self.address):
            seconds, microseconds = self._redis.time()
        return (seconds * 1_000_000 + microseconds) * 1000

    def _make_groups(self, cameras: Sequence[str]) -> None:
        for camera in cameras:
            try:
                self._redis.xgroup_create(frames_key(camera), GROUP, id="0", mkstream=True)
            except redis.ResponseError as error:
                if "BUSYGROUP" not in str(error):
                    raise

    # What hands out frames is asked once and read apart: tried again as a whole, it would hand out others, and the
    # first ones would stay with this worker, which does not know of them.

    @repairing
    def _unread(self, worker: str, cameras: Sequence[str], block_ms: int) -> Any:
        keys = [frames_key(camera) for camera in cameras]
        block = ("BLOCK", block_ms) if block_ms else ()
        command = ("XREADGROUP", "GROUP", GROUP, worker, "COUNT", READ_COUNT, *block, "STREAMS", *keys)
        with broker_errors(self.address):
            try:
                return self._direct.ask(*command, *([">"] * len(keys)))
            except redis.ResponseError as error:
                if not is_missing(error):
                    raise
                self._make_groups(cameras)
                return None

    @repairing
    def _frames_of(self, camera: str, entries: Iterable[tuple[bytes, Mapping[bytes, bytes] | None]]) -> list[Frame]:
        """Return the frames in entries; one that is none is taken out of the stream, which no producer counted."""
        frames = []
        with broker_errors(self.address):
            for entry_id, fields in entries:
                with self._reading("frame", camera, entry_id, partial(self._end_uncounted, camera, entry_id)):
                    frame = frame_of(camera, entry_id, fields)
                    if frame is not None:
                        frames.append(frame)
        return frames

    @repairing
    def _consumers(self, camera: str) -> list[bytes]:
        with broker_errors(self.address):
            try:
                consumers = cast(Any, self._redis.xinfo_consumers(frames_key(camera), GROUP))
            except redis.ResponseError as error:
                if not is_missing(error):
                    raise
                return []
        return [consumer["name"] for consumer in consumers]

    @repairing
    def _claim(self, worker: str, camera: str, consumer: bytes) -> Sequence[tuple[bytes, Mapping[bytes, bytes] | None]]:
        """Give the worker what another one holds, and return its entries."""
        with broker_errors(self.address):
            pending = cast(
                Any, self._redis.xpending_range(frames_key(camera), GROUP, "-", "+", 1000, cast(Any, consumer))
            )
            held = [entry["message_id"] for entry in pending]
            return cast(Any, self._redis.xclaim(frames_key(camera), GROUP, worker, 0, held)) if held else ()

    @repairing
    def _forget(self, camera: str, consumer: bytes) -> None:
        with broker_errors(self.address):
            self._retire([frames_key(camera)], [GROUP, consumer])

    def _results_of(
        self, camera: str, entries: Iterable[tuple[bytes, Mapping[bytes, bytes]]]
    ) -> Iterator[tuple[bytes, FrameResult]]:
        for entry_id, fields in entries:
            with self._reading("result", camera, entry_id, partial(self._redis.xdel, results_key(camera), entry_id)):
                yield entry_id, result_of(camera, fields[b"result"])

    def _reading(
        self, kind: str, camera: str, where: bytes, move: Callable[[], object]
    ) -> AbstractContextManager[None]:
        return self._rejections.reading(kind, camera, where.decode(errors="replace"), move)

    def _end_uncounted(self, camera: str, entry_id: bytes) -> None:
        self._redis.xack(frames_key(camera), GROUP, entry_id)
        self._redis.xdel(frames_key(camera), entry_id)

    def _last_ids(self, cameras: Sequence[str], key: Callable[[str], str]) -> dict[str, str]:
        with broker_errors(self.address), self._redis.pipeline(transaction=False) as pipe:
            for camera in cameras:
                pipe.xrevrange(key(camera), count=1)
            answers = pipe.execute()
        ids = [entries[0][0].decode() if entries else FIRST_ID for entries in answers]
        return dict(zip(cameras, ids, strict=True))

    def _xread(self, streams: dict[str, str], block_ms: int, count: int | None) -> list[tuple[bytes, Any]]:
        if not streams:
            return []
        with broker_errors(self.address):
            answer = self._redis.xread(cast(Any, streams), block=block_ms or None, count=count)
        return [(key, entries) for key, entries in streams_of(answer) if entries]
