"""A live worker that was killed could not take itself off the list of workers: `mien up` does it for it."""

from __future__ import annotations

import socket
from contextlib import closing

from mien.bus.bus import Bus
from mien.errors import BrokerUnavailable
from mien.logs import get_logger
from mien.settings import Settings

log = get_logger(__name__)


def take_off_the_list(pid: int, bus_url: str, settings: Settings) -> None:
    """Take the worker with a process id of this machine off the list, so that nobody waits 1.5 s for its heartbeat.

    Its cameras are shared among the others at their next heartbeat, with all frames that it held. Where the bus is
    away nothing happens: the heartbeat expires.
    """
    with closing(Bus(bus_url, settings)) as bus:
        try:
            for name, note in bus.workers().items():
                if (note.get("pid"), note.get("host")) == (pid, socket.gethostname()):
                    bus.leave(name)
        except BrokerUnavailable as error:
            log.debug("a worker that died stays on the list until its heartbeat expires", reason=str(error))
