"""Errors as one line: JSON for programs, a page for people, never a traceback."""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus

from flask import Flask, Response, jsonify, make_response, render_template, request
from flask_wtf.csrf import CSRFError
from werkzeug.exceptions import HTTPException

from mien.documents import Document
from mien.errors import (
    BrokerError,
    InputError,
    JobConflict,
    JobError,
    JobNotStored,
    MienError,
    PictureError,
    PictureTooLarge,
    SettingsError,
    line_of,
)
from mien.logs import get_logger

DRAINED_BYTES = 32 << 20
_PIECE_BYTES = 64 * 1024

log = get_logger(__name__)

_STATUS: tuple[tuple[type[MienError], int], ...] = (
    (BrokerError, 503),
    (PictureTooLarge, 413),
    (PictureError, 415),
    (JobConflict, 409),
    (JobNotStored, 500),
    (JobError, 404),
    (SettingsError, 400),
    (InputError, 400),
)


class Refused(MienError):
    """A request that is not carried out, with the HTTP status that says why."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class NotFound(Refused):
    """Something that is not there."""

    def __init__(self, message: str) -> None:
        super().__init__(404, message)


@dataclass(frozen=True, slots=True)
class Error(Document):
    """What was wrong: the HTTP status, its name, one line for people, and a word for programs."""

    status: int
    title: str
    detail: str
    code: str


@dataclass(frozen=True, slots=True)
class Problem(Error):
    """An error as RFC 9457 has it, and once more under `error`."""

    error: Error
    type: str = "about:blank"


def respond(document: Document, status: int = 200) -> Response:
    """Answer with a document as JSON."""
    return make_response(jsonify(document.to_dict()), status)


def problem(status: int, message: str, code: str = "") -> Response:
    """Return an error as JSON (RFC 9457, and once more under `error`), or as a page when a person navigates."""
    title = HTTPStatus(status).phrase
    if _wants_page():
        page = render_template("problem.html", status=status, title=title, message=message)
        return make_response(page, status)
    error = Error(status, title, message, code or title.lower().replace(" ", "_"))
    answer = respond(Problem(status, title, message, error.code, error), status)
    answer.mimetype = "application/problem+json"
    if (request.content_length or 0) > DRAINED_BYTES:  # gunicorn would read on to the end of the refused body
        answer.headers["Connection"] = "close"
    return answer


def drain() -> None:
    """Read what is left of a refused body, up to 32 MiB, so that the sender sees the answer instead of a reset."""
    for _ in range(DRAINED_BYTES // _PIECE_BYTES):
        if not request.stream.read(_PIECE_BYTES):
            return


def install(app: Flask) -> None:
    """Answer every error of `app` with `problem`."""

    @app.errorhandler(MienError)
    def on_mien_error(error: MienError) -> Response:
        if isinstance(error, Refused):
            return problem(error.status, line_of(error))
        return problem(next((status for kind, status in _STATUS if isinstance(error, kind)), 500), line_of(error))

    @app.errorhandler(CSRFError)
    def on_csrf_error(_error: CSRFError) -> Response:
        return problem(403, "the token of this request is missing or old; take a new one from /api/v1/token", "csrf")

    @app.errorhandler(HTTPException)
    def on_http_error(error: HTTPException) -> Response:
        return problem(error.code or 500, _MESSAGES.get(error.code or 500, error.description or error.name))

    @app.errorhandler(Exception)
    def on_bug(error: Exception) -> Response:
        log.exception("a request failed", path=request.path, error=line_of(error))
        return problem(500, "something went wrong here; the dashboard's log says what")


_MESSAGES = {
    404: "there is nothing at this address",
    405: "this address does not take that method",
    413: "the request is too large",
}


def _wants_page() -> bool:
    accepted = request.accept_mimetypes
    return request.method == "GET" and not request.path.startswith("/api/v1") and "text/html" in accepted.values()
