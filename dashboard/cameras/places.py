"""How far the streams of cameras were read, so that the next read continues there and no entry is lost."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from mien.bus.entries import FIRST_ID, id_order

QUIET_S = 1.0
"""After so long without an entry it is checked whether a camera's stream was made again, with smaller ids."""


@dataclass(slots=True)
class _Place:
    entry_id: str
    heard_s: float = field(default_factory=time.monotonic)


class Places:
    """The id of the entry up to which each camera was read.

    `last_ids` asks the bus for the ids of the newest entries of some cameras. What a camera gave before it was read for
    the first time is `skipped`, or `given`.
    """

    def __init__(
        self, last_ids: Callable[[Sequence[str]], Mapping[str, str]], earlier: Literal["skipped", "given"]
    ) -> None:
        self._last_ids = last_ids
        self._earlier = earlier
        self._places: dict[str, _Place] = {}

    def begin(self, cameras: Iterable[str]) -> None:
        """Read cameras from now on, except for those that are read already; raises BrokerUnavailable."""
        new = [camera for camera in cameras if camera not in self._places]
        if not new:
            return
        starts = self._last_ids(new) if self._earlier == "skipped" else dict.fromkeys(new, FIRST_ID)
        for camera, entry_id in starts.items():
            self._places.setdefault(camera, _Place(entry_id))

    def after(self, cameras: Iterable[str]) -> dict[str, str]:
        """Return the id after which each camera is to be read; raises BrokerUnavailable."""
        cameras = tuple(cameras)
        self.begin(cameras)
        self._look_for_new_streams(cameras)
        return {camera: self._places[camera].entry_id for camera in cameras}

    def note(self, camera: str, entry_id: str) -> None:
        """Remember that a camera was read up to an entry."""
        self._places[camera] = _Place(entry_id)

    def forget_others(self, cameras: Iterable[str]) -> None:
        """Forget all cameras except for these."""
        for camera in self._places.keys() - set(cameras):
            self._places.pop(camera)

    def _look_for_new_streams(self, cameras: Iterable[str]) -> None:
        """Start again at the beginning of a stream that was made again by a broker whose clock had been set back."""
        now_s = time.monotonic()
        quiet = [camera for camera in cameras if now_s - self._places[camera].heard_s >= QUIET_S]
        if not quiet:
            return
        for camera, newest in self._last_ids(quiet).items():
            place = self._places[camera]
            place.heard_s = now_s
            if newest != FIRST_ID and id_order(newest) < id_order(place.entry_id):
                place.entry_id = FIRST_ID
