from __future__ import annotations

import pytest
from flask import Flask

from dashboard.app import create_app
from dashboard.exposure import check_exposure
from dashboard.security import host_of
from mien.errors import SettingsError
from mien.settings import Settings

STATE_CHANGING = [
    ("POST", "/api/v1/browser-cameras"),
    ("POST", "/api/v1/browser-cameras/x/frames"),
    ("POST", "/api/v1/browser-cameras/x/end"),
    ("POST", "/api/v1/uploads"),
    ("POST", "/api/v1/uploads/abc/files"),
    ("DELETE", "/api/v1/uploads/abc"),
    ("POST", "/api/v1/jobs"),
    ("DELETE", "/api/v1/jobs/abc"),
    ("POST", "/api/v1/jobs/abc/cancel"),
    ("POST", "/api/v1/jobs/abc/retry"),
]


@pytest.mark.parametrize("host", ["127.0.0.1:8000", "localhost", "localhost:1234", "[::1]:8000", "LocalHost:8000"])
def test_loopback_hosts_are_answered(app: Flask, host: str) -> None:
    assert app.test_client().get("/healthz", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example:8000", "localhost.evil.example", "10.0.0.1"])
def test_other_hosts_are_refused(app: Flask, host: str) -> None:
    answer = app.test_client().get("/healthz", headers={"Host": host})
    assert answer.status_code == 421
    assert host.split(":")[0] in answer.get_json()["error"]["detail"]


def test_allowed_hosts_are_answered(settings: Settings) -> None:
    app = create_app(settings.model_copy(update={"allowed_hosts": ("Wall.example",)}))
    assert app.test_client().get("/healthz", headers={"Host": "wall.example:8000"}).status_code == 200
    app.extensions["mien"].close()


@pytest.mark.parametrize(
    "origin",
    [
        "http://evil.example", "null", "http://localhost.evil.example", "http://10.0.0.1", "http://[", "http://[::1",
        "http://]", "", "localhost", "http://localhost@evil.example", "http://evil.example#@localhost", "http://[::g]",
        "http://localhost:x@evil.example/localhost", "//localhost", "http:///localhost", "\ud800",
    ],
)  # fmt: skip
def test_other_origins_are_refused(app: Flask, origin: str) -> None:
    for method in ("GET", "POST"):
        answer = app.test_client().open("/api/v1/uploads", method=method, headers={"Origin": origin})
        assert answer.status_code == 403


@pytest.mark.parametrize(("method", "path"), STATE_CHANGING)
def test_requests_that_change_something_need_a_token(app: Flask, method: str, path: str) -> None:
    client = app.test_client()
    for headers in ({}, {"X-CSRFToken": "wrong"}):
        answer = client.open(path, method=method, headers=headers)
        assert answer.status_code == 403
        assert answer.get_json()["error"]["code"] == "csrf"


def test_every_route_that_changes_something_is_in_the_list_above(app: Flask) -> None:
    routes = {
        (method, str(rule))
        for rule in app.url_map.iter_rules()
        for method in (rule.methods or set()) - {"GET", "HEAD", "OPTIONS"}
    }
    assert len(routes) == len(STATE_CHANGING)


def test_a_token_of_another_session_is_refused(app: Flask) -> None:
    token = app.test_client().get("/api/v1/token").get_json()["token"]
    answer = app.test_client().post("/api/v1/uploads", headers={"X-CSRFToken": token})
    assert answer.status_code == 403


def test_the_token_of_a_session_is_accepted(app: Flask) -> None:
    client = app.test_client()
    token = client.get("/api/v1/token").get_json()["token"]
    assert client.post("/api/v1/uploads", headers={"X-CSRFToken": token}).status_code == 201


def test_every_answer_has_strict_headers(app: Flask) -> None:
    for path in ("/", "/healthz", "/nothing", "/static/mien.css"):
        with app.test_client().get(path) as answer:
            headers = answer.headers
        policy = headers["Content-Security-Policy"]
        assert "script-src 'self'" in policy
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy
        assert headers["X-Content-Type-Options"] == "nosniff"


def test_pages_have_no_inline_scripts_or_styles(app: Flask) -> None:
    for path in ("/", "/jobs", "/jobs/0123456789abcdef", "/api", "/about"):
        page = app.test_client().get(path, headers={"Accept": "text/html"}).get_data(as_text=True)
        assert "<script>" not in page
        assert " style=" not in page
        assert "://" not in page.replace("http://localhost", "").replace("test://", "").replace("rtsp://", "")


@pytest.mark.parametrize(
    ("netloc", "host"),
    [("a:1", "a"), ("[::1]:5", "[::1]"), ("", ""), ("[::1", ""), ("user@evil", "evil"), ("A.b", "a.b")],
)
def test_host_of_reads_a_netloc(netloc: str, host: str) -> None:
    assert host_of(netloc) == host


def test_it_does_not_listen_beyond_loopback(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    everywhere = settings.model_copy(update={"host": "0.0.0.0"})
    monkeypatch.setattr("dashboard.exposure.in_container", lambda: True)
    with pytest.raises(SettingsError, match="no login"):
        check_exposure(everywhere)  # in a container somebody must have said `local`
    said = settings.model_copy(update={"host": "0.0.0.0", "exposure": "local"})
    check_exposure(said)
    monkeypatch.setattr("dashboard.exposure.in_container", lambda: False)
    with pytest.raises(SettingsError, match="no login"):
        check_exposure(said)


def test_exposure_network_says_that_login_is_missing(settings: Settings) -> None:
    with pytest.raises(SettingsError, match="needs login"):
        check_exposure(settings.model_copy(update={"exposure": "network"}))


@pytest.mark.parametrize(
    ("host", "fine"),
    [
        *((host, True) for host in ("127.0.0.1", "127.3.2.1", "localhost", "::1", "[::1]")),
        *((host, False) for host in ("10.0.0.7", "::", "localhost.example", "128.0.0.1")),
    ],
)
def test_only_loopback_is_fine(settings: Settings, host: str, fine: bool) -> None:
    try:
        check_exposure(settings.model_copy(update={"host": host}))
    except SettingsError:
        assert not fine
    else:
        assert fine
