"""The API as OpenAPI 3.1: what the page /api shows and /api/v1/openapi.json gives."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, get_args

from mien.bus.budget import STAGES
from mien.bus.plan import EVERYTHING
from mien.formats import FORMATS, JOB_FORMATS, PRIORITIES
from mien.jobs.options import MOST_EVERY
from mien.jobs.request import KINDS
from mien.jobs.view import JobState
from mien.types import EMOTIONS, UNCERTAIN, CameraState, DropReason

_NUMBER = {"type": "number"}
_COUNT = {"type": "integer", "minimum": 0}
_TEXT = {"type": "string"}
_MAYBE = {"type": ["number", "null"]}
_SHARE = {"type": "number", "minimum": 0, "maximum": 1}
_MAYBE_SHARE = {**_SHARE, "type": ["number", "null"]}
_PROBABILITIES = {"type": "object", "properties": dict.fromkeys(EMOTIONS, _SHARE)}


@dataclass(frozen=True, slots=True)
class Route:
    """One method of one address; `changes` tells that it needs the header X-CSRFToken.

    `conflict`: why it may be refused with 409 although nothing is wrong with the request.
    """

    method: str
    path: str
    summary: str
    gives: str
    body: str = ""
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
    Route("get", "/api/v1/cameras", "All cameras, how they do, and how many workers run", "Overview"),
    Route("get", "/api/v1/cameras/{name}", "One camera", "Camera"),
    Route("get", "/api/v1/cameras/{name}/results", "The last results, newest first", "Results", query=("limit",)),
    Route("get", "/api/v1/cameras/{name}/budget", "Where the frame budget of the last minute went, and the drops",
          "Budget"),
    Route("get", "/api/v1/jobs", "The last jobs, newest first; state and kind may be several, with commas", "Jobs",
          query=("state", "kind", "limit")),
    Route("get", "/api/v1/jobs/{id}", "One job", "Job"),
    Route("post", "/api/v1/jobs", "Queue a job: over an upload, or over files inside job_roots", "Job", "NewJob", 201,
          conflict="The upload is a job already"),
    Route("delete", "/api/v1/jobs/{id}", "Cancel a job", "Job"),
    Route("post", "/api/v1/jobs/{id}/cancel", "Cancel a job", "Job"),
    Route("post", "/api/v1/jobs/{id}/retry", "Queue again what failed or was cancelled", "Job",
          conflict="The job is done, and none of its inputs failed"),
    Route("get", "/api/v1/jobs/{id}/failures", "Inputs that failed, page by page", "Failures",
          query=("offset", "limit")),
    Route("get", "/api/v1/jobs/{id}/failures.csv", "All inputs that failed, with their reasons", "text/csv"),
    Route("get", "/api/v1/jobs/{id}/results.json", "The results of a job", JSON),
    Route("get", "/api/v1/jobs/{id}/results.csv", "The results of a job, a row for each face", "text/csv"),
    Route("get", "/api/v1/jobs/{id}/results.parquet", "The same as Parquet", "application/vnd.apache.parquet"),
    Route("get", "/api/v1/jobs/{id}/results.zip", "Everything that a job gave, as one zip", "application/zip"),
    Route("get", "/api/v1/jobs/{id}/pictures", "Pictures with their faces, page by page; those with an emotion",
          "Pictures", query=("after", "emotion", "limit")),
    Route("get", "/api/v1/jobs/{id}/annotated", "Names of the annotated pictures, page by page", "Names",
          query=("after", "limit")),
    Route("get", "/api/v1/jobs/{id}/annotated/{picture}", "One annotated picture", "image/jpeg"),
    Route("get", "/api/v1/jobs/{id}/videos", "The videos of a job with their files, page by page",
          "Videos", query=("after", "limit")),
    Route("get", "/api/v1/jobs/{id}/outputs", "Files of the results, but for annotated pictures", "Outputs"),
    Route("get", "/api/v1/jobs/{id}/outputs/{path}", "One file of the results, or a range of it",
          "application/octet-stream", query=("download",)),
    Route("post", "/api/v1/uploads", "Begin an upload", "Upload", status=201),
    Route(
        "post", "/api/v1/uploads/{id}/files", "Add one picture or video, the raw body", "Received",
        "application/octet-stream", 201, ("name",),
    ),
    Route("delete", "/api/v1/uploads/{id}", "Give up an upload", "", status=204),
    Route("post", "/api/v1/browser-cameras", "Make a browser a camera", "BrowserCamera", status=201),
    Route(
        "post", "/api/v1/browser-cameras/{name}/frames", "Publish one JPEG; header X-Camera-Token", "Published",
        "image/jpeg", 202, conflict="Another producer has a camera of this name",
    ),
    Route("post", "/api/v1/browser-cameras/{name}/end", "End a browser camera; header X-Camera-Token", "", status=204),
    Route("get", "/api/v1/token", "A token for the header X-CSRFToken, with its cookie", "Token"),
    Route("get", "/api/v1/openapi.json", "This document", JSON),
    Route("get", "/stream", "All tiles over one connection", "application/vnd.mien.stream", query=("cameras",)),
    Route("get", "/cameras/{name}/stream.mjpg", "One camera as MJPEG", "multipart/x-mixed-replace"),
    Route("get", "/cameras/{name}/snapshot.jpg", "The newest view of a camera", "image/jpeg"),
    Route("get", "/cameras/{name}/events", "Results as server-sent events; its budget too", "text/event-stream"),
    Route("get", "/healthz", "The process is up", "Health"),
    Route("get", "/readyz", "Both brokers answer, else 503", "Health"),
    Route("get", "/metrics", "Metrics for Prometheus", "text/plain"),
)  # fmt: skip


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
        "components": {"schemas": _schemas()},
    }


def _operation(route: Route) -> dict[str, Any]:
    parameters = [_parameter(name, "path") for name in re.findall(r"{(\w+)}", route.path)]
    parameters += [_parameter(name, "query") for name in route.query]
    parameters += [{**_parameter("X-CSRFToken", "header"), "required": True}] if route.changes else []
    failed = {"description": "What was wrong, in one line", "content": {PROBLEM: {"schema": _reference("Error")}}}
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


def _content(what: str) -> dict[str, Any]:
    if "/" not in what:
        return {JSON: {"schema": _reference(what)}}
    return {what: {"schema": {"type": "object"} if what == JSON else {"type": "string", "format": "binary"}}}


def _reference(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}


def _object(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties}


def _words(*words: str) -> dict[str, Any]:
    return {"type": "string", "enum": list(words)}


def _list(item: Any) -> dict[str, Any]:
    return {"type": "array", "items": item}


def _schemas() -> dict[str, Any]:
    label = _words(*EMOTIONS, UNCERTAIN)
    problem = {"status": _COUNT, "title": _TEXT, "detail": _TEXT, "code": _TEXT}
    drops = _object(**{reason.value: _COUNT for reason in DropReason})
    counts = _object(
        captured=_COUNT, analysed=_COUNT, on_time=_COUNT, late=_COUNT, dropped=_COUNT, in_flight=_COUNT, drops=drops,
        balanced={"type": "boolean"},
    )  # fmt: skip
    face = _object(
        box={**_list(_NUMBER), "description": "x, y, width, height in pixels of the original frame"},
        track=_TEXT, emotion=label, confidence=_SHARE, probabilities=_PROBABILITIES, smoothed=_PROBABILITIES,
        label=label, label_confidence=_SHARE, valence=_NUMBER, arousal=_NUMBER,
        va_source=_words("projected", "measured"),
        source={"type": "string", "enum": ["full", "tracked"]}, score=_NUMBER, landmarks=_list(_list(_NUMBER)),
    )  # fmt: skip
    result = _object(
        camera=_TEXT, frame_id=_TEXT, seq=_COUNT, captured_ns=_COUNT, published_ns=_COUNT,
        on_time={"type": "boolean"}, width=_COUNT, height=_COUNT,
        stages_ms={"type": "object", "additionalProperties": _NUMBER}, faces=_list(_reference("Face")),
    )  # fmt: skip
    camera = _object(
        name=_TEXT, state={"type": "string", "enum": [state.value for state in CameraState]}, reason=_TEXT,
        source=_TEXT, delivery={"type": "string", "enum": ["live", "lossless"]}, fps=_NUMBER, width=_COUNT,
        height=_COUNT, updated_ns=_COUNT, analysed_fps=_NUMBER, on_time_share=_MAYBE_SHARE,
        counts=_reference("Counts"), faces=_COUNT, labels=_list(_object(label=label, confidence=_SHARE)),
        latency_ms=_MAYBE, result_age_ms=_MAYBE,
        minute=_object(on_time_share=_MAYBE_SHARE, p95_ms=_MAYBE),
    )  # fmt: skip
    budget = _object(
        camera=_TEXT, budget_ms=_NUMBER,
        minute={
            **_object(
                window_s=_NUMBER, captured=_COUNT, analysed=_COUNT, on_time=_COUNT, late=_COUNT, dropped=_COUNT,
                drops=drops, on_time_share=_MAYBE_SHARE, on_time_of_analysed=_MAYBE_SHARE,
            ),
            "description": "what became of the frames; on_time_share counts a drop as missed",
        },
        measured={
            **_object(
                at_ns=_COUNT, window_s=_NUMBER, frames=_COUNT, on_time=_COUNT, total_ms=_reference("Quantiles"),
                stages_ms=_object(**{stage: _reference("Quantiles") for stage in STAGES}), worker=_TEXT,
                plan=_object(**dict.fromkeys(EVERYTHING.to_dict(), _NUMBER)), plan_words=_TEXT, level=_COUNT,
                why=_TEXT,
            ),
            "type": ["object", "null"],
            "description": "what the worker says of the frames it analysed; null while none says anything",
        },
    )  # fmt: skip
    failure = _object(path=_TEXT, reason=_TEXT)
    job = _object(
        id=_TEXT, kind=_words(*KINDS), state=_words(*get_args(JobState)), reason=_TEXT, name=_TEXT,
        priority=_words(*PRIORITIES), created=_NUMBER, started=_MAYBE, finished=_MAYBE, inputs=_COUNT,
        done=_COUNT, failed=_COUNT, faces=_COUNT, progress=_SHARE, eta_s=_MAYBE, unit=_words("pictures", "frames"),
        units_done=_COUNT, units=_COUNT, out=_TEXT,
        failures={**_list(failure), "description": "the first ones; /failures has all"},
    )  # fmt: skip
    new_job = _object(
        upload=_TEXT, kind=_words(*JOB_FORMATS), paths=_list(_TEXT), name=_TEXT, priority=_words(*PRIORITIES),
        options=_object(
            annotate={"type": "boolean"},
            formats={
                **_list(_words(*FORMATS)),
                "description": "; ".join(f"{kind}: {', '.join(names)}" for kind, names in JOB_FORMATS.items()),
            },
            every={"type": "integer", "minimum": 1, "maximum": MOST_EVERY, "description": "video: every n-th frame"},
        ),
    )  # fmt: skip
    picture = _object(
        index=_COUNT, path=_TEXT, width=_COUNT, height=_COUNT, annotated=_TEXT, faces=_list(_reference("Face"))
    )
    output = _object(path=_TEXT, bytes=_COUNT, type=_TEXT)
    video = _object(
        index=_COUNT, path=_TEXT, state=_words("queued", "analysing", "drawing", "joining", "done", "failed"),
        progress=_SHARE, reason=_TEXT, folder=_TEXT, files=_list(output),
    )  # fmt: skip
    following = {"type": ["integer", "null"], "description": "where the next page begins; null at the end"}
    return {
        "Overview": _object(cameras=_list(_reference("Camera")), workers=_COUNT, error=_TEXT),
        "Camera": camera,
        "Budget": budget,
        "Quantiles": {**_object(mean=_NUMBER, p50=_NUMBER, p95=_NUMBER, p99=_NUMBER), "description": "milliseconds"},
        "Counts": counts,
        "Results": _object(results=_list(_reference("Result"))),
        "Result": result,
        "Face": face,
        "Jobs": _object(jobs=_list(_reference("Job"))),
        "Job": job,
        "NewJob": {**new_job, "oneOf": [{"required": ["upload"]}, {"required": ["kind", "paths"]}]},
        "Failures": _object(failures=_list(failure), total=_COUNT, next=following),
        "Pictures": _object(pictures=_list(picture), next=following),
        "Names": _object(pictures=_list(_TEXT), next=following),
        "Videos": _object(videos=_list(video), next=following),
        "Outputs": _object(outputs=_list(output)),
        "Upload": _object(id=_TEXT, max_bytes=_COUNT, max_files=_COUNT),
        "Received": _object(name=_TEXT, kind=_TEXT, bytes=_COUNT, width=_COUNT, height=_COUNT),
        "BrowserCamera": _object(name=_TEXT, token=_TEXT, max_width=_COUNT),
        "Published": _object(published={"type": "boolean"}),
        "Token": _object(token=_TEXT),
        "Health": _object(status=_TEXT, bus=_TEXT, jobs=_TEXT),
        "Error": _object(type=_TEXT, **problem, error=_object(**problem)),
    }
