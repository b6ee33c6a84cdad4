"""What the bus stores: key names, and the fields of entries as values.

Keys and fields are known to `mien.bus.bus` only; readers of streams know the order of entry ids too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from mien.types import Camera, CameraState, Counts, Delivery, DropReason, Frame, View

CAMERAS = "mien:cameras"
WORKERS = "mien:workers"
WORKER_NOTES = "mien:workers:notes"
CAMERA_TTL_NS = 2_000_000_000
FIRST_ID = "0-0"
"""An entry id below all others: reading after it gives all that a stream has."""


def _key(camera: str, what: str) -> str:
    return f"mien:camera:{camera}:{what}"


def frames_key(camera: str) -> str:
    """Return the key of the stream of frames."""
    return _key(camera, "frames")


def results_key(camera: str) -> str:
    """Return the key of the stream of results."""
    return _key(camera, "results")


def view_key(camera: str) -> str:
    """Return the key of the stream of views."""
    return _key(camera, "view")


def counts_key(camera: str) -> str:
    """Return the key of the camera's account."""
    return _key(camera, "counts")


def watched_key(camera: str) -> str:
    """Return the key of the mark that somebody watches."""
    return _key(camera, "watched")


def lease_key(camera: str) -> str:
    """Return the key of the right to be the producer."""
    return _key(camera, "lease")


def budget_key(camera: str) -> str:
    """Return the key of what its worker says about its frame budget."""
    return _key(camera, "budget")


def camera_keys(camera: str) -> list[str]:
    """Return every key of a camera."""
    keys = (frames_key, counts_key, results_key, view_key, watched_key, lease_key, budget_key)
    return [key(camera) for key in keys]


def camera_of(key: bytes) -> str:
    """Return the camera that a key belongs to."""
    return key.decode().split(":")[2]


def id_order(entry_id: str) -> tuple[int, int]:
    """Return what sorts entry ids by age."""
    milliseconds, _, counter = entry_id.partition("-")
    return int(milliseconds), int(counter)


def streams_of(answer: Any) -> list[tuple[bytes, Any]]:
    """Return (key, entries) of an XREAD answer, which is a list in RESP2 and a dict in RESP3."""
    if not answer:
        return []
    if isinstance(answer, dict):
        return [(key, [entry for part in parts for entry in part]) for key, parts in answer.items()]
    return [(key, entries) for key, entries in answer]


def bare_streams_of(answer: Any) -> list[tuple[bytes, list[tuple[bytes, dict[bytes, bytes] | None]]]]:
    """Return (key, entries) of an XREADGROUP answer as it comes from the wire, in RESP2 or RESP3.

    The fields of an entry are None when it is pending but was deleted.
    """
    streams = (answer.items() if isinstance(answer, dict) else answer) if answer else ()
    return [(key, [(entry_id, _paired(fields)) for entry_id, fields in entries]) for key, entries in streams]


def _paired(fields: Sequence[bytes] | None) -> dict[bytes, bytes] | None:
    return None if fields is None else dict(zip(fields[::2], fields[1::2], strict=True))


def frame_of(camera: str, entry_id: bytes, fields: Mapping[bytes, bytes] | None) -> Frame | None:
    """Return the frame in an entry, or None for an entry that is pending but was deleted."""
    if not fields:
        return None
    delivery: Delivery = "lossless" if fields[b"delivery"] == b"lossless" else "live"
    return Frame(
        camera=camera,
        seq=int(fields[b"seq"]),
        captured_ns=int(fields[b"captured_ns"]),
        width=int(fields[b"width"]),
        height=int(fields[b"height"]),
        jpeg=fields[b"jpeg"],
        delivery=delivery,
        frame_id=entry_id.decode(),
    )


def view_of(camera: str, fields: Mapping[bytes, bytes]) -> View:
    """Return the view in an entry."""
    return View(camera=camera, frame_id=fields[b"frame_id"].decode(), jpeg=fields[b"jpeg"])


def camera_from_note(note: bytes | str, now_ns: int) -> Camera:
    """Return a camera from its note; one whose producer is silent for over 2 s has no signal."""
    camera = Camera.from_json(note)
    if now_ns - camera.updated_ns > CAMERA_TTL_NS and camera.state in (CameraState.LIVE, CameraState.CONNECTING):
        return replace(camera, state=CameraState.NO_SIGNAL, reason="the producer is gone")
    return camera


def counts_of(fields: Mapping[bytes, bytes], in_flight: int) -> Counts:
    """Return the account from its hash and the length of the stream of frames."""
    numbers = {name.decode(): value for name, value in fields.items()}
    return Counts(
        captured=int(numbers.get("captured", 0)),
        on_time=int(numbers.get("on_time", 0)),
        late=int(numbers.get("late", 0)),
        in_flight=in_flight,
        drops={reason.value: int(numbers.get(f"drop:{reason}", 0)) for reason in DropReason},
    )
