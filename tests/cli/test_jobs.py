from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from cli.main import app
from mien.inputs.input import Input
from mien.jobs.jobs import Failure, Jobs, Tally
from mien.settings import Settings
from mien.types import EMOTIONS
from models.evaluation.measure import EvaluationRequest, chosen_part, measure
from models.evaluation.report import Evaluation, write_report
from models.labelled.data import read_labelled
from models.nets import weights as weights_file
from tests.support.labelled_pictures import write_class_folders
from tests.support.weights import random_weights


class Terminal:
    """Runs `mien jobs …` in this process."""

    def __init__(self, settings: Settings) -> None:
        self.jobs = Jobs.from_settings(settings)
        self._environment = {"MIEN_JOBS_URL": settings.jobs_url, "MIEN_DATA_DIR": str(settings.data_dir)}

    def run(self, *arguments: str) -> Result:
        return CliRunner().invoke(app, ["jobs", *arguments], env=self._environment)


@pytest.fixture
def terminal(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Terminal:
    monkeypatch.setenv("COLUMNS", "120")
    return Terminal(settings)


def small_evaluation(folder: Path) -> Evaluation:
    """Return a real evaluation of a few pictures by weights that know nothing."""
    write_class_folders(folder / "faces", {"happy": EMOTIONS.index("happy"), "sad": EMOTIONS.index("sad")}, each=2)
    wanted = EvaluationRequest(crops=True)
    data = chosen_part(read_labelled(folder / "faces"), wanted)
    weights = weights_file.save(random_weights(), folder / "random.zip")
    return measure(data, wanted, Settings(weights=weights, runtime="onnxruntime"))


def two_videos(jobs: Jobs) -> str:
    return jobs.enqueue("video", [Input.of("/a.mp4", "a.mp4"), Input.of("/b.mp4", "b.mp4")], name="two").id


def test_jobs_of_all_kinds_are_listed(terminal: Terminal) -> None:
    assert "no jobs yet" in terminal.run("list").stdout
    pictures = [Input.of(f"/{number}.jpg", f"{number}.jpg") for number in range(1200)]
    ids = [
        terminal.jobs.enqueue("photos", pictures, name="holiday").id,
        two_videos(terminal.jobs),
        terminal.jobs.enqueue("evaluation", [Input.of("/a.jpg", "a.jpg", "happy")], name="mine").id,
    ]
    terminal.jobs.advance(ids[1], ("queued",), 1, state="running")
    terminal.jobs.report(ids[1], {"0-analyse-0": Tally(units=(250, 1000))})
    lines = terminal.run("list").stdout.splitlines()
    assert [line.split()[0] for line in lines] == ["job", *reversed(ids)]
    assert [word in line for word, line in zip(("evaluation", "video", "photos"), lines[1:], strict=True)] == [True] * 3
    assert "running 25%" in lines[2]
    assert "0/1200" in lines[3]
    listed = json.loads(terminal.run("list", "--json", "--limit", "2").stdout)
    assert [(job["kind"], job["unit"], job["units"]) for job in listed] == [
        ("evaluation", "pictures", 1),
        ("video", "frames", 1000),
    ]


def test_a_job_is_shown_in_its_own_words(terminal: Terminal) -> None:
    job_id = two_videos(terminal.jobs)
    terminal.jobs.advance(job_id, ("queued",), 1, state="running", started="1.0")
    failure = Failure("a.mp4", "has no video track")
    terminal.jobs.report(job_id, {"0": Tally(0, 1, 0, (failure,)), "1-analyse-0": Tally(units=(2500, 10_000))})
    shown = terminal.run("show", job_id).stdout
    assert f"job {job_id} (two) is running" in shown
    assert "0 of 2 videos read, 1 failed, 0 faces" in shown
    assert "2,500 of 10,000 frames done" in shown
    assert "to go" in shown
    assert "  a.mp4: has no video track" in shown
    assert json.loads(terminal.run("show", job_id, "--json").stdout)["progress"] == 0.25


def test_odd_names_of_files_do_nothing_to_a_terminal(terminal: Terminal) -> None:
    odd = "\x1b]0;title\x07\n\udcff.jpg"
    job_id = terminal.jobs.enqueue("photos", [Input.of("/a.jpg", odd)], name=odd).id
    terminal.jobs.report(job_id, {0: Tally(0, 1, 0, (Failure(odd, "is empty"),))})
    for arguments in (("show", job_id), ("list",)):
        shown = terminal.run(*arguments).stdout
        assert "?]0;title??" in shown
        assert shown.replace("\n", "").isprintable()


def test_a_job_that_has_ended_says_where_its_results_are(terminal: Terminal, tmp_path: Path) -> None:
    view = terminal.jobs.enqueue("photos", [Input.of("/a.jpg", "a.jpg")], name="one", out=tmp_path / "out")
    for name in ("results.csv", "results.parquet", "unrelated.txt"):
        (view.out / name).touch()
    (view.out / "annotated").mkdir()
    terminal.jobs.report(view.id, {0: Tally(1, 0, 3)})
    terminal.jobs.end(view.id, 1, "done")
    shown = terminal.run("show", view.id).stdout.splitlines()
    assert shown[1:] == [
        "1 of 1 picture read, 0 failed, 3 faces",
        f"results: {view.out / 'results.csv'}",
        f"results: {view.out / 'results.parquet'}",
        f"annotated pictures: {view.out / 'annotated'}",
    ]


def test_an_evaluation_that_has_ended_names_every_file_it_wrote_and_no_other(
    terminal: Terminal, tmp_path: Path
) -> None:
    evaluation = small_evaluation(tmp_path)
    view = terminal.jobs.enqueue(
        "evaluation", [Input.of("/a.jpg", "a.jpg", "happy")], name="mine", out=tmp_path / "out"
    )
    write_report(evaluation, view.out)
    terminal.jobs.report(view.id, {0: Tally(1, 0, 1)})
    terminal.jobs.end(view.id, 1, "done")
    (view.out / "unrelated.png").touch()
    named = [line.removeprefix("results: ") for line in terminal.run("show", view.id).stdout.splitlines()[2:]]
    assert set(named) == {str(path) for path in view.out.iterdir() if path.name != "unrelated.png"}
    assert {Path(name).name for name in named} >= {"confusion.png", "reliability.png", "coverage.png", "mistakes.png"}


def test_a_job_is_cancelled_retried_and_exported(terminal: Terminal, tmp_path: Path) -> None:
    job_id = two_videos(terminal.jobs)
    assert terminal.run("cancel", job_id).stdout == f"job {job_id} is cancelled\n"
    assert terminal.run("retry", job_id).stdout == f"job {job_id} is queued\n"
    done = terminal.jobs.folder(job_id).video(1) / "done.json"
    done.parent.mkdir(parents=True)
    done.write_text('{"path": "b.mp4", "reason": "has no video track"}')
    exported = terminal.run("export", job_id, "--format", "json", "--to", str(tmp_path / "two.json"))
    assert exported.stdout == f"1 input of job {job_id} written to {tmp_path / 'two.json'}\n"
    assert json.loads((tmp_path / "two.json").read_text())["failed"] == 1
    assert "b.mp4" in terminal.run("export", job_id).stdout


def test_wrong_usage_is_one_clear_line(terminal: Terminal) -> None:
    job_id = two_videos(terminal.jobs)
    for arguments, reason in {
        ("show", "nonsense"): "there is no job 'nonsense'",
        ("export", job_id): "has finished nothing yet",
        ("export", job_id, "--format", "xlsx"): "there is no format 'xlsx'",
    }.items():
        result = terminal.run(*arguments)
        assert result.exit_code != 0
        assert reason in str(result.exception)
