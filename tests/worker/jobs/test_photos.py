from __future__ import annotations

import csv
import json
import struct
import threading
import zlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import simplejpeg
import skimage.data

from mien.errors import JobError
from mien.jobs.jobs import PHOTO_CHUNK, Jobs
from mien.jobs.view import JobView
from mien.pixels import Rgb
from mien.settings import Settings
from mien.types import EMOTIONS, Face
from tests.support.photo_jobs import enqueue_photos
from worker.jobs.photos import PhotoJobs
from worker.jobs.rq_worker import JobsWorker

FACE = Face(
    box=(170.0, 70.0, 110.0, 140.0),
    emotion="happy",
    confidence=0.72,
    probabilities=(0.04, 0.04, 0.04, 0.04, 0.72, 0.04, 0.04, 0.04),
    valence=0.6,
    arousal=0.3,
)


class StandIn:
    """Finds one face in every picture of more than 64 pixels; the model has tests of its own."""

    threshold = 0.3

    def __init__(self, seen: Callable[[int], None] = lambda _: None) -> None:
        self._seen = seen
        self.pictures = 0

    def analyze_many(self, pictures: Sequence[Rgb]) -> tuple[list[tuple[Face, ...]], Mapping[str, float]]:
        self.pictures += len(pictures)
        self._seen(self.pictures)
        if any(picture.shape[1] == 99 for picture in pictures):
            raise ValueError("99 is a number this analyzer cannot bear")
        return [(FACE,) if picture.shape[1] > 64 else () for picture in pictures], {}


class PhotosSite:
    """Jobs, and a worker on them."""

    def __init__(self, settings: Settings) -> None:
        self.jobs = Jobs.from_settings(settings)
        self.stopping = threading.Event()

    def work(self, analyzer: StandIn | None = None) -> StandIn:
        analyzer = analyzer or StandIn()
        photos = PhotoJobs(self.jobs, analyzer, self.stopping)
        JobsWorker(self.jobs.redis, photos.functions, photos.give_up, self.stopping).run(until_empty=True)
        return analyzer

    def results(self, view: JobView) -> dict[str, Any]:
        document: dict[str, Any] = json.loads((view.out / "results.json").read_text())
        return document

    def rows(self, view: JobView) -> list[dict[str, str]]:
        with (view.out / "results.csv").open(newline="", encoding="utf-8") as file:
            return list(csv.DictReader(file))


@pytest.fixture
def office(settings: Settings) -> PhotosSite:
    return PhotosSite(settings.model_copy(update={"chunk_size": 4}))


@pytest.fixture(scope="session")
def astronaut() -> bytes:
    jpeg: bytes = simplejpeg.encode_jpeg(skimage.data.astronaut(), 90)
    return jpeg


@pytest.fixture
def folder(tmp_path: Path, astronaut: bytes) -> Path:
    """Ten good pictures, in `pictures`."""
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    for number in range(10):
        (pictures / f"{number}.jpg").write_bytes(astronaut)
    return pictures


def huge_png() -> bytes:
    """A valid PNG of a few bytes that declares 30,000 × 30,000 pixels."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", 30_000, 30_000, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 90)) + chunk(b"IEND", b"")
    )


def test_a_folder_ends_as_json_csv_and_annotated_pictures(office: PhotosSite, folder: Path) -> None:
    paths = sorted(folder.iterdir())
    view = enqueue_photos(office.jobs, paths, name="pictures")
    office.work()
    view = office.jobs.get(view.id)
    assert (view.state, view.inputs, view.done, view.failed, view.faces) == ("done", 10, 10, 0, 10)
    assert view.finished is not None
    results = office.results(view)
    assert (results["job"], results["inputs"], results["done"], results["failed"]) == (view.id, 10, 10, 0)
    assert [picture["path"] for picture in results["pictures"]] == [str(path) for path in paths]
    first = results["pictures"][0]
    assert (first["width"], first["height"], first["faces"]) == (512, 512, [FACE.to_dict()])
    assert first["annotated"] == "annotated/1-0.jpg"
    for picture in results["pictures"]:
        jpeg = (view.out / picture["annotated"]).read_bytes()
        assert simplejpeg.decode_jpeg_header(jpeg)[:2] == (512, 512)


def test_the_table_has_a_row_for_each_face_and_none_is_missing(office: PhotosSite, folder: Path) -> None:
    small = folder / "small.jpg"
    small.write_bytes(simplejpeg.encode_jpeg(skimage.data.astronaut()[:64, :64].copy()))
    text = folder / "text.jpg"
    text.write_text("I am not a picture")
    view = enqueue_photos(office.jobs, [folder / "0.jpg", small, text], name="three")
    office.work()
    face, none, bad = office.rows(office.jobs.get(view.id))
    assert (face["path"], face["face"], face["emotion"], face["x"], face["height"]) == (
        str(folder / "0.jpg"), "1", "happy", "170.0", "140.0",
    )  # fmt: skip
    assert sum(float(face[name]) for name in EMOTIONS) == pytest.approx(1)
    assert (none["path"], none["face"], none["emotion"], none["reason"]) == (str(small), "0", "", "")
    assert (bad["path"], bad["face"]) == (str(text), "")
    assert "not a picture" in bad["reason"]


def test_every_bad_picture_has_its_reason_and_all_others_are_done(
    office: PhotosSite, folder: Path, astronaut: bytes
) -> None:
    (folder / "text.jpg").write_text("I am not a picture")
    (folder / "truncated.jpg").write_bytes(astronaut[: len(astronaut) // 2])
    (folder / "empty.jpg").touch()
    (folder / "huge.png").write_bytes(huge_png())
    (folder / "odd.jpg").write_bytes(simplejpeg.encode_jpeg(skimage.data.astronaut()[:80, :99].copy()))
    (folder / "gone.jpg").write_bytes(astronaut)
    (folder / "folder.jpg").mkdir()
    view = enqueue_photos(office.jobs, sorted(folder.iterdir()), name="mixed")
    (folder / "gone.jpg").unlink()
    office.work()
    view = office.jobs.get(view.id)
    assert (view.state, view.inputs, view.done, view.failed) == ("done", 17, 10, 7)
    reasons = {Path(failure.path).name: failure.reason for failure in view.failures}
    for name, reason in {
        "text.jpg": "not a picture",
        "truncated.jpg": "truncated",
        "empty.jpg": "is empty",
        "huge.png": "30000×30000 pixels",
        "odd.jpg": "cannot be analysed: 99 is a number",
        "gone.jpg": "does not exist",
        "folder.jpg": "not a file",
    }.items():
        assert reason in reasons[name]
    results = office.results(view)
    assert results["failures"] == [failure.to_dict() for failure in view.failures]
    assert len(results["pictures"]) + len(results["failures"]) == results["inputs"]
    assert len(office.rows(view)) == 17


def test_results_go_where_they_are_wanted_and_without_pictures_if_so(
    office: PhotosSite, folder: Path, tmp_path: Path
) -> None:
    out = tmp_path / "a" / "b"
    view = enqueue_photos(office.jobs, [folder / "0.jpg"], name="one", out=out, annotate=False)
    office.work()
    assert office.jobs.get(view.id).out == out
    assert sorted(path.name for path in out.iterdir()) == ["results.csv", "results.json"]


def test_names_of_uploads_are_shown_and_never_used_as_paths(office: PhotosSite, folder: Path, tmp_path: Path) -> None:
    job_id = office.jobs.new_id()
    stored = office.jobs.upload_dir(job_id) / "0.jpg"
    stored.write_bytes((folder / "0.jpg").read_bytes())
    label = "../../evil\n<b>.jpg"
    view = enqueue_photos(office.jobs, [stored], name="upload", job_id=job_id, labels=[label])
    office.work()
    view = office.jobs.get(view.id)
    (picture,) = office.results(view)["pictures"]
    assert (picture["path"], picture["annotated"]) == (label, "annotated/1-0.jpg")
    assert office.rows(view)[0]["path"] == label


def test_strange_names_of_files_do_no_harm(office: PhotosSite, folder: Path) -> None:
    strange = folder / ("é ;$(x)" + "n" * 200 + ".jpg")
    (folder / "0.jpg").rename(strange)
    view = enqueue_photos(office.jobs, [strange], name="one")
    office.work()
    view = office.jobs.get(view.id)
    assert view.done == 1
    assert (view.out / office.results(view)["pictures"][0]["annotated"]).is_file()


def test_a_job_cancelled_in_the_middle_stops_and_a_retry_finishes_it(office: PhotosSite, folder: Path) -> None:
    paths = sorted(folder.iterdir()) * 3
    view = enqueue_photos(office.jobs, paths, name="thirty")

    def cancel_after_eight(count: int) -> None:
        if count >= 8:
            office.jobs.cancel(view.id)

    office.work(StandIn(cancel_after_eight))
    stopped = office.jobs.get(view.id)
    assert stopped.state == "cancelled"
    assert not (stopped.out / "results.json").exists()
    assert office.jobs.retry(view.id).state == "queued"
    second = office.work()
    ended = office.jobs.get(view.id)
    assert (ended.state, ended.done, ended.failed) == ("done", 30, 0)
    assert second.pictures == 30 - 8
    assert [picture["path"] for picture in office.results(ended)["pictures"]] == [str(path) for path in paths]


def test_a_stop_hands_the_rest_back_and_nothing_is_read_twice(office: PhotosSite, folder: Path) -> None:
    office.jobs = Jobs.from_settings(office.jobs.settings.model_copy(update={"chunk_size": 100}))
    paths = sorted(folder.iterdir()) * 3
    view = enqueue_photos(office.jobs, paths, name="thirty")
    first = office.work(StandIn(lambda count: office.stopping.set() if count >= 16 else None))
    assert first.pictures == 16
    handed_back = office.jobs.get(view.id)
    assert (handed_back.state, office.jobs.queue.job_ids) == ("running", [f"{view.id}-1-chunk-0"])
    office.stopping.clear()
    second = office.work()
    ended = office.jobs.get(view.id)
    assert (ended.state, ended.done) == ("done", 30)
    assert second.pictures == 14
    assert len(office.results(ended)["pictures"]) == 30


def test_a_retry_of_a_finished_job_reads_only_what_failed(office: PhotosSite, folder: Path, astronaut: bytes) -> None:
    (folder / "3.jpg").write_bytes(b"not yet")
    view = enqueue_photos(office.jobs, sorted(folder.iterdir()), name="ten")
    office.work()
    assert office.jobs.get(view.id).failed == 1
    (folder / "3.jpg").write_bytes(astronaut)
    office.jobs.retry(view.id)
    assert office.work().pictures == 1
    ended = office.jobs.get(view.id)
    assert (ended.state, ended.done, ended.failed, ended.failures) == ("done", 10, 0, ())
    assert [Path(picture["path"]).name for picture in office.results(ended)["pictures"]] == [
        f"{number}.jpg" for number in range(10)
    ]


def test_a_job_whose_results_cannot_be_written_fails_with_the_reason_and_can_be_retried(
    office: PhotosSite, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mien.jobs.queue.RETRY_INTERVALS_S", (0, 0))
    out = tmp_path / "out"
    view = enqueue_photos(office.jobs, sorted(folder.iterdir()), name="ten", out=out)
    out.rmdir()
    out.write_text("a file where a folder should be")
    office.work()
    failed = office.jobs.get(view.id)
    assert failed.state == "failed"
    assert "FileExistsError" in failed.reason or "NotADirectoryError" in failed.reason
    out.unlink()
    office.jobs.retry(view.id)
    office.work()
    assert office.jobs.get(view.id).state == "done"


def test_a_damaged_part_is_read_again(office: PhotosSite, folder: Path) -> None:
    view = enqueue_photos(office.jobs, sorted(folder.iterdir()), name="ten")
    files = office.jobs.folder(view.id)
    files.part(1).parent.mkdir(parents=True)
    files.part(1).write_text("{")
    office.work()
    assert office.jobs.get(view.id).done == 10


def test_what_a_job_carries_is_checked(office: PhotosSite, folder: Path) -> None:
    view = enqueue_photos(office.jobs, [folder / "0.jpg"], name="one")
    photos = PhotoJobs(office.jobs, StandIn(), office.stopping)
    with pytest.raises(JobError, match="no job"):
        photos.functions[PHOTO_CHUNK]("../../etc", 1, 0)
    for chunk in (-1, 7, "0", True, 0.0):
        with pytest.raises(JobError, match="chunk"):
            photos.functions[PHOTO_CHUNK](view.id, 1, chunk)
