"""The JSON API: cameras, browser cameras and uploads, and whether all is well."""

from __future__ import annotations

from flask import Blueprint, Response, jsonify, request
from flask_wtf.csrf import generate_csrf

from dashboard.answers import Health, OpenCamera, OpenUpload, Published, Results, Token
from dashboard.cameras.browser import FRAME_BYTES
from dashboard.cameras.budgets import camera_budget
from dashboard.metrics import exposition
from dashboard.openapi import document
from dashboard.pool import in_pool
from dashboard.problems import Refused, drain, respond
from dashboard.services import known_camera, limit_of, services
from mien.errors import BrokerError, line_of

MOST_RESULTS = 1000

api = Blueprint("api", __name__)


def set_body_limit() -> None:
    """Allow larger bodies where files come in, and only as raw bodies, which no form parser touches."""
    limits = {"api.add_file": services().uploads.limit_bytes, "api.browser_frame": FRAME_BYTES}
    limit = limits.get(request.endpoint or "")
    if limit is None:
        return
    request.max_content_length = limit
    if request.mimetype in ("multipart/form-data", "application/x-www-form-urlencoded"):
        raise Refused(415, "send the file itself as the body, not a form")


# Cameras


@api.get("/api/v1/cameras")
def cameras() -> Response:
    """All cameras, how they do, and how many workers run."""
    return respond(services().overview.checked())


@api.get("/api/v1/cameras/<name>")
def camera(name: str) -> Response:
    """One camera."""
    return respond(known_camera(name))


@api.get("/api/v1/cameras/<name>/results")
def results(name: str) -> Response:
    """The last results of a camera, newest first."""
    known_camera(name)
    found = services().bus.recent_results(name, limit_of(20, MOST_RESULTS))
    return respond(Results(tuple(found)))


@api.get("/api/v1/cameras/<name>/budget")
def budget(name: str) -> Response:
    """Where the frame budget of a camera went in the last minute, and what became of its frames."""
    status = known_camera(name)
    return respond(camera_budget(name, services().settings.budget_ms, status.last_minute, status.budget))


# Browser cameras


@api.post("/api/v1/browser-cameras")
def open_browser_camera() -> Response:
    """Make this tab a camera: its name, and the token for its pictures."""
    opened = services().browser_cameras.open()
    width = min(1280, services().settings.max_frame_width)
    return respond(OpenCamera(opened.name, opened.token, width), 201)


@api.post("/api/v1/browser-cameras/<name>/frames")
def browser_frame(name: str) -> Response:
    """Publish one JPEG of a browser camera; `published` is false when others still wait."""
    token = request.headers.get("X-Camera-Token", "")
    published = services().browser_cameras.publish(name, token, request.stream.read(FRAME_BYTES))
    return respond(Published(published), 202)


@api.post("/api/v1/browser-cameras/<name>/end")
def end_browser_camera(name: str) -> Response:
    """End a browser camera; a form, since that is what a closing tab can still send."""
    services().browser_cameras.end(name, request.form.get("token", request.headers.get("X-Camera-Token", "")))
    return Response(status=204)


# Uploads


@api.post("/api/v1/uploads")
def open_upload() -> Response:
    """Begin an upload."""
    settings = services().settings
    upload = services().uploads.open()
    return respond(OpenUpload(upload.id, settings.upload_max_mb << 20, settings.upload_max_files), 201)


@api.post("/api/v1/uploads/<upload_id>/files")
def add_file(upload_id: str) -> Response:
    """Add one picture or video, the raw body, under the label `?name=`."""
    try:
        upload = services().uploads.find(upload_id)
        name = request.args.get("name", "")
        added = services().uploads.add(upload, name, request.stream, request.content_length)
    except Exception:
        drain()
        raise
    return respond(added, 201)


@api.delete("/api/v1/uploads/<upload_id>")
def cancel_upload(upload_id: str) -> Response:
    """Give up an upload."""
    services().uploads.cancel(services().uploads.find(upload_id))
    return Response(status=204)


# The process


@api.get("/api/v1/token")
def token() -> Response:
    """A token for the header X-CSRFToken, which every request that changes something must have."""
    return respond(Token(generate_csrf()))


@api.get("/api/v1/openapi.json")
def openapi() -> Response:
    """What this API has, as OpenAPI 3.1."""
    return jsonify(in_pool(document))


@api.get("/healthz")
def healthz() -> Response:
    """The process is up."""
    return respond(Health("ok"))


@api.get("/readyz")
def readyz() -> Response:
    """Both brokers answer, and results flow if any camera sends frames; 503 otherwise."""
    state: dict[str, str] = {}
    for part, ping in (("bus", services().bus.ping), ("jobs", services().jobs.ping)):
        try:
            ping()
            state[part] = "ok"
        except BrokerError as error:
            state[part] = line_of(error)
    if state["bus"] == "ok":
        state["results"] = services().overview.now().stalled() or "ok"
    ready = all(answer == "ok" for answer in state.values())
    return respond(Health("ok" if ready else "unavailable", **state), 200 if ready else 503)


@api.get("/metrics")
def metrics() -> Response:
    """Metrics for Prometheus."""
    text, content_type = exposition(services().overview, services().hub)
    return Response(text, content_type=content_type)
