"""The file in which `mien up` keeps the addresses of what it started, for commands in other terminals."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mien.errors import MienError
from mien.files import write_json
from mien.machine import started


@contextmanager
def recorded(path: Path, bus_url: str, jobs_url: str, port: int) -> Iterator[None]:
    """Keep the addresses in the file as long as the brokers run."""
    pid = os.getpid()
    record = {"pid": pid, "started": started(pid), "bus_url": bus_url, "jobs_url": jobs_url, "port": port}
    write_json(path, record, synced=False, mode=0o600)
    try:
        yield
    finally:
        path.unlink(missing_ok=True)


def refuse_second_instance(path: Path) -> None:
    """Raise MienError when the `mien up` that wrote the file still runs; one that was killed could not remove it."""
    try:
        record = json.loads(path.read_text())
        pid = int(record["pid"])
    except (OSError, ValueError, ArithmeticError, LookupError, TypeError):  # there is none, or it is damaged
        return
    if _runs(pid, record):
        raise MienError(f"mien already runs in this folder (process {pid}); stop it first, or use another folder")


def _runs(pid: int, record: dict[str, Any]) -> bool:
    if started(os.getpid()):  # else nobody knows here when a process started
        return started(pid) == record.get("started")
    try:
        os.kill(pid, 0)
    except (OSError, OverflowError):
        return False
    return True
