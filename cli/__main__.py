"""`python -m cli` is `mien`; under `mien up` a process also ends when `mien up` does, even by SIGKILL."""

from __future__ import annotations

import os
import signal
import threading
import time

from cli.main import main

UP_VARIABLE = "_MIEN_UP_PID"


def _end_with(pid: int) -> None:
    while True:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            os.kill(os.getpid(), signal.SIGTERM)
            return
        time.sleep(0.5)


if UP_VARIABLE in os.environ:
    threading.Thread(target=_end_with, args=(int(os.environ.pop(UP_VARIABLE)),), daemon=True).start()
main()
