"""Where the dashboard may listen: it has no login, so only where nobody else can reach it."""

from __future__ import annotations

import ipaddress
import os
from pathlib import Path

from mien.errors import SettingsError
from mien.settings import Settings

_CONTAINER_MARKS = (Path("/.dockerenv"), Path("/run/.containerenv"))
_CONTAINER_VARIABLE = "container"  # set by Podman and systemd-nspawn, in small letters


def check_exposure(settings: Settings) -> None:
    """Raise SettingsError when other people could reach the dashboard, which has no login."""
    if settings.exposure == "network":
        raise SettingsError("exposure 'network' needs login, which this version does not have; use exposure 'local'")
    if is_loopback(settings.host):
        return
    if "exposure" in settings.model_fields_set and in_container():
        return
    raise SettingsError(
        f"the dashboard has no login and does not listen on {settings.host!r}: use --host 127.0.0.1"
        " (in a container whose port is published on 127.0.0.1 only, set MIEN_EXPOSURE=local)"
    )


def in_container() -> bool:
    """Return whether this process runs in a container."""
    return any(mark.exists() for mark in _CONTAINER_MARKS) or bool(os.environ.get(_CONTAINER_VARIABLE))


def is_loopback(host: str) -> bool:
    """Return whether only this machine reaches what listens on `host`."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host.lower() == "localhost"
