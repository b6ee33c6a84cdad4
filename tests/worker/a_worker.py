"""A live worker as a process, with the stub analyzer: `python a_worker.py MILLISECONDS_A_PICTURE`."""

from __future__ import annotations

import signal
import sys

from prometheus_client import CollectorRegistry

from mien.bus.bus import Bus
from mien.errors import MienError, line_of
from mien.logs import configure_logs
from mien.metrics import WorkerMetrics
from mien.settings import load_settings
from tests.support.stub import StubAnalyzer
from worker.live.live import LiveWorker

configure_logs()
settings = load_settings()
bus = Bus.from_settings(settings)
worker = LiveWorker(bus, settings, StubAnalyzer(float(sys.argv[1])), WorkerMetrics(CollectorRegistry()), {})
signal.signal(signal.SIGTERM, lambda *_: worker.stop())
try:
    worker.run()
except MienError as error:  # as the command line does
    sys.exit(f"mien: {line_of(error)}")
