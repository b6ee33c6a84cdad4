"""Views on the bus as a test or a bench wants them: put without a frame, and read once without waiting."""

from __future__ import annotations

from mien.bus.bus import Bus
from mien.bus.entries import FIRST_ID, view_key
from mien.types import View


def put_view(bus: Bus, view: View) -> None:
    """Store the newest view of a camera, as the end of a frame does."""
    fields: dict[str, bytes | str] = {"jpeg": view.jpeg, "frame_id": view.frame_id}
    bus._redis.xadd(view_key(view.camera), fields, maxlen=2, approximate=False)  # type: ignore[arg-type]


def newest_view(bus: Bus, camera: str) -> View | None:
    """Return the newest view of a camera, however old."""
    read = bus.read_views({camera: FIRST_ID}, block_ms=0).get(camera)
    return read[1] if read is not None else None
