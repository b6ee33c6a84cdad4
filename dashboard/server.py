"""gunicorn with one gevent worker: one event loop for all viewers.

Measured on 2 cores (`python -m bench fanout`): one such worker relays 90 KB pictures to 50 viewers at 25 fps with 9 %
of a core, most of it the kernel's copying; threads starve viewers.
"""

from __future__ import annotations

import errno
import socket
from typing import TYPE_CHECKING, Any

from gunicorn.app.base import BaseApplication
from gunicorn.workers.ggevent import GeventWorker

from dashboard.endings import end_process
from dashboard.exposure import check_exposure
from mien.errors import BrokerRefused, BrokerUnavailable, PortInUse, SettingsError, line_of
from mien.logs import get_logger
from mien.settings import Settings, check_address

if TYPE_CHECKING:
    from flask import Flask

_BACKLOG = 256

log = get_logger(__name__)


class DashboardWorker(GeventWorker):  # type: ignore[misc]
    """A gevent worker that does not wait for streams, which never end by themselves, when it is asked to stop."""

    def handle_exit(self, sig: int, frame: Any) -> None:
        """End at once, without waiting for streams."""
        self.handle_quit(sig, frame)


class DashboardServer(BaseApplication):  # type: ignore[misc]
    """gunicorn, set up from our settings on a socket that listens already."""

    def __init__(self, settings: Settings, listener: socket.socket) -> None:
        self._settings = settings
        self._listener = listener
        super().__init__()

    def load_config(self) -> None:
        """Set what differs from gunicorn's defaults."""
        options = {
            "bind": f"fd://{self._listener.fileno()}",
            "workers": 1,
            "worker_class": DashboardWorker,
            "worker_connections": 500,
            "graceful_timeout": 1,
            "timeout": 30,
            "keepalive": 5,
            "loglevel": "warning",
            "errorlog": "-",
            "accesslog": None,
            "proc_name": "mien-dashboard",
            "worker_exit": _close_services,
        }
        for name, value in options.items():
            self.cfg.set(name, value)

    def load(self) -> Flask:
        """Return the application; called in the worker, after gevent has patched it."""
        from dashboard.app import create_app
        from mien.logs import configure_logs

        configure_logs(self._settings.log_level, self._settings.log_format)
        app = create_app(self._settings, refused=end_process)
        parts = app.extensions["mien"]
        for ping in (parts.bus.ping, parts.jobs.ping):
            try:
                ping()
            except BrokerUnavailable as error:  # pages say so, until it is there
                log.warning("the broker is away; the dashboard starts without it", reason=line_of(error))
            except BrokerRefused as error:
                end_process(error)
        return app


def listen(host: str, port: int) -> socket.socket:
    """Return a listening socket; raises PortInUse, or SettingsError for an address that is not this machine's."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host.strip("[]"), port))
        listener.listen(_BACKLOG)
    except OSError as error:
        listener.close()
        if isinstance(error, PermissionError):
            raise SettingsError(f"port {port} needs rights that you do not have; choose one above 1023") from None
        if error.errno == errno.EADDRINUSE:
            raise PortInUse(f"port {port} on {host} is taken; choose another one with --port") from None
        raise SettingsError(f"the dashboard cannot listen on {host}:{port}: {error.strerror or error}") from None
    return listener


def serve(settings: Settings) -> None:
    """Run the dashboard until it is asked to stop; raises PortInUse, SettingsError.

    Ends the process with 4 when a broker refuses what it is asked.
    """
    check_exposure(settings)
    listener = listen(settings.host, settings.port)  # gunicorn closes it
    check_address(settings.bus_url, "bus")
    check_address(settings.jobs_url, "jobs")
    DashboardServer(settings, listener).run()


def _close_services(_arbiter: Any, worker: Any) -> None:
    app = getattr(worker, "wsgi", None)
    if app is not None and "mien" in getattr(app, "extensions", {}):
        app.extensions["mien"].close()
