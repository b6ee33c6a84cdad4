"""Every JSON answer of the API is what the schema says that is served beside it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from jsonschema import Draft202012Validator, ValidationError

from dashboard.app import create_app
from dashboard.openapi import JSON, ROUTES, Route
from mien.bus.bus import Bus
from mien.documents import Document, schemas
from mien.jobs.jobs import Jobs
from mien.settings import Settings
from mien.types import Camera, CameraState, DropReason, Face, Frame, FrameResult
from tests.dashboard import results
from tests.dashboard.conftest import budget, face, picture


@dataclass(frozen=True)
class Site:
    """An application with a camera, jobs of every kind, an upload and a webcam."""

    client: FlaskClient
    served: dict[str, Any]
    headers: dict[str, str]
    ids: dict[str, str]

    def ask(self, route: Route) -> Any:
        path = route.path
        for what, value in self.ids_for(route).items():
            path = path.replace(f"{{{what}}}", value)
        sent: dict[str, Any] = {"headers": self.headers if route.changes else {}}
        if path.endswith("/files"):
            sent |= {"data": picture(1), "query_string": {"name": "a.jpg"}}
        elif path.endswith("/frames"):
            sent |= {"data": picture(1), "content_type": "image/jpeg"}
        elif (route.method, path) == ("post", "/api/v1/jobs"):
            sent |= {"json": {"upload": self.ids["full"], "name": "my photos", "options": {"formats": ["json"]}}}
        return self.client.open(path, method=route.method.upper(), **sent)

    def ids_for(self, route: Route) -> dict[str, str]:
        if "browser-cameras" in route.path:
            return {"name": self.ids["webcam"]}
        if "uploads" in route.path:
            return {"id": self.ids["upload"]}
        kinds = {"videos": "video", "failures": "failed", "retry": "failed", "cancel": "queued"}
        last = route.path.rsplit("/", 1)[-1]
        job = self.ids["queued" if route.method == "delete" else kinds.get(last, "photos")]
        return {"name": "lobby", "id": job, "picture": "1-0.jpg", "path": "results.json"}


@pytest.fixture
def site(app: Flask, bus: Bus, settings: Settings) -> Site:
    client = app.test_client()
    headers = {"X-CSRFToken": client.get("/api/v1/token").get_json()["token"]}
    a_camera(bus)
    ids = dict(jobs_of_all_kinds(settings))
    for name in ("upload", "full"):
        ids[name] = client.post("/api/v1/uploads", headers=headers).get_json()["id"]
    full = f"/api/v1/uploads/{ids['full']}/files"
    assert client.post(full, query_string={"name": "a.jpg"}, data=picture(1), headers=headers).status_code == 201
    webcam = client.post("/api/v1/browser-cameras", headers=headers).get_json()
    headers["X-Camera-Token"] = webcam["token"]
    return Site(client, client.get("/api/v1/openapi.json").get_json(), headers, {**ids, "webcam": webcam["name"]})


def a_camera(bus: Bus) -> None:
    """A camera with every kind of result: live and bare faces, drops, and a measured budget."""
    bus.put_camera(Camera("lobby", CameraState.LIVE, "", "test://pattern", "live", 25.0, 640, 360))
    bus.read("w", ["lobby"], block_ms=0)
    ids = [bus.publish(Frame("lobby", seq, bus.clock.now_ns(), 8, 8, b"x")) for seq in range(1, 4)]
    bus.read("w", ["lobby"], block_ms=0)
    found = face()
    bare = Face(found.box, "uncertain", 0.4, found.probabilities, 0.1, 0.2, landmarks=((1.0, 2.0), (3.0, 4.0)))
    stages = {"queue": 1.0, "detect": 4.0}
    bus.finish(FrameResult("lobby", ids[0], 1, bus.clock.now_ns(), 8, 8, (found, bare), stages_ms=stages))
    bus.drop("lobby", [ids[1]], DropReason.STALE)
    bus.put_budgets([budget("lobby", bus.clock.now_ns())])


def jobs_of_all_kinds(settings: Settings) -> Iterator[tuple[str, str]]:
    jobs = Jobs.from_settings(settings)
    for name, kind in (("queued", "photos"), ("photos", "photos"), ("failed", "photos"), ("video", "video")):
        job = jobs.enqueue(kind, [results.item(f"/photos/{name}-{number}.jpg") for number in range(2)], name=name)
        if name == "photos":
            results.finish_photos(jobs, job, [results.entry_of(0), results.entry_of(1, annotated=False)])
        elif name == "failed":
            results.finish_photos(jobs, job, [results.entry_of(0), {"path": "x.jpg", "reason": "empty"}])
        elif name == "video":
            results.finish_videos(jobs, job, ["", "cut off"])
        yield name, job.id
    jobs.close()


def check(served: dict[str, Any], schema: dict[str, Any], answer: Any) -> None:
    """Raise ValidationError when an answer is not what a schema says, or has a field that is not in it."""
    whole = {**schema, "components": closed(served["components"])}
    Draft202012Validator(whole).validate(answer)


def closed(schema: Any) -> Any:
    """Return schemas whose objects may have the described fields only."""
    if isinstance(schema, list):
        return [closed(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    inner = {key: closed(value) for key, value in schema.items()}
    return (
        {**inner, "additionalProperties": False} if "properties" in schema and schema.get("type") == "object" else inner
    )


JSON_ROUTES = [route for route in ROUTES if not isinstance(route.gives, str)]


@pytest.mark.parametrize("route", JSON_ROUTES, ids=lambda route: f"{route.method} {route.path}")
def test_an_answer_is_what_the_schema_says(site: Site, route: Route) -> None:
    answer = site.ask(route)
    assert answer.status_code == route.status, answer.get_data(as_text=True)
    responses = site.served["paths"][route.path][route.method]["responses"]
    check(site.served, responses[str(route.status)]["content"][JSON]["schema"], answer.get_json())


@pytest.mark.parametrize(("path", "status"), [("/api/v1/jobs/0123456789abcdef", 404), ("/api/v1/jobs?limit=0", 400)])
def test_a_refusal_is_what_the_schema_says(site: Site, path: str, status: int) -> None:
    answer = site.client.get(path)
    assert answer.status_code == status
    responses = site.served["paths"]["/api/v1/jobs"]["get"]["responses"]
    check(site.served, responses["default"]["content"]["application/problem+json"]["schema"], answer.get_json())


def test_health_without_brokers_is_what_the_schema_says(site: Site, settings: Settings, tmp_path: Path) -> None:
    away = f"unix://{tmp_path}/nobody.sock"
    app = create_app(settings.model_copy(update={"bus_url": away, "jobs_url": away}))
    answer = app.test_client().get("/readyz")
    app.extensions["mien"].close()
    assert answer.status_code == 503
    check(site.served, {"$ref": "#/components/schemas/Health"}, answer.get_json())


def test_a_field_that_is_not_described_is_noticed(site: Site) -> None:
    answer = site.client.get("/api/v1/cameras/lobby/results").get_json()
    schema = {"$ref": "#/components/schemas/Results"}
    check(site.served, schema, answer)
    for place in (answer["results"][0], answer["results"][0]["faces"][0]):
        place["mood"] = 1
        with pytest.raises(ValidationError, match="mood"):
            check(site.served, schema, answer)
        del place["mood"]
    del answer["results"][0]["faces"][0]["score"]
    with pytest.raises(ValidationError, match="score"):
        check(site.served, schema, answer)


def test_a_field_added_to_a_value_is_in_its_json_and_in_its_schema() -> None:
    @dataclass(frozen=True, slots=True)
    class WiderResult(FrameResult):
        """A result with one field more."""

        mood: str = "calm"

    wider = WiderResult("lobby", "1-0", 1, 1, 8, 8, ())
    properties = schemas([WiderResult])["WiderResult"]["properties"]
    assert wider.to_dict()["mood"] == json.loads(wider.to_json())["mood"] == "calm"
    assert properties.keys() == wider.to_dict().keys()


def test_every_body_of_json_can_be_sent(site: Site) -> None:
    """What the schema says of a new job is what the API takes."""
    job = site.served["components"]["schemas"]["NewJob"]
    assert set(job["properties"]) == {"upload", "kind", "paths", "name", "priority", "options"}
    video: dict[str, Any] = {"kind": "video", "paths": ["/a"], "options": {"every": 2, "formats": ["csv"]}}
    good: tuple[dict[str, Any], ...] = ({"upload": "x"}, video)
    bad: tuple[dict[str, Any], ...] = ({}, {"kind": "video"}, {**video, "upload": "x"}, {"upload": "x", "to": 1})
    for body in good:
        check(site.served, {"$ref": "#/components/schemas/NewJob"}, body)
    for body in bad:
        with pytest.raises(ValidationError):
            check(site.served, {"$ref": "#/components/schemas/NewJob"}, body)


def test_everything_that_is_referred_to_is_described(site: Site) -> None:
    text = json.dumps(site.served)
    described = site.served["components"]["schemas"]
    assert all(isinstance(route.gives, str) or issubclass(route.gives, Document) for route in ROUTES)
    referred = {part.split('"', 1)[0] for part in text.split("#/components/schemas/")[1:]}
    assert referred <= described.keys()
    assert all("description" in each for name, each in described.items() if each.get("type") == "object")
