"""A process under `mien up` also ends when `mien up` does, even by SIGKILL."""

from __future__ import annotations

import os
import signal
import threading
import time

VARIABLE = "_MIEN_UP_PID"
"""The variable in which `mien up` tells its processes who it is."""

_LOOK_EVERY_S = 0.5


def end_with_parent() -> None:
    """Watch the `mien up` that started this process, if one did, and send SIGTERM to this process when it is gone."""
    pid = os.environ.pop(VARIABLE, "")
    if pid:
        threading.Thread(target=_end_with, args=(int(pid),), daemon=True).start()


def _end_with(pid: int) -> None:
    while True:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            os.kill(os.getpid(), signal.SIGTERM)
            return
        time.sleep(_LOOK_EVERY_S)
