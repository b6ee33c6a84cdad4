"""The JSON API of jobs: make them, look at them, fetch their results."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from typing import Any, get_args

from flask import Blueprint, Response, request

from dashboard.answers import Failures, JobList, Outputs, PictureNames
from dashboard.jobs import outputs
from dashboard.jobs.gallery import read_page
from dashboard.jobs.requests import job_from
from dashboard.jobs.sending import send_path, send_zip
from dashboard.jobs.videopages import read_videos
from dashboard.pool import in_pool
from dashboard.problems import NotFound, respond
from dashboard.services import limit_of, number_of, services
from mien.errors import InputError
from mien.jobs.outputs import TABLES, annotated_number
from mien.jobs.request import KINDS
from mien.jobs.view import Failure, JobState, JobView

STATES = get_args(JobState)
FAILURES_SHOWN = 20
"""Failures that come along with a job; `/failures` has all of them, page by page."""

_SEARCHED = 1000
_MOST_JOBS = 500
_MOST_FAILURES = 1000
_MOST_PICTURES = 200
_MOST_NAMES = 10_000
_MOST_VIDEOS = 100
# A report is a page with scripts of its own: in a frame or alone, it must have no rights in the dashboard. Its
# sandbox has no origin, so no cookie, storage or request of it counts as the dashboard's, and it may load nothing.
_REPORT_HEADERS = {
    "Content-Security-Policy": "sandbox allow-scripts; default-src 'none'; script-src 'unsafe-inline';"
    " style-src 'unsafe-inline'; img-src data: blob:; font-src data:; frame-ancestors 'self'",
    "X-Frame-Options": "SAMEORIGIN",
    # Browsers refuse to open a page that is sandboxed and isolated from its opener at once.
    "Cross-Origin-Opener-Policy": "unsafe-none",
}

jobs_api = Blueprint("jobs_api", __name__)


@jobs_api.get("/api/v1/jobs")
def list_jobs() -> Response:
    """The last jobs, newest first; of some states and one kind when asked so."""
    limit = limit_of(50, _MOST_JOBS)
    states = _choices("state", STATES)
    kinds = _choices("kind", KINDS)
    found = services().jobs.list(_SEARCHED if states or kinds else limit)
    wanted = [job for job in found if (not states or job.state in states) and (not kinds or job.kind in kinds)]
    return respond(JobList(tuple(_brief(job) for job in wanted[:limit])))


@jobs_api.post("/api/v1/jobs")
def make_job() -> Response:
    """Queue a job over the files of an upload, or over files of this machine inside `job_roots`."""
    parts = services()
    job = job_from(_body(), parts.uploads, parts.settings.job_roots, parts.jobs_in_pool)
    return respond(_brief(job), 200 if job.existed else 201)


def _body() -> Any:
    """Return the JSON that a request brings, None when it is none or is nested too deep to be read."""
    try:
        return request.get_json(silent=True)
    except RecursionError:
        return None


@jobs_api.get("/api/v1/jobs/<job_id>")
def show_job(job_id: str) -> Response:
    """One job."""
    return respond(_brief(services().jobs.get(job_id)))


@jobs_api.delete("/api/v1/jobs/<job_id>")
@jobs_api.post("/api/v1/jobs/<job_id>/cancel")
def cancel_job(job_id: str) -> Response:
    """Cancel a job; what is done stays."""
    return respond(_brief(services().jobs.cancel(job_id)))


@jobs_api.post("/api/v1/jobs/<job_id>/retry")
def retry_job(job_id: str) -> Response:
    """Queue what failed or was cancelled again."""
    return respond(_brief(services().jobs_in_pool(lambda jobs: jobs.retry(job_id))))


# What went wrong


@jobs_api.get("/api/v1/jobs/<job_id>/failures")
def failures(job_id: str) -> Response:
    """The inputs that failed, with their reasons, page by page."""
    job = services().jobs.get(job_id)
    start, limit = number_of("offset", 0), limit_of(100, _MOST_FAILURES)
    found = in_pool(services().jobs.failures, job)[start : start + limit]
    more = start + len(found)
    return respond(Failures(tuple(found), job.failed, more if more < job.failed else None))


@jobs_api.get("/api/v1/jobs/<job_id>/failures.csv")
def failures_csv(job_id: str) -> Response:
    """All inputs that failed, with their reasons, as CSV."""
    found = in_pool(services().jobs.failures, services().jobs.get(job_id))
    answer = Response(_failure_lines(iter(found)), mimetype="text/csv")
    answer.headers.set("Content-Disposition", "attachment", filename=f"{job_id}-failures.csv")
    return answer


# What came out


@jobs_api.get("/api/v1/jobs/<job_id>/pictures")
def job_pictures(job_id: str) -> Response:
    """Pictures with their faces, page by page, as chunks finish."""
    job = services().jobs.get(job_id)
    folder = services().jobs.folder(job.id)
    after, limit, emotion = number_of("after", -1), limit_of(48, _MOST_PICTURES), request.args.get("emotion", "")
    return respond(in_pool(lambda: read_page(folder, after, limit, emotion)))


@jobs_api.get("/api/v1/jobs/<job_id>/annotated")
def annotated(job_id: str) -> Response:
    """The names of the annotated pictures of a job, page by page."""
    out = services().jobs.get(job_id).out
    after, limit = number_of("after", 0), limit_of(1000, _MOST_NAMES)
    names = in_pool(lambda: outputs.annotated_names(out, after, limit))
    return respond(PictureNames(tuple(names), annotated_number(names[-1]) if len(names) == limit else None))


@jobs_api.get("/api/v1/jobs/<job_id>/annotated/<name>")
def annotated_picture(job_id: str, name: str) -> Response:
    """One annotated picture of a job."""
    return _output(services().jobs.get(job_id), f"annotated/{name}")


@jobs_api.get("/api/v1/jobs/<job_id>/videos")
def job_videos(job_id: str) -> Response:
    """The videos of a job: how far each is, and its files, page by page."""
    job = services().jobs.get(job_id)
    folder = services().jobs.folder(job.id)
    after, limit = number_of("after", -1), limit_of(20, _MOST_VIDEOS)
    return respond(in_pool(lambda: read_videos(folder, job.out, after, limit)))


@jobs_api.get("/api/v1/jobs/<job_id>/outputs")
def job_outputs(job_id: str) -> Response:
    """The files of the results, except for annotated pictures."""
    out = services().jobs.get(job_id).out
    return respond(Outputs(tuple(in_pool(outputs.list_outputs, out))))


@jobs_api.get("/api/v1/jobs/<job_id>/outputs/<path:path>")
def job_output(job_id: str, path: str) -> Response:
    """One file of the results, or the range of it that was asked for; `?download=1` saves it."""
    return _output(services().jobs.get(job_id), path)


@jobs_api.get(f"/api/v1/jobs/<job_id>/<any({', '.join(map(repr, TABLES))}):name>")
def job_results(job_id: str, name: str) -> Response:
    """The results of a job as JSON, CSV or Parquet."""
    job = services().jobs.get(job_id)
    try:
        path, media_type = in_pool(outputs.open_output, job.out, name)
    except NotFound:
        raise NotFound(f"job {job_id} has no {name} (yet)") from None
    return send_path(path, media_type, f"{job_id}-{name}")


@jobs_api.get("/api/v1/jobs/<job_id>/results.zip")
def job_zip(job_id: str) -> Response:
    """Everything that a job gave, as one zip that is written while it is sent."""
    job = services().jobs.get(job_id)
    if next(outputs.all_outputs(job.out), None) is None:
        raise NotFound(f"job {job_id} has no results (yet)")
    return send_zip(outputs.all_outputs(job.out), f"{job_id}.zip")


def _output(job: JobView, path: str) -> Response:
    found, media_type = in_pool(outputs.open_output, job.out, path)
    name = f"{job.id}-{path.replace('/', '-')}" if request.args.get("download") else ""
    answer = send_path(found, media_type, name)
    if media_type == "text/html":
        answer.headers.update(_REPORT_HEADERS)
    return answer


def _brief(job: JobView) -> JobView:
    """Return a job with its first failures only: a list of jobs may have many thousand."""
    return replace(job, failures=job.failures[:FAILURES_SHOWN])


def _choices(name: str, known: tuple[str, ...]) -> set[str]:
    """Return what a query says, `a,b`, of a few known words."""
    chosen = {word for word in request.args.get(name, "").split(",") if word}
    if chosen - set(known):
        raise InputError(f"{name} can be {', '.join(known)}, not {min(chosen - set(known))[:50]!r}")
    return chosen


def _failure_lines(found: Iterator[Failure]) -> Iterator[bytes]:
    def some() -> bytes:
        text = io.StringIO()
        rows = csv.writer(text, lineterminator="\n")
        for failure in islice(found, _MOST_FAILURES):
            rows.writerow([failure.path, failure.reason])
        return text.getvalue().encode(errors="backslashreplace")

    yield b"path,reason\n"
    while lines := in_pool(some):
        yield lines
