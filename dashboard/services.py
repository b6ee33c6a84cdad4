"""What the pages and the API work with: one object a process, made when the application is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from flask import current_app

from dashboard.browser_cameras import BrowserCameras
from dashboard.hub import Hub
from dashboard.overview import CameraStatus, Overview
from dashboard.problems import NotFound
from dashboard.uploads import Uploads
from mien.bus import Bus
from mien.settings import Settings, check_camera_name

if TYPE_CHECKING:
    from mien.jobs import Jobs

_EXTENSION = "mien"


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
