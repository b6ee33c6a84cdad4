"""Entries of the bus as a faulty or hostile client writes them: each kind, changed at random but repeatably."""

from __future__ import annotations

import random
from collections.abc import Callable

import redis

from mien.bus.budget import Budget, Quantiles
from mien.bus.entries import (
    CAMERAS,
    WORKER_NOTES,
    WORKERS,
    budget_key,
    counts_key,
    frames_key,
    lease_key,
    results_key,
    view_key,
    watched_key,
)
from mien.types import Camera, CameraState, Face, FrameResult

VALUES: tuple[bytes, ...] = (
    b"", b"NaN", b"nan", b"inf", b"-Infinity", b"-1", b"1e400", b"9" * 30, b"9" * 5000, b"\xff\xfe\x00", b"text",
    b"null", b"[]", b"{}", b"[" * 5000, b'{"a":' * 3000, b"1\n2", b"\r\n\r\nevent: x\ndata: y\n\n", b"\xed\xa0\x80",
    b"0", b"true", b'"\\ud800"', b"18446744073709551615", b"-9223372036854775809", "٣".encode(), b" 7 ", b"\x1b[2J",
    b"x" * 100_000,
)  # fmt: skip
"""What stands where something else should."""

_FACE = Face((1.0, 2.0, 30.0, 40.0), "happy", 0.9, (0.02,) * 4 + (0.86,) + (0.02,) * 3, 0.5, 0.1, track="t")


def mutations(client: redis.Redis, cameras: tuple[str, ...], chance: random.Random) -> Callable[[], None]:
    """Return a function that writes one more damaged thing about one of some cameras, of any kind."""

    def value() -> bytes:
        return chance.choice(VALUES)

    def json_of(good: bytes) -> bytes:
        """Change a JSON text: a value for another, a byte, its end, or a line feed in it."""
        way = chance.randrange(5)
        if way == 0:
            return value()
        if way == 1:
            return good[: chance.randrange(len(good))]
        if way == 2:
            place = chance.randrange(len(good))
            return good[:place] + bytes([chance.randrange(256)]) + good[place + 1 :]
        if way == 3:
            return good.replace(b",", b",\n\nevent: x\ndata: ", 1)
        parts = good.split(b":")
        place = chance.randrange(1, len(parts))
        _, comma, rest = parts[place].partition(b",")
        parts[place] = value() + comma + rest
        return b":".join(parts)

    def fields_of(good: dict[bytes, bytes]) -> dict[bytes, bytes]:
        changed = dict(good)
        for _ in range(chance.randint(1, 2)):
            name = chance.choice(list(good))
            if chance.random() < 0.3:
                changed.pop(name, None)
            else:
                changed[name] = value()
        return changed or {b"x": b"y"}

    def frame(camera: str) -> None:
        good = {b"jpeg": b"\xff\xd8", b"seq": b"1", b"captured_ns": b"1", b"width": b"4", b"height": b"3",
                b"delivery": chance.choice((b"live", b"lossless"))}  # fmt: skip
        client.xadd(frames_key(camera), fields_of(good))  # type: ignore[arg-type]

    def result(camera: str) -> None:
        good = FrameResult(camera, "1-0", 1, 1, 4, 3, (_FACE,), 2, stages_ms={"queue": 1.0}).to_json()
        fields = {b"result": json_of(good)} if chance.random() < 0.9 else {b"other": b"1"}
        client.xadd(results_key(camera), fields, maxlen=50)  # type: ignore[arg-type]

    def view(camera: str) -> None:
        client.xadd(view_key(camera), fields_of({b"jpeg": b"\xff\xd8", b"frame_id": b"1-0"}), maxlen=2)  # type: ignore[arg-type]

    def record(camera: str) -> None:
        good = Camera(camera, CameraState.LIVE, "why", "test://", "live", 25.0, 4, 3, 1).to_json()
        name = camera.encode() if chance.random() < 0.6 else value() or b"-"
        client.hset(CAMERAS, name, json_of(good))

    def budget(camera: str) -> None:
        good = Budget(camera, 1, 60.0, 40.0, 10, 9, Quantiles(1, 2, 3, 4), {"queue": Quantiles()}).to_json()
        client.set(budget_key(camera), json_of(good), px=5000)

    def account(camera: str) -> None:
        name = chance.choice((b"captured", b"on_time", b"late", b"drop:stale", b"drop:trimmed", b"token", value()))
        client.hset(counts_key(camera), name, value())

    def worker(_camera: str) -> None:
        name = value() or b"ghost"
        client.zadd(WORKERS, {name: chance.choice((0.0, 1e18, float("inf"), -1.0, 1e13))})
        client.hset(WORKER_NOTES, name, json_of(b'{"pid": 1, "host": "a", "cameras": ["x"], "fps": 2}'))

    def other_type(camera: str) -> None:
        key = chance.choice(
            (frames_key(camera), results_key(camera), view_key(camera), counts_key(camera), budget_key(camera),
             lease_key(camera), watched_key(camera), CAMERAS, WORKERS, WORKER_NOTES)
        )  # fmt: skip
        client.delete(key)
        if chance.random() < 0.5:
            client.rpush(key, value())
        else:
            client.set(key, value())

    def last_id(camera: str) -> None:
        key = chance.choice((frames_key(camera), results_key(camera), view_key(camera)))
        client.delete(key)
        client.xadd(key, {"x": "y"}, id="18446744073709551615-18446744073709551615")

    kinds = (frame, result, view, record, budget, account, worker, other_type, last_id)
    weights = (8, 8, 6, 6, 5, 5, 4, 1, 1)

    def one() -> None:
        kind = chance.choices(kinds, weights)[0]
        try:
            kind(chance.choice(cameras))
        except redis.ResponseError:  # an earlier one stands in its way
            client.delete(*(f"mien:camera:{camera}:{what}" for camera in cameras for what in ("results", "view")))

    return one
