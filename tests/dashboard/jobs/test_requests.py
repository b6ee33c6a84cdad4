from __future__ import annotations

import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from dashboard.app import create_app
from mien.formats import JOB_FORMATS
from mien.jobs.jobs import Jobs
from mien.settings import Settings
from tests.dashboard.conftest import picture

Ask = Callable[..., Any]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A folder that jobs may read, with pictures, a link to the outside, and a video."""
    root = tmp_path / "root"
    (root / "sub").mkdir(parents=True)
    for name in ("a.jpg", "sub/b.jpg"):
        (root / name).write_bytes(picture(0))
    (root / "clip.mp4").write_bytes(b"....ftyp")
    return root


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret.jpg").write_bytes(picture(1))
    return outside


@pytest.fixture
def ask(settings: Settings, root: Path) -> Iterator[Ask]:
    """Ask for a job, with `root` allowed."""
    app = create_app(settings.model_copy(update={"job_roots": (root,)}))
    client = app.test_client()
    headers = {"X-CSRFToken": client.get("/api/v1/token").get_json()["token"]}
    yield lambda body: client.post("/api/v1/jobs", json=body, headers=headers)
    app.extensions["mien"].close()


def labels(settings: Settings, job_id: str) -> list[str]:
    jobs = Jobs.from_settings(settings)
    found = [item.address.secret() for item in jobs.folder(job_id).read_inputs().items]
    jobs.close()
    return found


def test_a_folder_inside_the_roots_becomes_a_job(ask: Ask, settings: Settings, root: Path) -> None:
    answer = ask({"kind": "photos", "paths": [str(root)], "priority": "low", "options": {"annotate": False}})
    job = answer.get_json()
    assert (answer.status_code, job["inputs"], job["priority"], job["kind"]) == (201, 2, "low", "photos")
    assert labels(settings, job["id"]) == [str(root / "a.jpg"), str(root / "sub" / "b.jpg")]
    assert Path(job["out"]).is_relative_to(settings.data_dir.absolute())


def test_the_same_job_again_is_the_job_that_is_there(ask: Ask, root: Path) -> None:
    body = {"kind": "photos", "paths": [str(root)]}
    first, again = ask(body), ask(body)
    assert (first.status_code, again.status_code) == (201, 200)
    assert again.get_json()["id"] == first.get_json()["id"]


def test_videos_and_archives_inside_the_roots_work_too(ask: Ask, settings: Settings, root: Path) -> None:
    video = ask({"kind": "video", "paths": [str(root)], "options": {"every": 5, "baseline": "auto"}}).get_json()
    assert (video["kind"], labels(settings, video["id"])) == ("video", [str(root / "clip.mp4")])
    jobs = Jobs.from_settings(settings)
    assert jobs.folder(video["id"]).read_inputs().options == {"every": 5, "baseline": "auto"}
    jobs.close()
    with zipfile.ZipFile(root / "more.zip", "w") as archive:
        archive.writestr("in.jpg", picture(2))
    photos = ask({"kind": "photos", "paths": [str(root / "more.zip")]}).get_json()
    assert labels(settings, photos["id"]) == [f"zip://in.jpg::{root / 'more.zip'}"]


def test_without_roots_nothing_is_allowed(settings: Settings, root: Path) -> None:
    app = create_app(settings)
    client = app.test_client()
    headers = {"X-CSRFToken": client.get("/api/v1/token").get_json()["token"]}
    answer = client.post("/api/v1/jobs", json={"kind": "photos", "paths": [str(root)]}, headers=headers)
    assert (answer.status_code, answer.mimetype) == (403, "application/problem+json")
    problem = answer.get_json()
    assert "job_roots" in problem["detail"]
    assert problem["detail"] == problem["error"]["detail"]
    app.extensions["mien"].close()


@pytest.mark.parametrize(
    "path", ["{outside}", "{outside}/secret.jpg", "/etc/passwd", "{root}/../outside", "/", "{root}x"]
)
def test_paths_outside_the_roots_are_refused(ask: Ask, root: Path, outside: Path, path: str) -> None:
    answer = ask({"kind": "photos", "paths": [path.format(root=root, outside=outside)]})
    assert answer.status_code == 403
    assert "\n" not in answer.get_json()["detail"]


def test_links_out_of_the_roots_are_refused_wherever_they_are(ask: Ask, root: Path, outside: Path) -> None:
    (root / "way").symlink_to(outside)
    assert ask({"kind": "photos", "paths": [str(root / "way")]}).status_code == 403
    assert ask({"kind": "photos", "paths": [str(root / "way" / "secret.jpg")]}).status_code == 403
    (root / "sub" / "link.jpg").symlink_to(outside / "secret.jpg")
    answer = ask({"kind": "photos", "paths": [str(root)]})
    assert answer.status_code == 403
    assert "leads out" in answer.get_json()["detail"]


def test_a_link_onto_itself_is_no_input(ask: Ask, root: Path) -> None:
    (root / "round").symlink_to(root / "round")
    answer = ask({"kind": "photos", "paths": [str(root / "round")]})
    assert answer.status_code == 400
    assert "cannot be looked at" in answer.get_json()["detail"]


def test_it_is_not_told_whether_a_file_outside_exists(ask: Ask, outside: Path) -> None:
    there = ask({"kind": "photos", "paths": [str(outside / "secret.jpg")]}).get_json()["detail"]
    not_there = ask({"kind": "photos", "paths": [str(outside / "nobody.jpg")]}).get_json()["detail"]
    assert there.replace("secret", "nobody") == not_there


@pytest.mark.parametrize(
    "body",
    [
        None, [], {}, {"upload": "x", "paths": []}, {"kind": "photos"}, {"kind": "photos", "paths": []},
        {"kind": "photos", "paths": "/x"}, {"kind": "photos", "paths": ["a.jpg"]}, {"kind": "photos", "paths": [7]},
        {"kind": "photos", "paths": ["s3://bucket/a.jpg"]}, {"kind": "photos", "paths": ["file:///etc/passwd"]},
        {"kind": "evaluation", "paths": ["/x"]}, {"kind": "photos", "paths": ["/x"], "out": "/tmp"},
        {"kind": "photos", "paths": ["{root}"], "priority": "now"},
        {"kind": "photos", "paths": ["{root}"], "options": {"every": 2}},
        {"kind": "photos", "paths": ["{root}"], "options": {"formats": ["exe"]}},
        {"kind": "photos", "paths": ["{root}"], "webhook": "http://10.0.0.1/"},
        {"kind": "video", "paths": ["{root}"], "options": {"every": 0}},
        {"kind": "video", "paths": ["{root}"], "options": {"formats": ["json"]}},
        {"kind": "video", "paths": ["{root}"], "options": {"formats": ["csv", "json"]}},
        {"kind": "photos", "paths": ["{root}/nobody.jpg"]}, {"kind": "photos", "paths": ["{root}\u0000"]},
        {"kind": "photos", "paths": ["{root}/" + "a" * 300]}, {"kind": "photos", "paths": ["{root}/" + "a/" * 3000]},
        {"kind": "photos", "paths": ["{root}/\ud800.jpg"]}, {"kind": "photos", "paths": ["{root}/[", "{root}/**/["]},
        {"kind": "photos", "paths": ["{root}"], "webhook": "http://["},
        {"kind": "photos", "paths": ["{root}"], "webhook": "https://example.org:99999999/"},
        {"kind": "photos", "paths": ["{root}"], "options": {"prior": "\ud800"}},
        {"kind": "video", "paths": ["{root}"], "options": {"every": 10**400}},
    ],
)  # fmt: skip
def test_requests_that_cannot_be_understood_are_400(ask: Ask, root: Path, body: Any) -> None:
    if isinstance(body, dict) and isinstance(body.get("paths"), list):
        body = {**body, "paths": [p.replace("{root}", str(root)) if isinstance(p, str) else p for p in body["paths"]]}
    answer = ask(body)
    assert answer.status_code == 400, answer.get_json()
    assert "\n" not in answer.get_json()["detail"]


@pytest.mark.parametrize(("kind", "formats"), JOB_FORMATS.items())
def test_a_job_has_the_formats_of_its_kind_and_a_refusal_says_which_these_are(
    ask: Ask, settings: Settings, root: Path, kind: str, formats: tuple[str, ...]
) -> None:
    job = ask({"kind": kind, "paths": [str(root)], "options": {"formats": list(formats)}}).get_json()
    jobs = Jobs.from_settings(settings)
    assert jobs.folder(job["id"]).read_inputs().options["formats"] == list(formats)
    jobs.close()
    answer = ask({"kind": kind, "paths": [str(root)], "options": {"formats": [*formats, "xls"]}})
    assert answer.status_code == 400
    assert answer.get_json()["detail"] == (
        f"there is no format 'xls' for jobs of kind {kind}: choose from {', '.join(formats)}"
    )
