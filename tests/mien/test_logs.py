"""No password reaches a log."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Literal

import pytest

from mien.address import Address
from mien.logs import configure_logs, get_logger


def test_events_are_json_without_passwords(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs("info", "json")
    get_logger("x").info("camera opened", source="rtsp://me:s3cret@host/")
    get_logger("x").debug("not shown")
    event = json.loads(capsys.readouterr().err)
    assert event["event"] == "camera opened"
    assert "s3cret" not in json.dumps(event)


@pytest.mark.parametrize("log_format", ["json", "text"])
@pytest.mark.parametrize("secret", ["S3cr@et", "S3cr/et", "S3cr et"])
def test_no_value_of_an_event_nor_a_traceback_shows_a_secret(
    capsys: pytest.CaptureFixture[str], log_format: Literal["json", "text"], secret: str
) -> None:
    address = f"rtsp://me:{secret}@10.0.0.7/live"
    configure_logs("info", log_format)
    log = get_logger("x")
    log.info("nested", cameras=[{"door": {"source": address}}, (address,)], by={address: 1}, error=ValueError(address))
    log.info("typed", address=Address.of_camera(address), password=secret)
    try:
        raise ValueError(f"cannot open {address}")
    except ValueError:
        log.exception("failed")
    said = capsys.readouterr().err
    assert "S3c" not in said
    assert secret[3:] not in said
    assert said.count("10.0.0.7") >= 6
    assert "Traceback" in said


def test_what_nobody_caught_is_printed_without_secrets() -> None:
    code = (
        "import threading; from mien.logs import print_crashes_without_secrets; print_crashes_without_secrets()\n"
        "def open_it(): raise OSError('rtsp://me:S3cr' + '/et@10.0.0.7/live')\n"
        "thread = threading.Thread(target=open_it); thread.start(); thread.join()\n"
        "open_it()"
    )
    run = subprocess.run([sys.executable, "-c", code], stderr=subprocess.PIPE, text=True, timeout=60)
    assert run.returncode == 1
    assert run.stderr.count("OSError: rtsp://***@10.0.0.7/live") == 2


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
