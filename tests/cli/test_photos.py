from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
import simplejpeg
import skimage.data

from mien.jobs.jobs import Jobs
from mien.settings import Settings
from mien.types import EMOTIONS
from models.analyzer import open_analyzer
from models.pictures.picture import decode


class Terminal:
    """Runs commands as a person would, in a folder with two good pictures and a bad one."""

    def __init__(self, settings: Settings, folder: Path) -> None:
        self.folder = folder
        self.environment = {
            **os.environ,
            "MIEN_JOBS_URL": settings.jobs_url,
            "MIEN_DATA_DIR": str(settings.data_dir),
        }
        (folder / "pictures").mkdir()
        for name in ("a", "b"):
            (folder / "pictures" / f"{name}.jpg").write_bytes(simplejpeg.encode_jpeg(skimage.data.astronaut(), 90))
        (folder / "pictures" / "bad.jpg").write_text("I am not a picture")

    def start(self, *arguments: str, stdin: int | None = None, stderr: int = subprocess.PIPE) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "cli", *arguments],
            env=self.environment,
            cwd=self.folder,
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
        )

    def run(self, *arguments: str, stdin: str = "") -> tuple[int, str, str]:
        process = self.start(*arguments, stdin=subprocess.PIPE)
        out, error = process.communicate(stdin, timeout=60)
        return process.returncode, out, error


@pytest.fixture
def terminal(settings: Settings, tmp_path: Path) -> Terminal:
    return Terminal(settings, tmp_path)


@pytest.fixture
def worker(terminal: Terminal) -> Iterator[None]:
    """A real `mien jobs work`."""
    process = terminal.start("jobs", "work")
    yield
    process.terminate()
    process.communicate(timeout=10)
    assert process.returncode == 0


@pytest.mark.usefixtures("worker")
def test_waiting_ends_with_one_json_document_and_the_numbers_of_the_analyzer(
    terminal: Terminal, settings: Settings
) -> None:
    code, out, _ = terminal.run("photos", "enqueue", "pictures", "--out", "results", "--wait", "--json")
    report = json.loads(out)
    assert code == 1  # one picture failed
    assert report.keys() == {"job", "inputs", "done", "failed", "failures", "out"}
    assert (report["inputs"], report["done"], report["failed"]) == (3, 2, 1)
    assert report["failures"][0]["path"] == "pictures/bad.jpg"
    assert "not a picture" in report["failures"][0]["reason"]
    assert report["out"] == str(terminal.folder / "results")
    assert sorted(path.name for path in (terminal.folder / "results" / "annotated").iterdir()) == ["1-a.jpg", "2-b.jpg"]

    (expected,) = open_analyzer(settings).analyze(decode((terminal.folder / "pictures" / "a.jpg").read_bytes()))
    results = json.loads((terminal.folder / "results" / "results.json").read_text())
    for picture in results["pictures"]:
        (face,) = picture["faces"]
        assert face["emotion"] == expected.emotion
        assert face["box"] == pytest.approx(expected.box, abs=1)
        assert [face["probabilities"][name] for name in EMOTIONS] == pytest.approx(expected.probabilities, abs=1e-4)

    code, out, _ = terminal.run("jobs", "list")
    assert (code, "2/3" in out, report["job"] in out) == (0, True, True)
    code, out, _ = terminal.run("jobs", "show", report["job"], "--json")
    assert (code, json.loads(out)["state"]) == (0, "done")


@pytest.mark.usefixtures("worker")
def test_a_job_whose_pictures_were_all_read_ends_with_0_and_the_paths(terminal: Terminal) -> None:
    code, out, _ = terminal.run("photos", "enqueue", "pictures/a.jpg", "--out", "results", "--wait", "--no-annotate")
    assert code == 0
    assert f"results: {terminal.folder / 'results' / 'results.csv'}" in out
    assert not (terminal.folder / "results" / "annotated").exists()


@pytest.mark.usefixtures("worker")
def test_patterns_archives_and_lists_end_in_the_formats_that_were_asked_for(terminal: Terminal) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    with zipfile.ZipFile(terminal.folder / "p.zip", "w") as archive:
        archive.write(terminal.folder / "pictures" / "a.jpg", "in/c.jpg")
    listed = "pictures/a.jpg\ngone.jpg\n"
    code, out, error = terminal.run(
        "photos", "enqueue", "pictures/[ab].jpg", "p.zip", "--list", "-", "--format", "parquet,csv",
        "--priority", "high", "--out", "results", "--no-annotate", "--wait", "--json", stdin=listed,
    )  # fmt: skip
    report = json.loads(out)
    assert (code, report["inputs"], report["done"]) == (1, 4, 3), error
    assert report["failures"] == [{"path": "gone.jpg", "reason": "the file does not exist (any more)"}]
    assert sorted(path.name for path in (terminal.folder / "results").iterdir()) == ["results.csv", "results.parquet"]
    table = parquet.read_table(terminal.folder / "results" / "results.parquet")
    assert table["path"].to_pylist() == ["pictures/a.jpg", "pictures/b.jpg", "p.zip/in/c.jpg", "gone.jpg"]


def test_the_same_again_is_the_same_job(terminal: Terminal, settings: Settings) -> None:
    asked = ("photos", "enqueue", "pictures", "--out", "results", "--json")
    first, second = (json.loads(terminal.run(*asked)[1]) for _ in range(2))
    assert first["job"] == second["job"]
    code, out, _ = terminal.run(*asked[:-1])
    assert (code, "no second one was queued" in out) == (0, True)
    assert len(Jobs.from_settings(settings).list()) == 1


def test_what_is_not_opened_is_said_beside_the_results(terminal: Terminal) -> None:
    (terminal.folder / "pictures" / "p.zip").touch()
    code, out, error = terminal.run("photos", "enqueue", "pictures", "--json")
    assert (code, json.loads(out)["inputs"]) == (0, 3)
    assert "1 archive was not opened in pictures" in error


def test_wrong_usage_is_one_clear_line_and_2(terminal: Terminal) -> None:
    (terminal.folder / "empty").mkdir()
    (terminal.folder / "broken.zip").write_bytes(b"PK\x03\x04 and nothing more")
    for given, reason in {
        ("nowhere",): "nowhere does not exist",
        ("empty",): "no pictures in empty",
        ("x/*.jpg",): "no pictures match x/*.jpg",
        ("broken.zip",): "broken.zip: the zip archive is damaged",
        ("--list", "nowhere"): "the list nowhere cannot be read",
        (): "no pictures were given",
        ("pictures", "--priority", "urgent"): "there is no priority 'urgent': choose from high, normal, low",
        (
            "pictures",
            "--format",
            "csv,xls",
        ): "there is no format 'xls' for jobs of kind photos: choose from csv, json",
    }.items():
        code, out, error = terminal.run("photos", "enqueue", *given, "--wait", "--json")
        assert (code, out, len(error.splitlines())) == (2, "", 1), error
        assert reason in error


def test_a_broker_that_is_not_there_is_one_clear_line(terminal: Terminal) -> None:
    terminal.environment["MIEN_JOBS_URL"] = f"unix://{terminal.folder}/none.sock"
    for command in (("photos", "enqueue", "pictures"), ("jobs", "list")):
        code, out, error = terminal.run(*command)
        assert (code, out) == (1, "")
        assert "does not answer" in error.splitlines()[-1]
        assert "Traceback" not in error


def shown_on(screen: int) -> Iterator[str]:
    """Yield what a terminal shows until nobody writes to it any more."""
    with suppress(OSError):  # which is how Linux says that (pty(7))
        while shown := os.read(screen, 4096):
            yield shown.decode(errors="replace")


def test_ctrl_c_leaves_the_job_and_a_job_can_be_cancelled_and_retried(terminal: Terminal, settings: Settings) -> None:
    screen, its_end = os.openpty()
    terminal.environment |= {"TERM": "xterm", "COLUMNS": "120"}
    waiting = terminal.start("photos", "enqueue", "pictures", "--wait", stderr=its_end)
    os.close(its_end)
    shown = shown_on(screen)
    error = ""
    while "queued (is" not in error:
        error += next(shown)
    (view,) = Jobs.from_settings(settings).list()
    waiting.send_signal(signal.SIGINT)
    waiting.communicate(timeout=30)
    assert waiting.returncode == 130
    error += "".join(shown)
    os.close(screen)
    assert f"job {view.id} goes on" in error
    assert Jobs.from_settings(settings).get(view.id).state == "queued"
    assert terminal.run("jobs", "cancel", view.id)[:2] == (0, f"job {view.id} is cancelled\n")
    assert terminal.run("jobs", "retry", view.id)[:2] == (0, f"job {view.id} is queued\n")
    code, _, error = terminal.run("jobs", "show", "nonsense")
    assert (code, error) == (1, "mien: there is no job 'nonsense': `mien jobs list` shows them\n")
