"""A process under `mien up` also ends when `mien up` does, even by SIGKILL, and removes what that left behind."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Sequence
from pathlib import Path

from mien.scratch import remove_abandoned

VARIABLE = "_MIEN_UP_PID"
"""The variable in which `mien up` tells its processes who it is."""

FOLDERS_VARIABLE = "_MIEN_UP_FOLDERS"
"""The variable in which `mien up` tells its processes the folders of its brokers, with colons between them."""

_LOOK_EVERY_S = 0.5
_SWEEP_EVERY_S = 0.05
_SWEEP_S = 2.0
_KILL_AFTER_S = 5.0


def end_with_parent() -> None:
    """Watch the `mien up` that started this process, if one did, and end this process when it is gone."""
    pid, folders = os.environ.pop(VARIABLE, ""), os.environ.pop(FOLDERS_VARIABLE, "")
    if pid:
        paths = [Path(folder) for folder in folders.split(os.pathsep) if folder]
        threading.Thread(target=_end_with, args=(int(pid), paths), daemon=True).start()


def _end_with(pid: int, folders: Sequence[Path]) -> None:
    # The id of a process may be given to another one, but not to another parent of this one.
    while os.getppid() == pid:
        time.sleep(_LOOK_EVERY_S)
    _remove(folders)
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(_KILL_AFTER_S)
    if os.getpgrp() == os.getpid():  # with all that it has started
        os.killpg(os.getpid(), signal.SIGKILL)
    os.kill(os.getpid(), signal.SIGKILL)


def _remove(folders: Sequence[Path]) -> None:
    """Remove the folders of the brokers, as soon as these have ended as well."""
    until_s = time.monotonic() + _SWEEP_S
    while any(folder.exists() for folder in folders) and time.monotonic() < until_s:
        remove_abandoned()
        time.sleep(_SWEEP_EVERY_S)
