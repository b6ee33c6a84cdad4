"""Who may talk to the dashboard: hosts, origins, tokens, headers."""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from urllib.parse import urlsplit

from flask import Flask, Response, request

from dashboard.problems import problem
from mien.settings import Settings

LOOPBACK_HOSTS = frozenset({"127.0.0.1", "localhost", "[::1]"})
REQUEST_BYTES = 1 << 20

_CONTENT_SECURITY_POLICY = "; ".join((
    "default-src 'none'", "script-src 'self'", "style-src 'self'", "img-src 'self' blob: data:", "connect-src 'self'",
    "media-src 'self' blob:", "frame-src 'self'", "worker-src 'self'", "manifest-src 'self'",
    "form-action 'self'", "base-uri 'none'", "frame-ancestors 'none'",
))  # fmt: skip
_HEADERS = {
    "Content-Security-Policy": _CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(self), microphone=(), geolocation=()",
}


def protect(app: Flask, settings: Settings) -> None:
    """Check the host and the origin of every request of `app`, and set up what its tokens need."""
    allowed = LOOPBACK_HOSTS | {name.lower() for name in settings.allowed_hosts}
    # Cookies do not know ports: two dashboards on one machine would overwrite each other's session.
    app.config.update(
        SECRET_KEY=secrets.token_bytes(32),
        SESSION_COOKIE_NAME=f"mien-{settings.port}",
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Strict",
        MAX_CONTENT_LENGTH=REQUEST_BYTES,
        WTF_CSRF_TIME_LIMIT=None,
        WTF_CSRF_HEADERS=["X-CSRFToken"],
    )

    @app.before_request
    def check_sender() -> Response | None:
        return _check_host(allowed) or _check_origin(allowed)

    @app.after_request
    def add_headers(response: Response) -> Response:
        for name, value in _HEADERS.items():
            response.headers.setdefault(name, value)
        return response


def host_of(netloc: str) -> str:
    """Return the host of `host[:port]` in small letters, IPv6 in brackets, empty when it cannot be read."""
    try:
        host = urlsplit(f"//{netloc}").hostname or ""
    except ValueError:
        return ""
    return f"[{host}]" if ":" in host else host


def _check_host(allowed: Iterable[str]) -> Response | None:
    host = request.headers.get("Host", "")
    if host_of(host) in allowed:
        return None
    return problem(421, f"this dashboard does not answer to the host {host[:100]!r}; see the setting allowed_hosts")


def _check_origin(allowed: Iterable[str]) -> Response | None:
    origin = request.headers.get("Origin")
    if origin is None or host_of(origin.partition("://")[2].partition("/")[0]) in allowed:
        return None
    return problem(403, f"requests from {origin[:100]!r} are refused")
