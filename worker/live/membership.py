"""Step 1, the cameras: which ones are this worker's own among all workers, and what dead workers left behind.

Every worker computes the same share of the cameras from the same two lists by rendezvous hashing (Thaler and
Ravishankar, 1998) with bounded loads (Mirrokni et al., 2016): a camera goes to the worker with the highest hash of the
pair, unless that one has its fair share already. Without the bound one worker of three has no camera at all in one case
of ten (9 cameras). The bound is on both sides, so that no worker has two cameras more than another one; for that about
one camera of twenty moves needlessly when a worker comes or leaves (2 to 6 workers, 2 to 32 cameras).
"""

from __future__ import annotations

import hashlib
import os
import secrets
import socket
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from mien.bus.bus import Bus
from mien.logs import get_logger
from mien.machine import boot_id
from mien.types import Camera, CameraState, Frame

RECLAIM_EVERY_S = 5.0
"""Besides at every change, dead workers' frames are looked for this often, in case a change went unseen."""

FORGET_DEAD_AFTER_S = 30.0

GONE = frozenset({CameraState.ENDED, CameraState.FAILED, CameraState.NO_SIGNAL})
"""States in which a camera sends nothing."""

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Change:
    """What a heartbeat found: cameras gained and lost, and frames taken over from workers that are gone."""

    gained: frozenset[str] = frozenset()
    lost: frozenset[str] = frozenset()
    frames: tuple[Frame, ...] = ()


@dataclass(slots=True)
class Membership:
    """This worker's place in the group; `rejoin` gives it a new name, and with it a new life."""

    bus: Bus
    name: str = field(default_factory=lambda: new_name())
    cameras: dict[str, Camera] = field(default_factory=dict)
    others: frozenset[str] = frozenset()
    _joined: bool = False
    _earlier_names: list[str] = field(default_factory=list)
    _reclaimed_at: float = 0.0
    _dead_since: dict[str, float] = field(default_factory=dict)

    def beat(self, note: Mapping[str, object]) -> Change:
        """Tell the others that this worker lives, and return what changed for it.

        Frames of dead workers are taken over before anything new is read of their cameras, so that a lossless
        camera stays in order.
        """
        while self._earlier_names:
            self.bus.leave(self._earlier_names[-1])
            self._earlier_names.pop()
        workers = self.bus.beat(self.name, note)
        self._joined = True
        others = frozenset(workers.live) - {self.name}
        known = {camera.name: camera for camera in self.bus.cameras()}
        owners = share_cameras(known, {self.name, *others})
        own = {name: camera for name, camera in known.items() if owners[name] == self.name}
        gained, lost = frozenset(own.keys() - self.cameras.keys()), frozenset(self.cameras.keys() - own.keys())
        reclaim_all = others != self.others or time.monotonic() - self._reclaimed_at > RECLAIM_EVERY_S
        frames = self._reclaim(own if reclaim_all else gained, workers.live)
        if reclaim_all:
            self._reclaimed_at = time.monotonic()
        if others != self.others or gained or lost:
            log.info("cameras shared", worker=self.name, workers=len(others) + 1, cameras=",".join(sorted(own)) or "-")
        self.cameras, self.others = own, others
        self._forget_dead(workers.dead)
        return Change(gained, lost, tuple(frames))

    def rejoin(self) -> None:
        """Go on under a new name, after the bus was away.

        What was read under the old name may have been lost on the way here; as the frames of a worker that is gone
        they are taken over like any other's. A name under which nothing was ever read is kept.
        """
        if self._joined:
            self._earlier_names.append(self.name)
            self.name, self._joined = new_name(), False
        self.cameras, self.others = {}, frozenset()

    def quiet_cameras(self) -> list[str]:
        """Return the own cameras whose producer sends nothing any more."""
        return [camera.name for camera in self.bus.cameras() if camera.name in self.cameras and camera.state in GONE]

    def _reclaim(self, cameras: Mapping[str, Camera] | frozenset[str], live: tuple[str, ...]) -> list[Frame]:
        frames = [frame for camera in sorted(cameras) for frame in self.bus.reclaim(self.name, camera, live)]
        if frames:
            log.info("frames taken over from a worker that is gone", worker=self.name, frames=len(frames))
        return frames

    def _forget_dead(self, dead: tuple[str, ...]) -> None:
        now = time.monotonic()
        self._dead_since = {name: self._dead_since.get(name, now) for name in dead}
        for name, since in self._dead_since.items():
            if now - since > FORGET_DEAD_AFTER_S:
                self.bus.leave(name)


def new_name() -> str:
    """Return a name that no worker had before; host and process are in it for people, the machine for `beside`."""
    return f"{socket.gethostname()}-{os.getpid()}-{_machine()}-{secrets.token_hex(3)}"


def beside(name: str, others: Collection[str]) -> int:
    """Return how many of the other workers share this one's machine, containers of one machine included."""
    return sum(other.split("-")[-2:-1] == name.split("-")[-2:-1] for other in others)


def _machine() -> str:
    """Return four letters that tell this machine from most others: containers have names of their own."""
    return hashlib.sha256((boot_id() or socket.gethostname()).encode()).hexdigest()[:4]


def share_cameras(cameras: Mapping[str, Camera], workers: Collection[str]) -> dict[str, str]:
    """Return the worker of each camera. Those that send nothing are shared on their own, for what they left behind.

    So they do not count where the work is shared: one worker might have all that are gone, and another all that live.
    """
    gone = {name for name, camera in cameras.items() if camera.state in GONE}
    return {**share(cameras.keys() - gone, workers), **share(gone, workers)}


def share(cameras: Collection[str], workers: Collection[str]) -> dict[str, str]:
    """Return the worker of each camera: every one has ⌊cameras / workers⌋ or one more. Empty without workers."""
    if not workers:
        return {}
    fair, left_over = divmod(len(cameras), len(workers))
    loads = dict.fromkeys(workers, 0)
    owners: dict[str, str] = {}
    pairs = ((affinity(camera, worker), camera, worker) for camera in cameras for worker in workers)
    for _, camera, worker in sorted(pairs, reverse=True):
        if camera in owners or loads[worker] >= fair + (left_over > 0):
            continue
        if loads[worker] == fair:
            left_over -= 1
        owners[camera] = worker
        loads[worker] += 1
    return owners


def affinity(camera: str, worker: str) -> int:
    """Return how much a camera and a worker belong together: 64 bits, the same on every host."""
    return int.from_bytes(hashlib.blake2b(f"{camera}\0{worker}".encode(), digest_size=8).digest(), "big")
