"""From settings to a running live worker: models and libraries load side by side, signals stop it."""

from __future__ import annotations

import importlib
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, start_http_server

from mien.bus.bus import Bus
from mien.errors import BrokerUnavailable, PortInUse
from mien.logs import get_logger
from mien.machine import Machine
from mien.metrics import WorkerMetrics
from mien.settings import Settings
from worker.heap import few_arenas, give_back

if TYPE_CHECKING:
    from worker.live.live import LiveWorker

log = get_logger(__name__)


def run_live(settings: Settings, metrics_port: int | None = None, metrics_host: str = "127.0.0.1") -> None:
    """Read faces until SIGTERM or SIGINT; the first start on a machine measures it, which takes half a second.

    `metrics_port` and `metrics_host`: where to serve Prometheus metrics; None: nowhere. A bus that is away is waited
    for. Raises BrokerRefused, SettingsError, WeightsError or RuntimeMissing when no model can be loaded, and PortInUse.
    """
    started_s = time.monotonic()
    few_arenas()
    bus = Bus.from_settings(settings)
    with suppress(BrokerUnavailable):  # the worker waits for it, and says so
        bus.ping()
    registry = CollectorRegistry()
    metrics = WorkerMetrics(registry)
    # Importing the rest takes a part of the time in which the models load.
    libraries = threading.Thread(target=importlib.import_module, args=("worker.live.live",), daemon=True)
    libraries.start()
    from worker.tuning.governor import Governor
    from worker.tuning.tuner import Nets, open_tuned

    tuned = open_tuned(settings)
    analyzer = tuned.analyzer
    libraries.join()
    from worker.live.live import LiveWorker

    about = {
        "runtime": analyzer.runtime,
        "detector": analyzer.detector,
        "weights": analyzer.weights,
        "threads": tuned.settings.inference_threads,
        "va_source": analyzer.va_source,
    }
    governor = Governor(tuned.steps, tuned.costs, tuned.room, Nets(analyzer))
    worker = LiveWorker(
        bus, tuned.settings, analyzer, metrics, about, governor, batches_cost_less=tuned.batches_cost_less
    )
    give_back()
    with _metrics_server(metrics_port, metrics_host, registry), _signals(worker):
        seconds = round(time.monotonic() - started_s, 2)
        log.info("worker ready", seconds=seconds, instructions=Machine.this().instructions, **about)
        worker.run()
    bus.close()


@contextmanager
def _signals(worker: LiveWorker) -> Iterator[None]:
    def stop(_number: int, _frame: FrameType | None) -> None:
        worker.stop()

    before = {number: signal.signal(number, stop) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _metrics_server(port: int | None, host: str, registry: CollectorRegistry) -> Iterator[None]:
    if port is None:
        yield
        return
    try:
        server, thread = start_http_server(port, host, registry)
    except OSError as error:
        raise PortInUse(f"metrics port {port} on {host} cannot be used ({error.strerror}): choose another") from None
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
