"""Streams of pictures and results: MJPEG for one camera, one connection for all tiles, snapshots, server-sent results.

The format of `/stream` (application/vnd.mien.stream), all numbers big-endian:

    message = uint32 length of head | uint32 length of body | head | body

The head is a JSON object, the body what its `type` says:

- `{"type": "view", "camera": NAME, "frame_id": ID}`: the body is the newest view of that camera, a JPEG;
- `{"type": "overview"}`: the body is JSON as `/api/v1/cameras` gives it, sent at the start and twice a second.

Views of a camera are skipped, never queued, when the reader is slow.
"""

from __future__ import annotations

import json
import socket
import struct
import time
from collections.abc import Callable, Iterator
from importlib import resources
from typing import Any

from flask import Blueprint, Response, request, stream_with_context

from dashboard.cameras.budgets import camera_budget
from dashboard.cameras.hub import Hub, Shown
from dashboard.cameras.overview import EVERY_S, Overview
from dashboard.problems import Refused
from dashboard.services import known_camera, services
from mien.settings import check_camera_name
from mien.types import CameraState, View

BOUNDARY = "mien-view"
MEDIA_TYPE = "application/vnd.mien.stream"
SNAPSHOT_WAIT_S = 2.0
BUDGET_EVERY_S = 1.0
# Enough for the newest views of a few tiles. The kernel would let up to 4 MB of old pictures wait for a slow reader.
SEND_BUFFER_BYTES = 256 * 1024
# The next picture is sent when at most this much of the one before is left: a slow reader gets newer ones.
UNSENT_BYTES = 16 * 1024

_KEEP_ALIVE_S = 1.0
_LOST = (CameraState.NO_SIGNAL, CameraState.ENDED, CameraState.FAILED)
_NO_CACHE = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}

streams = Blueprint("streams", __name__)


@streams.get("/cameras/<name>/stream.mjpg")
def mjpeg(name: str) -> Response:
    """One camera as multipart/x-mixed-replace, for VLC, OBS, `<img>` and scripts."""
    known_camera(name)
    part = part_ahead if _draws_late() else part_with_length
    pictures = mjpeg_parts(services().hub, services().overview, name, part)
    return _flowing(pictures, f"multipart/x-mixed-replace;boundary={BOUNDARY}")


@streams.get("/stream")
def all_tiles() -> Response:
    """All tiles (or those of `?cameras=a,b`) over one connection."""
    text = request.args.get("cameras")
    cameras = None if text is None else [check_camera_name(name) for name in text.split(",") if name]
    return _flowing(tile_messages(services().hub, services().overview, cameras), MEDIA_TYPE)


@streams.get("/cameras/<name>/snapshot.jpg")
def snapshot(name: str) -> Response:
    """The newest view of a camera, drawn for this request when nobody else watches."""
    known_camera(name)
    hub = services().hub
    with hub.viewer([name]) as viewer:
        views = viewer.next(SNAPSHOT_WAIT_S)
    if not views:
        raise Refused(503, f"camera {name!r} has no picture now: it sends none, or no worker is running")
    headers = {**_NO_CACHE, "X-Frame-Id": views[0].view.frame_id}
    return Response(views[0].view.jpeg, mimetype="image/jpeg", headers=headers)


@streams.get("/cameras/<name>/events")
def events(name: str) -> Response:
    """The results of a camera as server-sent events: `result` for each frame, `camera` and `budget` now and then."""
    known_camera(name)
    told = camera_events(services().hub, services().overview, name, services().settings.budget_ms)
    return _flowing(told, "text/event-stream")


def mjpeg_parts(hub: Hub, overview: Overview, name: str, part: Callable[[Shown], bytes]) -> Iterator[bytes]:
    """Yield the parts of an MJPEG stream, each ending with the boundary of the next one.

    Without a picture for a second, the picture "no signal" (or "waiting") is sent once a second.
    """
    yield f"--{BOUNDARY}\r\n".encode()
    if part is part_ahead:
        yield b"Content-Type: image/jpeg\r\n\r\n"
    with hub.viewer([name]) as viewer:
        while True:
            shown = viewer.next(_KEEP_ALIVE_S)
            status = overview.now().get(name)
            lost = status is None or status.state in _LOST
            newest = hub.newest(name)
            if shown:
                yield shown[0].made(part)
            elif newest is not None and not lost:
                yield newest.made(part)
            else:
                yield part(_placeholder(name, "no-signal.jpg" if lost else "waiting.jpg"))


def tile_messages(hub: Hub, overview: Overview, cameras: list[str] | None) -> Iterator[bytes]:
    """Yield messages of `/stream` for some cameras (None: for all, new ones too)."""
    told_s = -EVERY_S
    with hub.viewer(cameras) as viewer:
        while True:
            messages = []
            if time.monotonic() - told_s >= EVERY_S:
                told_s = time.monotonic()
                messages.append(message({"type": "overview"}, overview.now().json))
            messages += [shown.made(view_message) for shown in viewer.next(0.0 if messages else EVERY_S)]
            if messages:
                yield messages[0] if len(messages) == 1 else b"".join(messages)


def camera_events(hub: Hub, overview: Overview, name: str, budget_ms: float) -> Iterator[bytes]:
    """Yield the events of one camera."""
    told_s = budget_told_s = -BUDGET_EVERY_S
    with hub.listener(name) as listener:
        while True:
            events = []
            now_s = time.monotonic()
            if now_s - told_s >= EVERY_S:
                told_s = now_s
                now = overview.now()
                status = now.get(name)
                events.append(_event("camera", {"camera": status and status.to_dict(), "error": now.error}))
                if status is not None and now_s - budget_told_s >= BUDGET_EVERY_S:
                    budget_told_s = now_s
                    events.append(
                        _event("budget", camera_budget(name, budget_ms, status.last_minute, status.budget).to_dict())
                    )
            events += [event.sent for event in listener.next(0.0 if events else EVERY_S)]
            if events:
                yield b"".join(events)


def _event(kind: str, data: dict[str, Any]) -> bytes:
    return f"event: {kind}\ndata: {json.dumps(data, separators=(',', ':'))}\n\n".encode()


def message(head: dict[str, str], body: bytes) -> bytes:
    """Return one message of `/stream`."""
    text = json.dumps(head, separators=(",", ":")).encode()
    return struct.pack(">II", len(text), len(body)) + text + body


def view_message(shown: Shown) -> bytes:
    """Return a view as a message of `/stream`."""
    view = shown.view
    return message({"type": "view", "camera": view.camera, "frame_id": view.frame_id}, view.jpeg)


def part_with_length(shown: Shown) -> bytes:
    """Return a part with all its headers, as programs want it."""
    view = shown.view
    head = (
        f"Content-Type: image/jpeg\r\nContent-Length: {len(view.jpeg)}\r\nX-Frame-Id: {view.frame_id}\r\n"
        f"X-Timestamp: {shown.arrived:.6f}\r\n\r\n"
    )
    return b"".join((head.encode(), view.jpeg, f"\r\n--{BOUNDARY}\r\n".encode()))


def part_ahead(shown: Shown) -> bytes:
    """Return a picture followed by the boundary and headers of the next part.

    Chromium draws a part when the next part's headers are complete, so they are sent at once; the length of a
    picture that does not exist yet cannot be among them.
    """
    return b"".join((shown.view.jpeg, f"\r\n--{BOUNDARY}\r\nContent-Type: image/jpeg\r\n\r\n".encode()))


def _draws_late() -> bool:
    """Return whether the reader is a browser that shows the stream as a picture."""
    if request.headers.get("Sec-Fetch-Dest", "") in ("image", "document", "iframe"):
        return True
    return "Mozilla/" in request.headers.get("User-Agent", "")


def _placeholder(name: str, file: str) -> Shown:
    jpeg = (resources.files("dashboard") / "static" / file).read_bytes()
    return Shown(View(camera=name, frame_id="", jpeg=jpeg), 0, time.monotonic())


def _flowing(pieces: Iterator[bytes], content_type: str) -> Response:
    connection = request.environ.get("gunicorn.socket")
    if isinstance(connection, socket.socket):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
        if hasattr(socket, "TCP_NOTSENT_LOWAT") and connection.family in (socket.AF_INET, socket.AF_INET6):
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, UNSENT_BYTES)
    return Response(stream_with_context(pieces), content_type=content_type, headers=_NO_CACHE)
