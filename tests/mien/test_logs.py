"""No password reaches a log."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from mien.logs import configure_logs, get_logger, without_password


def test_user_and_password_of_an_address_are_hidden() -> None:
    assert without_password("open rtsp://me:s3cret@10.0.0.7/live?x=1 now") == "open rtsp://***@10.0.0.7/live?x=1 now"
    assert without_password("redis://:pw@bus:6379/0") == "redis://***@bus:6379/0"
    assert without_password("mail me@example.org") == "mail me@example.org"


def test_events_are_json_without_passwords(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs("info", "json")
    get_logger("x").info("camera opened", source="rtsp://me:s3cret@host/")
    get_logger("x").debug("not shown")
    event = json.loads(capsys.readouterr().err)
    assert event["event"] == "camera opened"
    assert "s3cret" not in json.dumps(event)


def test_a_log_that_cannot_be_written_ends_nothing(tmp_path: Path) -> None:
    code = (
        "import resource; from mien.logs import configure_logs, get_logger; configure_logs();"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100));"
        "[get_logger('x').warning('no room', number=n) for n in range(20)];"
        "print('still here')"
    )
    with (tmp_path / "log").open("w") as log:
        command = [sys.executable, "-c", code]
        run = subprocess.run(command, stderr=log, stdout=subprocess.PIPE, text=True, timeout=60)
    assert run.stdout == "still here\n"
    assert 0 < (tmp_path / "log").stat().st_size <= 100
