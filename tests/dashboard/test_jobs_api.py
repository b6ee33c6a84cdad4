from __future__ import annotations

import csv
import io
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from mien.errors import JobError
from mien.files import write_json
from mien.jobs.jobs import Jobs
from mien.jobs.view import JobView
from mien.settings import Settings
from tests.dashboard import results


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


@pytest.fixture
def jobs(settings: Settings) -> Iterator[Jobs]:
    jobs = Jobs.from_settings(settings.model_copy(update={"chunk_size": 10}))
    yield jobs
    jobs.close()


def queued(jobs: Jobs, count: int = 1, kind: str = "photos", name: str = "one", priority: str = "normal") -> JobView:
    items = [results.item(f"/photos/{name}-{number}.jpg") for number in range(count)]
    return jobs.enqueue(kind, items, name=name, priority=priority)


def body_of(client: FlaskClient, path: str, status: int = 200) -> Any:
    with client.get(path) as answer:
        assert answer.status_code == status, answer.get_data(as_text=True)
        return answer.get_json()


def bytes_of(client: FlaskClient, path: str, **headers: str) -> tuple[int, bytes, dict[str, str]]:
    with client.get(path, headers=headers) as answer:
        return answer.status_code, answer.data, dict(answer.headers)


def test_jobs_are_listed_cancelled_and_retried(client: FlaskClient, jobs: Jobs) -> None:
    job = queued(jobs)
    assert body_of(client, "/api/v1/jobs")["jobs"][0]["id"] == job.id
    headers = {"X-CSRFToken": body_of(client, "/api/v1/token")["token"]}
    assert client.delete(f"/api/v1/jobs/{job.id}", headers=headers).get_json()["state"] == "cancelled"
    assert client.post(f"/api/v1/jobs/{job.id}/retry", headers=headers).get_json()["state"] == "queued"
    assert client.post(f"/api/v1/jobs/{job.id}/cancel", headers=headers).get_json()["state"] == "cancelled"


def test_a_retry_answers_409_without_failures_404_without_a_job_and_500_when_the_disk_refuses(
    client: FlaskClient, jobs: Jobs
) -> None:
    headers = {"X-CSRFToken": body_of(client, "/api/v1/token")["token"]}

    def retry(job_id: str) -> tuple[int, str]:
        answer = client.post(f"/api/v1/jobs/{job_id}/retry", headers=headers)
        return answer.status_code, answer.get_json()["detail"]

    job = queued(jobs)
    results.finish_photos(jobs, job, [results.entry_of(0)])
    assert retry(job.id) == (409, f"job {job.id} is done and none of its inputs failed: there is nothing to retry")
    assert retry("abcdef0123")[0] == 404
    failed = queued(jobs, name="two")
    results.finish_photos(jobs, failed, [{"path": "x.jpg", "reason": "empty"}])
    folder = jobs.folder(failed.id)
    folder.partial(0).mkdir()
    status, reason = retry(failed.id)
    assert (status, "cannot be changed" in reason) == (500, True)
    assert [*jobs.failures(jobs.get(failed.id))] != []


def test_every_error_about_a_job_has_a_status_of_its_own(app: Flask) -> None:
    wanted = {"JobError": 404, "JobConflict": 409, "JobNotStored": 500}
    everything: list[type[JobError]] = [JobError, *JobError.__subclasses__()]
    kinds = {each.__name__: each for each in everything}
    assert kinds.keys() == wanted.keys()
    for name, status in wanted.items():
        with app.test_request_context("/api/v1/jobs"):
            answer = app.make_response(app.handle_user_exception(kinds[name]("no")))
        assert answer.status_code == status


def test_the_schema_says_which_requests_may_be_a_conflict(client: FlaskClient) -> None:
    paths = body_of(client, "/api/v1/openapi.json")["paths"]
    refused = {
        (path, method)
        for path, methods in paths.items()
        for method, each in methods.items()
        if "409" in each["responses"]
    }
    assert refused == {
        ("/api/v1/jobs", "post"),
        ("/api/v1/jobs/{id}/retry", "post"),
        ("/api/v1/browser-cameras/{name}/frames", "post"),
    }


def test_the_list_is_filtered_by_state_and_kind(client: FlaskClient, jobs: Jobs) -> None:
    photos, video = queued(jobs, name="a"), queued(jobs, name="b", kind="video", priority="high")
    done = queued(jobs, name="c")
    results.finish_photos(jobs, done, [results.entry_of(0)])

    def ids(query: str) -> list[str]:
        return [job["id"] for job in body_of(client, f"/api/v1/jobs?{query}")["jobs"]]

    assert ids("") == [done.id, video.id, photos.id]
    assert ids("state=queued,running") == [video.id, photos.id]
    assert ids("state=done") == [done.id]
    assert ids("kind=video") == [video.id]
    assert ids("kind=photos&limit=1") == [done.id]
    assert ids("state=failed") == []
    for query in ("state=asleep", "kind=dreams", "limit=0", "limit=501"):
        assert "must be" in json.dumps(body_of(client, f"/api/v1/jobs?{query}", 400)) or query.startswith(("st", "ki"))


def test_the_api_says_the_numbers_of_the_command_line(client: FlaskClient, jobs: Jobs) -> None:
    job = queued(jobs, 3)
    results.finish_photos(jobs, job, [results.entry_of(0), results.entry_of(1), {"path": "x.jpg", "reason": "empty"}])
    told = body_of(client, f"/api/v1/jobs/{job.id}")
    assert told == json.loads(json.dumps(jobs.get(job.id).to_dict()))
    assert (told["done"], told["failed"], told["inputs"], told["progress"], told["unit"]) == (2, 1, 3, 1.0, "pictures")


def test_many_failures_come_page_by_page_and_as_csv(client: FlaskClient, jobs: Jobs) -> None:
    count = 2500
    job = queued(jobs, count)
    failed = [{"path": f"ä,{number}.jpg", "reason": 'not "a" picture'} for number in range(count)]
    results.finish_photos(jobs, job, failed)
    assert len(body_of(client, f"/api/v1/jobs/{job.id}")["failures"]) == 20
    assert len(body_of(client, "/api/v1/jobs")["jobs"][0]["failures"]) <= 20
    first = body_of(client, f"/api/v1/jobs/{job.id}/failures?limit=1000")
    assert (len(first["failures"]), first["total"], first["next"]) == (1000, count, 1000)
    last = body_of(client, f"/api/v1/jobs/{job.id}/failures?limit=1000&offset=2000")
    assert ([each["path"] for each in last["failures"]][-1], last["next"]) == ("ä,2499.jpg", None)
    status, text, headers = bytes_of(client, f"/api/v1/jobs/{job.id}/failures.csv")
    rows = list(csv.reader(io.StringIO(text.decode())))
    assert (status, rows[0], len(rows)) == (200, ["path", "reason"], count + 1)
    assert rows[-1] == ["ä,2499.jpg", 'not "a" picture']
    assert "attachment" in headers["Content-Disposition"]
    body_of(client, f"/api/v1/jobs/{job.id}/failures?offset=-1", 400)


def test_pictures_come_page_by_page_with_their_faces(client: FlaskClient, jobs: Jobs) -> None:
    job = queued(jobs, 25)
    entries = [results.entry_of(number, faces=number % 3) for number in range(25)]
    entries[12] = {"path": "bad.jpg", "reason": "empty"}
    results.finish_photos(jobs, job, entries)
    seen: list[int] = []
    after: int | None = -1
    while after is not None:
        query = "" if after < 0 else f"&after={after}"
        page = body_of(client, f"/api/v1/jobs/{job.id}/pictures?limit=7{query}")
        assert len(page["pictures"]) <= 7
        seen += [picture["index"] for picture in page["pictures"]]
        after = page["next"]
    assert seen == [number for number in range(25) if number != 12]
    sad = body_of(client, f"/api/v1/jobs/{job.id}/pictures?emotion=sad")["pictures"]
    assert [picture["index"] for picture in sad] == [n for n in range(25) if n % 3 and n % 2 and n != 12]
    none = body_of(client, f"/api/v1/jobs/{job.id}/pictures?emotion=none")["pictures"]
    assert [picture["index"] for picture in none] == [n for n in range(25) if n % 3 == 0 and n != 12]
    body_of(client, f"/api/v1/jobs/{job.id}/pictures?emotion=hungry", 400)
    status, jpeg, headers = bytes_of(client, f"/api/v1/jobs/{job.id}/{sad[0]['annotated']}")
    assert (status, jpeg[:2], headers["Content-Type"]) == (200, b"\xff\xd8", "image/jpeg")


def test_annotated_names_come_in_the_order_of_numbers(client: FlaskClient, jobs: Jobs) -> None:
    job = queued(jobs, 12)
    results.finish_photos(jobs, job, [results.entry_of(number) for number in range(12)])
    first = body_of(client, f"/api/v1/jobs/{job.id}/annotated?limit=9")
    assert first == {"pictures": [f"{number}-{number - 1}.jpg" for number in range(1, 10)], "next": 9}
    rest = body_of(client, f"/api/v1/jobs/{job.id}/annotated?after=9")
    assert rest == {"pictures": ["10-9.jpg", "11-10.jpg", "12-11.jpg"], "next": None}


def test_only_outputs_of_a_job_can_be_fetched(client: FlaskClient, jobs: Jobs, tmp_path: Path) -> None:
    job = queued(jobs, 1)
    results.finish_photos(jobs, job, [results.entry_of(0)])
    secret = tmp_path / "secret.jpg"
    secret.write_bytes(b"secret")
    (job.out / "secret.jpg").write_bytes(b"secret")
    (job.out / "annotated" / "7-link.jpg").symlink_to(secret)
    (job.out / "results.parquet").symlink_to(secret)
    (job.out / "private").mkdir()
    (job.out / "private" / "diary.txt").write_text("secret")
    for path in (
        "annotated/..%2fsecret.jpg", "annotated/%2e%2e/secret.jpg", "annotated/7-link.jpg", "secret.jpg",
        "results.parquet", "outputs/secret.jpg", "outputs/private/diary.txt", "outputs/../inputs.json",
        "outputs/%2e%2e/inputs.json", "outputs/results.parquet", "outputs/a/b/summary.json",
    ):  # fmt: skip
        status, content, _ = bytes_of(client, f"/api/v1/jobs/{job.id}/{path}")
        assert (path, status) == (path, 404)
        assert b"secret" not in content.replace(b"secret.jpg", b"")
    names = [output["path"] for output in body_of(client, f"/api/v1/jobs/{job.id}/outputs")["outputs"]]
    assert names == ["results.csv", "results.json"]
    with zipfile.ZipFile(io.BytesIO(bytes_of(client, f"/api/v1/jobs/{job.id}/results.zip")[1])) as archive:
        assert sorted(archive.namelist()) == ["annotated/1-0.jpg", "results.csv", "results.json"]


def test_everything_comes_as_one_zip_of_a_known_length(client: FlaskClient, jobs: Jobs) -> None:
    job = queued(jobs, 30)
    assert bytes_of(client, f"/api/v1/jobs/{job.id}/results.zip")[0] == 404
    results.finish_photos(jobs, job, [results.entry_of(number) for number in range(30)])
    status, content, headers = bytes_of(client, f"/api/v1/jobs/{job.id}/results.zip")
    assert (status, int(headers["Content-Length"])) == (200, len(content))
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert archive.testzip() is None
        assert len(archive.namelist()) == 32
        assert archive.read("annotated/3-2.jpg") == (job.out / "annotated" / "3-2.jpg").read_bytes()


def test_results_are_sent_as_files_once_they_are_there(client: FlaskClient, jobs: Jobs) -> None:
    job = queued(jobs)
    assert bytes_of(client, f"/api/v1/jobs/{job.id}/results.csv")[0] == 404
    results.finish_photos(jobs, job, [results.entry_of(0)])
    status, content, headers = bytes_of(client, f"/api/v1/jobs/{job.id}/results.csv")
    assert (status, content) == (200, b"path,face\n")
    assert headers["Content-Disposition"] == f"attachment; filename={job.id}-results.csv"
    assert bytes_of(client, f"/api/v1/jobs/{job.id}/results.csv", **{"If-None-Match": headers["ETag"]})[0] == 304


def test_videos_are_told_with_state_progress_and_files(client: FlaskClient, jobs: Jobs) -> None:
    job = queued(jobs, 4, "video")
    folder = jobs.folder(job.id)
    write_json(folder.video(1) / "plan.json", {"segments": 4, "frames": 100})
    (folder.video(1) / "analysed").mkdir()
    for segment in range(3):
        (folder.video(1) / "analysed" / f"{segment}.npz").write_bytes(b"")
    videos = body_of(client, f"/api/v1/jobs/{job.id}/videos?limit=2")
    assert [(video["state"], video["progress"]) for video in videos["videos"]] == [
        ("queued", 0.0),
        ("analysing", 0.375),
    ]
    assert videos["next"] == 1
    results.finish_videos(jobs, job, ("", "", "no video track", ""))
    videos = body_of(client, f"/api/v1/jobs/{job.id}/videos?limit=9&after=0")
    assert [video["state"] for video in videos["videos"]] == ["done", "failed", "done"]
    assert videos["videos"][1]["reason"] == "no video track"
    assert videos["next"] is None
    files = [file["path"] for file in videos["videos"][0]["files"]]
    assert files[0] == "clip-1/annotated.mp4"
    assert "clip-1/report.html" in files


def test_a_player_can_ask_for_any_part_of_a_video(client: FlaskClient, jobs: Jobs) -> None:
    job = queued(jobs, 1, "video")
    results.finish_videos(jobs, job)
    whole = (job.out / "clip-0" / "annotated.mp4").read_bytes()
    address = f"/api/v1/jobs/{job.id}/outputs/clip-0/annotated.mp4"
    status, content, headers = bytes_of(client, address)
    assert (status, content, headers["Content-Type"]) == (200, whole, "video/mp4")
    assert headers["Accept-Ranges"] == "bytes"
    for asked, part in (("100-199", whole[100:200]), ("-50", whole[-50:]), (f"{len(whole) - 9}-", whole[-9:])):
        status, content, headers = bytes_of(client, address, Range=f"bytes={asked}")
        assert (status, content) == (206, part)
        assert headers["Content-Range"].endswith(f"/{len(whole)}")
    assert bytes_of(client, address, Range=f"bytes={len(whole) + 5}-")[0] == 416


def test_a_report_is_sandboxed_whoever_opens_it(client: FlaskClient, jobs: Jobs) -> None:
    job = queued(jobs, 1, "video")
    results.finish_videos(jobs, job)
    _, _, headers = bytes_of(client, f"/api/v1/jobs/{job.id}/outputs/clip-0/report.html")
    policy = headers["Content-Security-Policy"]
    assert policy.startswith("sandbox allow-scripts; default-src 'none'")
    assert "allow-same-origin" not in policy
    assert "connect-src" not in policy
    assert headers["Cross-Origin-Opener-Policy"] == "unsafe-none"


def test_an_evaluation_gives_its_figures(client: FlaskClient, jobs: Jobs) -> None:
    job = queued(jobs, 8, "evaluation")
    results.finish_evaluation(jobs, job)
    assert body_of(client, f"/api/v1/jobs/{job.id}/outputs/evaluation.json")["accuracy"] == 0.6957
    names = {output["path"] for output in body_of(client, f"/api/v1/jobs/{job.id}/outputs")["outputs"]}
    assert names == {"evaluation.json", "predictions.csv", "report.html"}


@pytest.mark.parametrize("body", [b"[" * 200_000, b'{"a":' * 100_000, b'{"kind": "photos", "paths": ' + b"[" * 100_000])
def test_a_body_that_is_nested_without_end_is_no_request(client: FlaskClient, body: bytes) -> None:
    token = client.get("/api/v1/token").get_json()["token"]
    headers = {"X-CSRFToken": token, "Content-Type": "application/json"}
    answer = client.post("/api/v1/jobs", data=body, headers=headers)
    assert answer.status_code == 400
    assert "the body must be JSON" in answer.get_json()["detail"]
