"""What `mien up` left in its file blocks the next start only while that very process runs."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from cli.up.record import recorded, refuse_second_instance
from mien.errors import MienError
from tests.support.paths import ROOT


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / ".mien" / "up.json"


def test_the_record_is_there_as_long_as_mien_runs_and_for_its_owner_alone(path: Path) -> None:
    with recorded(path, "unix:///b", "unix:///j", 8000):
        record = json.loads(path.read_text())
        assert (record["bus_url"], record["jobs_url"], record["port"]) == ("unix:///b", "unix:///j", 8000)
        assert path.stat().st_mode & 0o777 == 0o600
        with pytest.raises(MienError, match=rf"already runs in this folder \(process {os.getpid()}\)"):
            refuse_second_instance(path)
    assert not path.exists()
    refuse_second_instance(path)


def test_a_record_of_a_killed_one_does_not_block_while_it_is_a_zombie_or_gone(path: Path) -> None:
    program = (
        "import signal\nfrom pathlib import Path\nfrom cli.up.record import recorded\n"
        f"with recorded(Path({str(path)!r}), 'b', 'j', 1):\n    print('here', flush=True)\n    signal.pause()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "here\n"
        with pytest.raises(MienError, match="already runs"):
            refuse_second_instance(path)
        process.send_signal(signal.SIGKILL)
        assert process.stdout.read() == ""  # its end, before anybody has waited for it
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        refuse_second_instance(path)
    assert path.exists()
    refuse_second_instance(path)


@pytest.mark.parametrize("change", ["another process", "another start", "another boot", "an older mien"])
def test_a_record_whose_process_id_was_given_to_another_process_does_not_block(path: Path, change: str) -> None:
    with recorded(path, "b", "j", 1):
        record = json.loads(path.read_text())
        boot, _, ticks = record["started"].partition(" ")
        assert boot
        assert int(ticks) > 0
        if change == "another process":
            record["pid"] = 1  # it runs, and has for longer
        elif change == "another start":
            record["started"] = f"{boot} {int(ticks) - 1}"
        elif change == "another boot":
            record["started"] = f"0{boot[1:]}x {ticks}"
        else:
            del record["started"]
        path.write_text(json.dumps(record))
        refuse_second_instance(path)


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "7", "null", '{"pid": null}', '{"pid": "x"}', '{"pid": 1e400}', "\x00"]
)
def test_a_record_that_cannot_be_read_does_not_block(path: Path, text: str) -> None:
    path.parent.mkdir()
    path.write_text(text)
    refuse_second_instance(path)
