"""Everything on one machine: two embedded brokers, and one process for each part."""

from __future__ import annotations

import os
import socket
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from contextlib import suppress

from rich.console import Console

from cli.up.commands import Commands
from cli.up.departed import take_off_the_list
from cli.up.lines import Lines
from cli.up.parent import FOLDERS_VARIABLE, VARIABLE
from cli.up.processes import LocalProcesses
from cli.up.record import recorded, refuse_second_instance
from cli.up.scaler import WorkerScaler
from mien.bus.bus import Bus
from mien.bus.embedded import EmbeddedBroker
from mien.errors import PortInUse, SettingsError
from mien.logs import get_logger
from mien.machine import Machine
from mien.private import keep_private
from mien.settings import Settings, check_camera_name
from worker.tuning.forecast import most_workers

_READY_TIMEOUT_S = 60

log = get_logger(__name__)


def run_all(settings: Settings, cameras: Sequence[str]) -> int:
    """Run mien until Ctrl-C or until one of its processes died five times within a minute; returns the exit code.

    Whatever ends is started again. Brokers start first and stop last, so that every process can end its frames. There
    are `settings.workers` live workers; with 0 there is one, and another one whenever there are more live cameras than
    workers. Raises PortInUse, SettingsError, or BrokerUnavailable.
    """
    sources = dict(_camera_and_source(text) for text in cameras)
    check_port(settings.host, settings.port)
    refuse_second_instance(settings.up_record)
    console = Console(stderr=True, highlight=False)
    data_dir = settings.data_dir.absolute()
    mended = keep_private(data_dir)
    if mended:
        log.info("the data folder is closed to other users now", folder=str(data_dir), modes=mended)
    with (
        LocalProcesses(Lines(sys.stderr)) as processes,
        EmbeddedBroker() as bus,
        EmbeddedBroker(keep_in=data_dir / "broker") as jobs,
        recorded(settings.up_record, bus.url, jobs.url, settings.port),
    ):
        commands = Commands(
            {
                **os.environ,
                "MIEN_BUS_URL": bus.url,
                "MIEN_JOBS_URL": jobs.url,
                "MIEN_DATA_DIR": str(data_dir),
                "PYTHONUNBUFFERED": "1",
                VARIABLE: str(os.getpid()),
                FOLDERS_VARIABLE: os.pathsep.join(str(broker.folder) for broker in (bus, jobs)),
            },
            worker_died=lambda pid: take_off_the_list(pid, bus.url, settings),
        )
        processes.keep("broker of cameras", bus)
        processes.keep("broker of jobs", jobs)
        _start_all(processes, commands, settings, sources)
        threading.Thread(target=_announce, args=(settings, console), daemon=True).start()
        if settings.workers == 0:
            most = most_workers(settings, Machine.this())
            scaler = WorkerScaler(Bus(bus.url, settings), most, lambda: processes.start(commands.live_worker()))
            threading.Thread(target=scaler.watch, args=(processes.stopping,), daemon=True).start()
        gave_up = processes.run()
    with suppress(OSError):  # the terminal may be gone
        console.print(f"mien stopped, because {gave_up}." if gave_up else "mien stopped.", markup=False, soft_wrap=True)
    return 1 if gave_up else 0


def check_port(host: str, port: int) -> None:
    """Raise PortInUse when nothing can listen on `port` now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise PortInUse(
                f"port {port} on {host} cannot be used ({error.strerror}); choose another: mien up --port {port + 1}"
            ) from None


def _camera_and_source(text: str) -> tuple[str, str]:
    name, separator, source = text.partition("=")
    if not separator or not source:
        raise SettingsError(f"--camera {text!r} is not NAME=SOURCE, such as door=rtsp://10.0.0.7/live")
    return check_camera_name(name), source


def _start_all(processes: LocalProcesses, commands: Commands, settings: Settings, sources: Mapping[str, str]) -> None:
    processes.start(commands.dashboard(settings))
    for _ in range(settings.workers or 1):
        processes.start(commands.live_worker())
    processes.start(commands.job_worker())
    for name, source in sources.items():
        processes.start(commands.camera(name, source))


def _announce(settings: Settings, console: Console) -> None:
    """Say where to look, as soon as there is something to see."""
    address = f"http://{settings.host}:{settings.port}"
    deadline = time.monotonic() + _READY_TIMEOUT_S
    while time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(f"{address}/readyz", timeout=1):
                console.print(f"\n  mien is at [bold]{address}[/bold]   (Ctrl-C stops it)\n")
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
    log.warning("the dashboard does not answer", address=address)
