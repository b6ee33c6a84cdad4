"""Starting a producer as a process of its own."""

from __future__ import annotations

import os
import signal
import sys
import threading
from types import FrameType

from mien.address import Address
from mien.bus.bus import Bus
from mien.settings import Settings, check_camera_name
from mien.types import Delivery
from producer.producer import Producer
from producer.sources.capture import set_up_opencv
from producer.sources.choose import SourceRequest, make_source


def run_camera(camera: str, source: Address, settings: Settings, *, delivery: Delivery, wishes: SourceRequest) -> None:
    """Produce camera `camera` from what is at `source`, until it ends or SIGINT or SIGTERM comes.

    Raises SettingsError for a name that cannot be used, UnknownSource when there is no such source, SourceError when
    the camera has a producer already, BrokerUnavailable when there is no broker.
    """
    check_camera_name(camera)
    set_up_opencv()
    pictures = make_source(source, settings, wishes)
    stop = stop_on_signals()
    bus = Bus.from_settings(settings)
    producer = Producer(
        camera, pictures, bus, settings, shown=source, delivery=delivery, most_fps=wishes.fps, stop=stop
    )
    try:
        producer.run()
    finally:
        bus.close()
    if producer.hangs:
        # Nothing ends a thread that is inside OpenCV, and when it comes back while Python shuts down it aborts the
        # process. All is done and logged by now: leave at once.
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(0)


def stop_on_signals() -> threading.Event:
    """Return an event that SIGINT and SIGTERM set."""
    stop = threading.Event()

    def on_signal(_number: int, _frame: FrameType | None) -> None:
        # Set in a thread of its own: the main thread may hold the event's lock now, and would wait for itself.
        threading.Thread(target=stop.set).start()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, on_signal)
    return stop
