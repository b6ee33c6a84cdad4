"""The API as OpenAPI 3.1: what the page /api shows and /api/v1/openapi.json gives."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

from dashboard.answers import (
    Failures,
    Health,
    JobList,
    OpenCamera,
    OpenUpload,
    Outputs,
    PictureNames,
    Published,
    Results,
    Token,
)
from dashboard.cameras.budgets import CameraBudget
from dashboard.cameras.overview import CameraStatus, Snapshot
from dashboard.jobs.gallery import PicturePage
from dashboard.jobs.requests import NewJob
from dashboard.jobs.uploads import Received
from dashboard.jobs.videopages import VideoPage
from dashboard.problems import Problem
from mien.documents import Document, schemas
from mien.jobs.view import JobView

_COUNT = {"type": "integer", "minimum": 0}
_TEXT = {"type": "string"}


@dataclass(frozen=True, slots=True)
class Route:
    """One method of one address; `changes` tells that it needs the header X-CSRFToken.

    `conflict`: why a correct request may be refused with 409.
    """

    method: str
    path: str
    summary: str
    gives: type[Document] | str
    body: type[Document] | str = ""
    status: int = 200
    query: tuple[str, ...] = ()
    conflict: str = ""

    @property
    def changes(self) -> bool:
        """Whether the request changes something."""
        return self.method != "get"


JSON = "application/json"
PROBLEM = "application/problem+json"
ROUTES = (
    Route("get", "/api/v1/cameras", "All cameras, how they do, and how many workers run", Snapshot),
    Route("get", "/api/v1/cameras/{name}", "One camera", CameraStatus),
    Route("get", "/api/v1/cameras/{name}/results", "The last results, newest first", Results, query=("limit",)),
    Route("get", "/api/v1/cameras/{name}/budget", "Where the frame budget of the last minute went, and the drops",
          CameraBudget),
    Route("get", "/api/v1/jobs", "The last jobs, newest first; state and kind may be several, with commas", JobList,
          query=("state", "kind", "limit")),
    Route("get", "/api/v1/jobs/{id}", "One job", JobView),
    Route("post", "/api/v1/jobs", "Queue a job: over an upload, or over files inside job_roots", JobView, NewJob, 201,
          conflict="The upload is a job already"),
    Route("delete", "/api/v1/jobs/{id}", "Cancel a job", JobView),
    Route("post", "/api/v1/jobs/{id}/cancel", "Cancel a job", JobView),
    Route("post", "/api/v1/jobs/{id}/retry", "Queue again what failed or was cancelled", JobView,
          conflict="The job is done, and none of its inputs failed"),
    Route("get", "/api/v1/jobs/{id}/failures", "Inputs that failed, page by page", Failures,
          query=("offset", "limit")),
    Route("get", "/api/v1/jobs/{id}/failures.csv", "All inputs that failed, with their reasons", "text/csv"),
    Route("get", "/api/v1/jobs/{id}/results.json", "The results of a job", JSON),
    Route("get", "/api/v1/jobs/{id}/results.csv", "The results of a job, a row for each face", "text/csv"),
    Route("get", "/api/v1/jobs/{id}/results.parquet", "The same as Parquet", "application/vnd.apache.parquet"),
    Route("get", "/api/v1/jobs/{id}/results.zip", "Everything that a job gave, as one zip", "application/zip"),
    Route("get", "/api/v1/jobs/{id}/pictures", "Pictures with their faces, page by page; those with an emotion",
          PicturePage, query=("after", "emotion", "limit")),
    Route("get", "/api/v1/jobs/{id}/annotated", "Names of the annotated pictures, page by page", PictureNames,
          query=("after", "limit")),
    Route("get", "/api/v1/jobs/{id}/annotated/{picture}", "One annotated picture", "image/jpeg"),
    Route("get", "/api/v1/jobs/{id}/videos", "The videos of a job with their files, page by page",
          VideoPage, query=("after", "limit")),
    Route("get", "/api/v1/jobs/{id}/outputs", "Files of the results, except for annotated pictures", Outputs),
    Route("get", "/api/v1/jobs/{id}/outputs/{path}", "One file of the results, or a range of it",
          "application/octet-stream", query=("download",)),
    Route("post", "/api/v1/uploads", "Begin an upload", OpenUpload, status=201),
    Route(
        "post", "/api/v1/uploads/{id}/files", "Add one picture or video, the raw body", Received,
        "application/octet-stream", 201, ("name",),
    ),
    Route("delete", "/api/v1/uploads/{id}", "Give up an upload", "", status=204),
    Route("post", "/api/v1/browser-cameras", "Make a browser a camera", OpenCamera, status=201),
    Route(
        "post", "/api/v1/browser-cameras/{name}/frames", "Publish one JPEG; header X-Camera-Token", Published,
        "image/jpeg", 202, conflict="Another producer has a camera of this name",
    ),
    Route("post", "/api/v1/browser-cameras/{name}/end", "End a browser camera; header X-Camera-Token", "", status=204),
    Route("get", "/api/v1/token", "A token for the header X-CSRFToken, with its cookie", Token),
    Route("get", "/api/v1/openapi.json", "This document", JSON),
    Route("get", "/stream", "All tiles over one connection", "application/vnd.mien.stream", query=("cameras",)),
    Route("get", "/cameras/{name}/stream.mjpg", "One camera as MJPEG", "multipart/x-mixed-replace"),
    Route("get", "/cameras/{name}/snapshot.jpg", "The newest view of a camera", "image/jpeg"),
    Route("get", "/cameras/{name}/events", "Results as server-sent events; its budget too", "text/event-stream"),
    Route("get", "/healthz", "The process is up", Health),
    Route("get", "/readyz", "Both brokers answer and results flow, else 503", Health),
    Route("get", "/metrics", "Metrics for Prometheus", "text/plain"),
)  # fmt: skip


@cache
def document() -> dict[str, Any]:
    """Return the OpenAPI document."""
    paths: dict[str, dict[str, Any]] = {}
    for route in ROUTES:
        paths.setdefault(route.path, {})[route.method] = _operation(route)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "mien",
            "version": "1",
            "description": "Apparent emotions: what a face shows, never what a person feels. Requests that change"
            " something need the header X-CSRFToken, from /api/v1/token, together with its cookie.",
        },
        "paths": paths,
        "components": {"schemas": schemas({Problem, *_documents()})},
    }


def _documents() -> Iterator[type[Document]]:
    for route in ROUTES:
        yield from (each for each in (route.gives, route.body) if not isinstance(each, str))


def _operation(route: Route) -> dict[str, Any]:
    parameters = [_parameter(name, "path") for name in re.findall(r"{(\w+)}", route.path)]
    parameters += [_parameter(name, "query") for name in route.query]
    parameters += [{**_parameter("X-CSRFToken", "header"), "required": True}] if route.changes else []
    failed = {"description": "What was wrong, in one line", "content": {PROBLEM: {"schema": _reference(Problem)}}}
    good: dict[str, Any] = {"description": route.summary}
    if route.gives:
        good["content"] = _content(route.gives)
    operation: dict[str, Any] = {
        "summary": route.summary,
        "parameters": parameters,
        "responses": {str(route.status): good, "default": failed},
    }
    if route.conflict:
        operation["responses"]["409"] = {**failed, "description": route.conflict}
    if route.body:
        operation["requestBody"] = {"required": True, "content": _content(route.body)}
    return operation


def _parameter(name: str, place: str) -> dict[str, Any]:
    kind = _COUNT if name in ("limit", "offset", "after") else _TEXT
    return {"name": name, "in": place, "required": place == "path", "schema": kind}


def _content(what: type[Document] | str) -> dict[str, Any]:
    if not isinstance(what, str):
        return {JSON: {"schema": _reference(what)}}
    return {what: {"schema": {"type": "object"} if what == JSON else {"type": "string", "format": "binary"}}}


def _reference(kind: type[Document]) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{kind.__name__}"}
