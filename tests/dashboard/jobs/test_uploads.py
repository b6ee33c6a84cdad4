from __future__ import annotations

import http.client
import io
import struct
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from flask import Flask
from PIL import Image

from dashboard.app import create_app
from dashboard.jobs.uploads import PIECE_BYTES, label_of
from mien.errors import VideoError
from mien.jobs.jobs import Jobs
from mien.settings import Settings
from models.video.probe import probe
from tests.dashboard import results
from tests.dashboard.conftest import Dashboard


def jpeg(width: int = 64, height: int = 48) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (width, height), (200, 100, 50)).save(out, "JPEG")
    return out.getvalue()


class Uploader:
    def __init__(self, app: Flask) -> None:
        self.client = app.test_client()
        self.headers = {"X-CSRFToken": self.client.get("/api/v1/token").get_json()["token"]}
        answer = self.client.post("/api/v1/uploads", headers=self.headers)
        self.id = answer.get_json()["id"]

    def add(self, body: bytes, name: str = "a.jpg", content_type: str = "application/octet-stream") -> Any:
        return self.client.post(
            f"/api/v1/uploads/{self.id}/files",
            query_string={"name": name},
            data=body,
            headers=self.headers,
            content_type=content_type,
        )

    def finish(self, **more: object) -> Any:
        return self.client.post("/api/v1/jobs", json={"upload": self.id, **more}, headers=self.headers)


@pytest.fixture
def uploader(app: Flask) -> Uploader:
    return Uploader(app)


def stored(settings: Settings) -> list[str]:
    return sorted(path.name for path in settings.data_dir.rglob("uploads/*"))


def test_an_upload_becomes_a_job(uploader: Uploader, settings: Settings) -> None:
    added = uploader.add(jpeg(), "../../etc/../Ann & Bob\x07.jpg")
    assert (added.status_code, added.get_json()["name"]) == (201, "Ann & Bob.jpg")
    assert (added.get_json()["width"], added.get_json()["height"]) == (64, 48)
    assert uploader.add(jpeg(), "b.png").status_code == 201
    job = uploader.finish(name="party")
    assert job.status_code == 201
    assert (job.get_json()["id"], job.get_json()["name"], job.get_json()["inputs"], job.get_json()["state"]) == (
        uploader.id, "party", 2, "queued",
    )  # fmt: skip
    assert stored(settings) == ["000001.jpg", "000002.jpg"]
    assert uploader.finish().status_code == 404


def test_an_upload_that_somebody_made_a_job_meanwhile_is_a_conflict(uploader: Uploader, settings: Settings) -> None:
    uploader.add(jpeg())
    jobs = Jobs.from_settings(settings)
    jobs.enqueue("photos", [results.item("/a.jpg")], name="a", job_id=uploader.id)
    jobs.close()
    answer = uploader.finish()
    assert (answer.status_code, answer.get_json()["code"]) == (409, "conflict")
    assert answer.get_json()["detail"] == f"job {uploader.id} is queued already"


@pytest.mark.parametrize("body", [b"", b"just text", b"GIF of no kind at all", b"%PDF-1.4 and more"])
def test_what_is_no_picture_is_refused_whatever_its_name(uploader: Uploader, settings: Settings, body: bytes) -> None:
    answer = uploader.add(body, "photo.jpg")
    assert answer.status_code == 415
    assert stored(settings) == []


def test_videos_become_a_video_job(uploader: Uploader, settings: Settings) -> None:
    added = uploader.add(results.mp4(0.2), "holiday.mov")
    assert (added.status_code, added.get_json()["kind"]) == (201, "video")
    assert (added.get_json()["width"], added.get_json()["height"]) == (64, 48)
    refused = uploader.add(jpeg(), "b.jpg")
    assert refused.status_code == 415
    assert "an upload each" in refused.get_json()["detail"]
    job = uploader.finish(priority="high", options={"every": 2})
    assert (job.status_code, job.get_json()["kind"], job.get_json()["name"]) == (201, "video", "holiday.mov")
    assert (job.get_json()["inputs"], job.get_json()["priority"]) == (1, "high")
    assert stored(settings) == ["000001.mp4"]


def test_a_video_without_pictures_or_with_too_large_ones_is_refused(uploader: Uploader, settings: Settings) -> None:
    assert uploader.add(results.sound_only(), "song.mp4").status_code == 415
    data = bytearray(results.mp4(0.2))
    place = data.index(b"stsd") + 4 + 40
    assert data[place : place + 4] == struct.pack(">HH", 64, 48)
    data[place : place + 4] = struct.pack(">HH", 30000, 30000)
    answer = uploader.add(bytes(data), "large.mp4")
    assert answer.status_code == 413
    assert "30000×30000" in answer.get_json()["detail"]
    assert stored(settings) == []


@pytest.mark.parametrize(
    ("container", "codec"),
    [("mp4", "mpeg4"), ("mov", "mpeg4"), ("matroska", "mpeg4"), ("webm", "libvpx"), ("avi", "mpeg4")],
)
def test_a_video_is_refused_at_upload_as_it_is_in_a_job_and_in_the_same_words(
    settings: Settings, tmp_path: Path, container: str, codec: str
) -> None:
    path = tmp_path / "clip"
    path.write_bytes(results.video(0.2, 96, 64, container, codec))
    most = 96 * 64
    for limit, status in ((most, 201), (most - 1, 413)):
        app = create_app(settings.model_copy(update={"video_max_pixels": limit}))
        answer = Uploader(app).add(path.read_bytes(), "clip")
        assert answer.status_code == status
        app.extensions["mien"].close()
    probe(path, most)
    with pytest.raises(VideoError) as refused:
        probe(path, most - 1)
    assert answer.get_json()["detail"] == str(refused.value)
    assert len(stored(settings)) == 1


def test_the_limit_of_photos_is_not_that_of_videos(settings: Settings) -> None:
    app = create_app(settings.model_copy(update={"video_max_pixels": 1, "photo_max_pixels": 64 * 48}))
    uploader = Uploader(app)
    assert uploader.add(jpeg(64, 48)).status_code == 201
    refused = uploader.add(jpeg(64, 49))
    assert refused.status_code == 413
    assert "the picture declares 64×49 pixels, more than the 3072 allowed" in refused.get_json()["detail"]
    app.extensions["mien"].close()


def test_a_picture_of_30000_by_30000_pixels_is_refused(uploader: Uploader, settings: Settings) -> None:
    out = io.BytesIO()
    Image.new("RGB", (8, 8)).save(out, "PNG")
    data = bytearray(out.getvalue())
    data[16:24] = struct.pack(">II", 30000, 30000)
    answer = uploader.add(bytes(data))
    assert answer.status_code == 413
    assert "30000×30000" in answer.get_json()["error"]["detail"]
    assert stored(settings) == []


def test_a_tiff_whose_size_stands_at_its_end_is_checked_too(uploader: Uploader, settings: Settings) -> None:
    pixels = b"\x00" * 200_000
    entries = struct.pack("<HHII", 256, 4, 1, 30000) + struct.pack("<HHII", 257, 4, 1, 30000)
    data = b"II*\x00" + struct.pack("<I", 8 + len(pixels)) + pixels + struct.pack("<H", 2) + entries
    assert uploader.add(data, "a.tif").status_code == 413
    assert stored(settings) == []


class Slow:
    """A file that is sent in two parts, so that others come in between."""

    def __init__(self, dashboard: Dashboard, upload: str, body: bytes) -> None:
        self._body = body
        self._connection = http.client.HTTPConnection(urlsplit(dashboard.url).netloc, timeout=20)
        token = dashboard.get("/api/v1/token").json()["token"]
        cookies = "; ".join(f"{cookie.name}={cookie.value}" for cookie in dashboard.session.cookies)
        self._connection.putrequest("POST", f"/api/v1/uploads/{upload}/files?name=a")
        for name, value in {"X-CSRFToken": token, "Cookie": cookies, "Content-Length": str(len(body)),
                            "Content-Type": "application/octet-stream"}.items():  # fmt: skip
            self._connection.putheader(name, value)
        self._connection.endheaders(body[: len(body) // 2])

    def finish(self) -> int:
        self._connection.send(self._body[len(self._body) // 2 :])
        answer = self._connection.getresponse()
        answer.read()
        self._connection.close()
        return answer.status


def test_files_that_come_side_by_side_do_not_meet(dashboard: Dashboard, settings: Settings) -> None:
    upload = dashboard.post("/api/v1/uploads").json()["id"]
    bodies = [results.mp4(0.2), results.mp4(0.4), results.sound_only(), results.mp4(0.6)]
    files = [Slow(dashboard, upload, body) for body in bodies]
    assert dashboard.get("/healthz").status_code == 200
    assert [file.finish() for file in files] == [201, 201, 415, 201]
    kept = [path.read_bytes() for path in settings.data_dir.rglob("uploads/*") if path.is_file()]
    assert sorted(kept) == sorted([bodies[0], bodies[1], bodies[3]])


def test_of_a_picture_and_a_video_that_come_side_by_side_one_is_refused(dashboard: Dashboard) -> None:
    upload = dashboard.post("/api/v1/uploads").json()["id"]
    padding = bytes(4 * PIECE_BYTES)  # so that what they are is known before the first has come in
    files = [Slow(dashboard, upload, body + padding) for body in (jpeg(), results.mp4(0.2))]
    assert dashboard.get("/healthz").status_code == 200
    assert [file.finish() for file in files] == [201, 415]
    assert dashboard.post("/api/v1/jobs", json={"upload": upload}).json()["inputs"] == 1


def test_size_and_count_are_limited(settings: Settings) -> None:
    app = create_app(settings.model_copy(update={"upload_max_mb": 1, "upload_max_files": 2}))
    uploader = Uploader(app)
    large = jpeg() + b"\x00" * 700_000
    assert uploader.add(large).status_code == 201
    assert uploader.add(large).status_code == 413
    assert uploader.add(jpeg() + b"\x00" * (2 << 20)).status_code == 413
    assert uploader.add(jpeg()).status_code == 201
    assert uploader.add(jpeg()).status_code == 413
    assert stored(settings) == ["000001.jpg", "000002.jpg"]
    app.extensions["mien"].close()


def test_forms_are_refused(uploader: Uploader) -> None:
    assert uploader.add(b"--x\r\n", content_type="multipart/form-data; boundary=x").status_code == 415


def test_an_upload_without_pictures_makes_no_job(uploader: Uploader) -> None:
    uploader.add(b"text")
    assert uploader.finish().status_code == 400


def test_an_upload_can_be_given_up(uploader: Uploader, settings: Settings) -> None:
    uploader.add(jpeg())
    answer = uploader.client.delete(f"/api/v1/uploads/{uploader.id}", headers=uploader.headers)
    assert answer.status_code == 204
    assert stored(settings) == []
    assert uploader.add(jpeg()).status_code == 404


def test_only_so_many_uploads_are_open(app: Flask) -> None:
    client = app.test_client()
    headers = {"X-CSRFToken": client.get("/api/v1/token").get_json()["token"]}
    answers = [client.post("/api/v1/uploads", headers=headers).status_code for _ in range(17)]
    assert answers == [201] * 16 + [429]


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("a/b/c.jpg", "c.jpg"),
        ("C:\\x\\y.png", "y.png"),
        ("..", ".."),
        ("a\x00b\n.jpg", "ab.jpg"),
        ("x" * 300, "x" * 200),
    ],
)
def test_labels_are_for_people_only(name: str, label: str) -> None:
    assert label_of(name) == label
