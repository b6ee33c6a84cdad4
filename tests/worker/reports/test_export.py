from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest

from mien.errors import InputError, JobConflict, JobError
from mien.files import write_json
from mien.inputs.input import Input
from mien.jobs.folder import Entry
from mien.jobs.jobs import Jobs
from mien.settings import Settings
from mien.types import Face
from worker.reports.export import VIDEO_COLUMNS, export_job
from worker.reports.timeline.table import Sighting, write_table

FACE = Face(
    box=(170.0, 70.0, 110.0, 140.0),
    emotion="happy",
    confidence=0.72,
    probabilities=(0.04, 0.04, 0.04, 0.04, 0.72, 0.04, 0.04, 0.04),
    valence=0.6,
    arousal=0.3,
)
GOOD: Entry = {"path": "a.jpg", "width": 9, "height": 9, "faces": [FACE.to_dict()]}
BAD: Entry = {"path": "é.jpg", "reason": "is empty"}


@pytest.fixture
def jobs(settings: Settings) -> Jobs:
    return Jobs.from_settings(settings.model_copy(update={"chunk_size": 1}))


def photos(jobs: Jobs) -> str:
    """A job over three pictures of which two are finished."""
    items = [Input.of(f"/{name}", name) for name in ("a.jpg", "é.jpg", "c.jpg")]
    job_id = jobs.enqueue("photos", items, name="three").id
    folder = jobs.folder(job_id)
    folder.write_part(folder.part(0), {0: GOOD})
    folder.write_part(folder.part(1), {1: BAD})
    return job_id


def video(jobs: Jobs, suffix: str) -> str:
    view = jobs.enqueue("video", [Input.of("/a.mp4", "a.mp4"), Input.of("/b.mp4", "b.mp4")], name="two")
    folder = jobs.folder(view.id)
    sightings = [Sighting(frame, frame / 25, "1", FACE) for frame in range(3)]
    write_table(sightings, view.out / "1-a" / f"timeline{suffix}")
    write_json(view.out / "1-a" / "summary.json", {"changes": 0})
    write_json(folder.video(0) / "done.json", {"path": "a.mp4", "folder": "1-a", "faces": 3})
    write_json(folder.video(1) / "done.json", {"path": "b.mp4", "reason": "no video track"})
    return view.id


def rows(path: Path) -> list[dict[str, Any]]:
    if path.suffix == ".csv":
        with path.open(newline="", encoding="utf-8") as file:
            return list(csv.DictReader(file))
    parquet = pytest.importorskip("pyarrow.parquet")
    table: list[dict[str, Any]] = parquet.read_table(path).to_pylist()
    return table


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_photos_that_are_finished_become_a_table(jobs: Jobs, tmp_path: Path, form: str) -> None:
    to = tmp_path / f"faces.{form}"
    assert export_job(jobs, photos(jobs), form, to) == 2
    good, bad = rows(to)
    assert (good["path"], int(good["face"]), good["emotion"], float(good["confidence"])) == ("a.jpg", 1, "happy", 0.72)
    assert (bad["path"], bad["reason"], bad["emotion"] or None) == ("é.jpg", "is empty", None)


def test_photos_become_a_document(jobs: Jobs, tmp_path: Path) -> None:
    export_job(jobs, photos(jobs), "json", tmp_path / "faces.json")
    document = json.loads((tmp_path / "faces.json").read_text())
    assert (document["inputs"], document["failures"]) == (2, [BAD])
    assert document["pictures"] == [GOOD]


@pytest.mark.parametrize("form", ["csv", "parquet"])
@pytest.mark.parametrize("stored", [".csv", ".parquet"])
def test_videos_become_one_table_whatever_they_were_stored_as(
    jobs: Jobs, tmp_path: Path, form: str, stored: str
) -> None:
    pytest.importorskip("pyarrow")
    to = tmp_path / f"faces.{form}"
    assert export_job(jobs, video(jobs, stored), form, to) == 2
    *seen, bad = rows(to)
    assert tuple(bad) == VIDEO_COLUMNS
    assert [(row["path"], int(float(row["frame"])), row["track"], row["emotion"]) for row in seen] == [
        ("a.mp4", frame, "1", "happy") for frame in range(3)
    ]
    assert (bad["path"], bad["reason"], bad["emotion"] or None) == ("b.mp4", "no video track", None)


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_a_video_whose_name_is_no_utf_8_is_exported_too(jobs: Jobs, tmp_path: Path, form: str) -> None:
    pytest.importorskip("pyarrow")
    job_id = video(jobs, ".csv")
    write_json(jobs.folder(job_id).video(1) / "done.json", {"path": "b \udcff.mp4", "reason": "no video track"})
    to = tmp_path / f"faces.{form}"
    assert export_job(jobs, job_id, form, to) == 2
    assert rows(to)[-1]["path"] == "b \\udcff.mp4"


def test_videos_become_a_document_with_their_summaries(jobs: Jobs, tmp_path: Path) -> None:
    export_job(jobs, video(jobs, ".csv"), "json", tmp_path / "videos.json")
    document = json.loads((tmp_path / "videos.json").read_text())
    assert (document["done"], document["failed"]) == (1, 1)
    assert document["videos"] == [{"path": "a.mp4", "folder": "1-a", "faces": 3, "summary": {"changes": 0}}]


def test_what_cannot_be_exported_is_one_clear_line(jobs: Jobs, tmp_path: Path) -> None:
    job_id = photos(jobs)
    for form in ("xlsx", "csv,json", ""):
        with pytest.raises(InputError):
            export_job(jobs, job_id, form, tmp_path / "a")
    with pytest.raises(JobError, match="there is no job"):
        export_job(jobs, "abcdef0123", "csv", tmp_path / "a")
    fresh = jobs.enqueue("photos", [Input.of("/d.jpg", "d.jpg")], name="d").id
    with pytest.raises(JobConflict, match="has finished nothing yet"):
        export_job(jobs, fresh, "csv", tmp_path / "a")
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="cannot be written"):
        export_job(jobs, job_id, "csv", tmp_path / "file" / "a.csv")
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith((".", "a"))] == []
