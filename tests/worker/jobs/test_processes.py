from __future__ import annotations

import os
import subprocess
import sys

import pytest

from worker.jobs.processes import is_alive, pid_space

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells")


def test_processes_that_see_each_other_share_a_pid_space() -> None:
    command = [sys.executable, "-c", "from worker.jobs.processes import pid_space; print(pid_space())"]
    assert subprocess.check_output(command, text=True, env={**os.environ, "PYTHONPATH": "."}).strip() == pid_space()
    assert len(pid_space()) > 36


def test_a_process_is_alive_until_it_has_ended() -> None:
    with subprocess.Popen(["sleep", "60"]) as process:
        assert is_alive(process.pid)
        process.kill()
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)  # it has ended, and is still listed
        assert not is_alive(process.pid)
        process.wait()
        assert not is_alive(process.pid)
    assert is_alive(os.getpid())
    assert is_alive(1)
