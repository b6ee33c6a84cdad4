"""The pages for people. They are shells: what is live comes over the streams and the API."""

from __future__ import annotations

from contextlib import suppress

from flask import Blueprint, redirect, render_template, url_for
from werkzeug.wrappers import Response

from dashboard.cameras.budgets import DROP_WORDS, STAGE_WORDS
from dashboard.openapi import document
from dashboard.pool import in_pool
from dashboard.services import known_camera, services
from mien.errors import BrokerError
from mien.settings import check_camera_name
from mien.types import EMOTIONS

pages = Blueprint("pages", __name__)


@pages.get("/")
def grid() -> str:
    """All cameras."""
    return render_template("grid.html", budget_ms=services().settings.budget_ms)


@pages.get("/cameras/<name>")
def camera(name: str) -> str:
    """One camera; shown with a banner while the bus is away."""
    try:
        known_camera(name)
    except BrokerError:
        check_camera_name(name)
    reasons = {reason.value: words for reason, words in DROP_WORDS.items()}
    return render_template(
        "camera.html",
        name=name,
        emotions=EMOTIONS,
        stages=STAGE_WORDS,
        reasons=reasons,
        budget_ms=services().settings.budget_ms,
    )


@pages.get("/jobs")
def jobs() -> str:
    """Uploads and jobs."""
    settings = services().settings
    return render_template("jobs.html", max_mb=settings.upload_max_mb, max_files=settings.upload_max_files)


@pages.get("/jobs/<job_id>")
def job(job_id: str) -> str:
    """One job."""
    with suppress(BrokerError):  # the page itself says that the job does not exist
        services().jobs.get(job_id)
    return render_template("job.html", job_id=job_id, emotions=EMOTIONS)


@pages.get("/about")
def about() -> str:
    """What is shown here, and what is not."""
    return render_template("about.html")


@pages.get("/api")
def api_page() -> str:
    """The API, for people."""
    return render_template("api.html", api=in_pool(document))


@pages.get("/favicon.ico")
def favicon() -> Response:
    """The icon, where browsers look for it by themselves."""
    return redirect(url_for("static", filename="icon.svg"))
