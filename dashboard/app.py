"""The Flask application."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import Flask
from flask_bootstrap import Bootstrap5
from flask_wtf.csrf import CSRFProtect

from dashboard import problems, security
from dashboard.api import api, set_body_limit
from dashboard.cameras.browser import BrowserCameras
from dashboard.cameras.hub import Hub
from dashboard.cameras.overview import Overview
from dashboard.endings import Refusal, say
from dashboard.jobs.uploads import Uploads
from dashboard.jobs_api import jobs_api
from dashboard.pages import pages
from dashboard.services import Services
from dashboard.streams import streams
from mien.bus.bus import Bus
from mien.bus.outage import Outage
from mien.errors import BrokerRefused, BrokerUnavailable
from mien.settings import Settings

if TYPE_CHECKING:
    from mien.jobs.jobs import Jobs


def create_app(settings: Settings, jobs: Jobs | None = None, refused: Refusal = say) -> Flask:
    """Return the application; raises SettingsError when the address of a broker is missing.

    Nothing connects before it is needed: the dashboard starts, and says so, while Redis is away. `refused` is told when
    the bus refuses what it is asked.
    """
    app = Flask(__name__, static_folder="static", template_folder="templates")
    parts = make_services(settings, jobs, refused)
    parts.attach(app.extensions)
    app.config["BOOTSTRAP_SERVE_LOCAL"] = True
    app.json.sort_keys = False  # type: ignore[attr-defined]
    problems.install(app)
    # In this order: an unknown host is refused before the request is read, and the token may be in the
    # body, so the limit of the body comes first.
    security.protect(app, settings)
    app.before_request(set_body_limit)
    CSRFProtect(app)
    Bootstrap5(app)
    for blueprint in (pages, streams, api, jobs_api):
        app.register_blueprint(blueprint)
    return app


def make_services(settings: Settings, jobs: Jobs | None = None, refused: Refusal = say) -> Services:
    """Return what the application works with; `jobs` stands in for the ones at `settings.jobs_url`."""
    if jobs is None:
        from mien.jobs.jobs import Jobs  # imports RQ, which takes long

        jobs = Jobs.from_settings(settings)
    bus = Bus.from_settings(settings)
    outage = Outage()
    overview = Overview(bus, refused, outage)
    browser_cameras = BrowserCameras(bus, settings)
    try:
        browser_cameras.forget_orphans()
    except BrokerUnavailable:  # they are shown as "no signal" then
        pass
    except BrokerRefused as error:
        refused(error)
    hub = Hub(bus, overview.names, refused, outage)
    return Services(settings, bus, jobs, overview, hub, browser_cameras, Uploads(jobs, settings))
