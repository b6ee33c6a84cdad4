"""What the pages and the API work with: one object a process, made when the application is."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar, cast

from flask import current_app, request

from dashboard.cameras.browser import BrowserCameras
from dashboard.cameras.hub import Hub
from dashboard.cameras.overview import CameraStatus, Overview
from dashboard.jobs.uploads import Uploads
from dashboard.pool import in_event_loop, in_pool
from dashboard.problems import NotFound
from mien.bus.bus import Bus
from mien.errors import InputError
from mien.settings import Settings, check_camera_name

if TYPE_CHECKING:
    from mien.jobs.jobs import Jobs

_EXTENSION = "mien"
_MOST_DIGITS = 12

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Services:
    """The parts of one dashboard process."""

    settings: Settings
    bus: Bus
    jobs: Jobs
    overview: Overview
    hub: Hub
    browser_cameras: BrowserCameras
    uploads: Uploads

    def jobs_in_pool(self, work: Callable[[Jobs], T]) -> T:
        """Return `work(jobs)`, run in the thread pool: what writes or reads many files of a job.

        There it has connections of its own, since a socket of gevent serves the thread that opened it.
        """
        if not in_event_loop():
            return work(self.jobs)

        def run() -> T:
            with closing(type(self.jobs).from_settings(self.settings)) as jobs:
                return work(jobs)

        return in_pool(run)

    def attach(self, extensions: dict[str, object]) -> None:
        """Make `services()` return this object in the application whose extensions are given."""
        extensions[_EXTENSION] = self

    def close(self) -> None:
        """Stop all threads and close the connections."""
        self.browser_cameras.close()
        self.hub.close()
        self.overview.close()
        self.bus.close()


def services() -> Services:
    """Return the services of the application that handles the current request."""
    return cast(Services, current_app.extensions[_EXTENSION])


def known_camera(name: str) -> CameraStatus:
    """Return the status of a camera; raises SettingsError, NotFound or BrokerUnavailable."""
    check_camera_name(name)
    status = services().overview.find(name)
    if status is None:
        raise NotFound(f"there is no camera {name!r}; add one with `mien produce --camera {name} SOURCE`")
    return status


def limit_of(default: int, most: int) -> int:
    """Return what the query says as `limit`; raises InputError."""
    text = request.args.get("limit", str(default))
    if not text.isascii() or not text.isdecimal() or not 1 <= int(text) <= most:
        raise InputError(f"limit must be a number from 1 to {most}, not {text[:20]!r}")
    return int(text)


def number_of(name: str, default: int) -> int:
    """Return a number, 0 or more, that the query gives under a name, or the default; raises InputError."""
    text = request.args.get(name, "")
    if text and not (text.isascii() and text.isdecimal() and len(text) <= _MOST_DIGITS):
        raise InputError(f"{name} must be a number of 0 or more, not {text[:20]!r}")
    return int(text) if text else default
