"""What the bus stores: key names, and the fields of entries as values.

Keys and fields are known to `mien.bus.bus` only; readers of streams know the order of entry ids too.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from mien.documents import Document
from mien.types import Camera, CameraState, Counts, Delivery, DropReason, Frame, FrameResult, View

CAMERAS = "mien:cameras"
WORKERS = "mien:workers"
WORKER_NOTES = "mien:workers:notes"
CAMERA_TTL_NS = 2_000_000_000
FIRST_ID = "0-0"
"""An entry id below all others: reading after it gives all that a stream has."""

D = TypeVar("D", bound=Document)

_ENTRY_ID = re.compile(r"[0-9]{1,20}-[0-9]{1,20}")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_HUGE = re.compile(rb"[:,\[\s-][0-9]{40}")
_MOST_BYTES = 4 << 20
_MOST_DIGITS = 19
_MOST_SIDE = 65_535
_MOST_FPS = 10_000
_AHEAD_NS = 60_000_000_000
"""A record of a camera that is newer than this is refused: it would never grow old."""


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
    return key.decode(errors="replace").split(":")[2]


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
    """Return the frame in an entry, or None for an entry that is pending but was deleted.

    Raises ValueError or KeyError for what no producer wrote.
    """
    if not fields:
        return None
    delivery: Delivery = "lossless" if fields[b"delivery"] == b"lossless" else "live"
    if fields[b"delivery"] != delivery.encode():
        raise ValueError(f"{fields[b'delivery'][:40]!r} is no delivery")
    return Frame(
        camera=camera,
        seq=_whole(fields[b"seq"]),
        captured_ns=_whole(fields[b"captured_ns"]),
        width=_whole(fields[b"width"], _MOST_SIDE),
        height=_whole(fields[b"height"], _MOST_SIDE),
        jpeg=fields[b"jpeg"],
        delivery=delivery,
        frame_id=entry_id.decode(),
    )


def view_of(camera: str, fields: Mapping[bytes, bytes]) -> View:
    """Return the view in an entry; raises ValueError or KeyError for what no worker wrote."""
    frame_id = fields[b"frame_id"].decode()
    if not _ENTRY_ID.fullmatch(frame_id):  # it becomes a part of headers
        raise ValueError(f"{frame_id[:40]!r} is no frame")
    return View(camera=camera, frame_id=frame_id, jpeg=fields[b"jpeg"])


def document_of(kind: type[D], text: bytes) -> D:
    """Return a document that lay on the bus; raises ValueError for what is none, or has numbers beyond all bounds."""
    if len(text) > _MOST_BYTES:
        raise ValueError(f"{len(text):,} bytes")
    if (number := _HUGE.search(text)) is not None:
        raise ValueError(f"the number {number[0][:24].decode()}… is too large")
    return kind.from_json(text)


def result_of(camera: str, text: bytes) -> FrameResult:
    """Return a result of a camera from its JSON; raises ValueError."""
    result = document_of(FrameResult, text)
    if result.camera != camera:
        raise ValueError(f"a result of camera {result.camera[:64]!r}")
    return result


def camera_from_note(name: bytes, note: bytes, now_ns: int) -> Camera:
    """Return a camera from its note; one whose producer is silent for over 2 s has no signal. Raises ValueError."""
    camera = document_of(Camera, note)
    if camera.name.encode() != name or not _NAME.fullmatch(camera.name):
        raise ValueError(f"the record of camera {camera.name[:64]!r} under {name[:64]!r}")
    if not 0 <= camera.fps <= _MOST_FPS or not 0 <= min(camera.width, camera.height) <= _MOST_SIDE:
        raise ValueError(f"{camera.width}×{camera.height} at {camera.fps:g} fps")
    if camera.updated_ns - now_ns > _AHEAD_NS:
        raise ValueError("it was written in the future")
    if now_ns - camera.updated_ns > CAMERA_TTL_NS and camera.state in (CameraState.LIVE, CameraState.CONNECTING):
        return replace(camera, state=CameraState.NO_SIGNAL, reason="the producer is gone")
    return camera


def counts_of(fields: Mapping[bytes, bytes], in_flight: int) -> Counts:
    """Return the account from its hash and the length of the stream of frames; raises ValueError."""

    def number(name: str) -> int:
        return _whole(fields.get(name.encode(), b"0"))

    return Counts(
        captured=number("captured"),
        on_time=number("on_time"),
        late=number("late"),
        in_flight=in_flight,
        drops={reason.value: number(f"drop:{reason}") for reason in DropReason},
    )


def _whole(text: bytes, most: int = (1 << 63) - 1) -> int:
    """Return a whole number of 0 to `most`; raises ValueError for anything else."""
    if not text.isdigit() or len(text) > _MOST_DIGITS or int(text) > most:
        raise ValueError(f"{text[:24]!r} is no number from 0 to {most}")
    return int(text)
