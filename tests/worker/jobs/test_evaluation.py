from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mien.errors import JobError
from mien.inputs.input import Input
from mien.jobs.jobs import Jobs
from mien.jobs.outputs import JOB_FILES
from mien.jobs.view import JobView
from mien.settings import Settings
from models.analyzer import open_analyzer
from models.evaluation.measure import EvaluationRequest, chosen_part, measure
from models.labelled.data import read_labelled
from tests.support.labelled_pictures import write_class_folders, write_portraits
from tests.support.tiny_faces import write_npz
from worker.jobs.evaluation import EvaluationJobs, evaluate, figures_in, inputs_of, options_of
from worker.jobs.resident import ResidentAnalyzer
from worker.jobs.rq_worker import JobsWorker


class EvaluationSite:
    """Evaluation jobs, and a worker on them with the real models."""

    def __init__(self, settings: Settings) -> None:
        self.jobs = Jobs.from_settings(settings)
        self.stopping = threading.Event()

    def enqueue(self, path: Path, wanted: EvaluationRequest, out: Path | None = None) -> JobView:
        data = chosen_part(read_labelled(path), wanted)
        return self.jobs.enqueue(
            "evaluation", inputs_of(data), name=path.name, out=out, options=options_of(data, wanted)
        )

    def work(self) -> None:
        analyzer = ResidentAnalyzer(lambda: open_analyzer(self.jobs.settings))
        kind = EvaluationJobs(self.jobs, analyzer, self.stopping)
        JobsWorker(self.jobs.redis, kind.functions, kind.give_up, self.stopping).run(until_empty=True)


@pytest.fixture
def office(settings: Settings) -> EvaluationSite:
    return EvaluationSite(settings.model_copy(update={"chunk_size": 3, "runtime": "onnxruntime"}))


def without_head(figures: dict[str, Any] | None) -> dict[str, Any]:
    assert figures is not None
    return {key: value for key, value in figures.items() if key not in ("runtime", "detector")}


def test_a_job_gives_the_figures_of_an_evaluation_here(office: EvaluationSite, tmp_path: Path) -> None:
    folder, wanted = write_portraits(tmp_path / "faces"), EvaluationRequest()
    view = office.enqueue(folder, wanted, tmp_path / "out")
    office.work()
    ended = office.jobs.get(view.id)
    assert (ended.state, ended.inputs, ended.done, ended.failed) == ("done", 7, 6, 1)
    here = measure(chosen_part(read_labelled(folder), wanted), wanted, office.jobs.settings)
    figures = figures_in(ended.out)
    assert without_head(figures) == without_head(dict(here.figures))
    assert (here.figures["n"], here.figures["no_face"], here.figures["unreadable"]) == (5, 1, 1)
    assert here.figures["reject"]["unclear"] == 1
    assert {path.name for path in (tmp_path / "out").iterdir()} == set(JOB_FILES["evaluation"])
    assert [Path(failure.path).name for failure in ended.failures] == ["broken.jpg"]


def test_crops_are_read_whole_in_a_job_too(office: EvaluationSite, tmp_path: Path) -> None:
    folder = write_class_folders(tmp_path / "crops", {"happy": 4, "sad": 6, "fear": 3}, each=3)
    lines = ["path,label,valence,arousal,person,group"]
    lines += [
        f'{path},{path.parent.name},0.5,-0.125,"Zoë = {number % 2}; x",Größe {number % 3}'
        for number, path in enumerate(sorted(folder.rglob("*.png")))
    ]
    (tmp_path / "crops.csv").write_text("\n".join(lines))
    wanted = EvaluationRequest(crops=True)
    view = office.enqueue(tmp_path / "crops.csv", wanted)
    office.work()
    ended = office.jobs.get(view.id)
    here = measure(chosen_part(read_labelled(tmp_path / "crops.csv"), wanted), wanted, office.jobs.settings)
    assert [row["group"] for row in here.figures["groups"]["rows"]] == ["Größe 0", "Größe 1", "Größe 2"]
    assert here.figures["with_baseline"]["persons"] + here.figures["with_baseline"]["never_at_rest"] == 2
    assert without_head(figures_in(ended.out)) == without_head(dict(here.figures))
    assert here.figures["no_face"] == 0
    assert here.figures["va"]["n"] == 9
    assert (ended.state, ended.faces) == ("done", 9)
    evaluation, _ = evaluate(office.jobs, view.id, office.jobs.folder(view.id).read_inputs())
    part = evaluation.data.take(np.array([5, 2]))
    for place, row in enumerate((5, 2)):
        assert part.pictures.name(place) == evaluation.data.pictures.name(row)
        np.testing.assert_array_equal(part.pictures.read(place), evaluation.data.pictures.read(row))


def test_a_job_whose_pictures_all_vanished_fails_with_the_reason(office: EvaluationSite, tmp_path: Path) -> None:
    folder = write_class_folders(tmp_path / "crops", {"happy": 4, "sad": 6}, each=1)
    view = office.enqueue(folder, EvaluationRequest(crops=True))
    kept = {path: path.read_bytes() for path in folder.rglob("*.png")}
    for path in kept:
        path.unlink()
    office.work()
    ended = office.jobs.get(view.id)
    assert ended.state == "failed"
    assert "none of the 2 pictures" in ended.reason
    for path, content in kept.items():
        path.write_bytes(content)
    office.jobs.retry(view.id)
    office.work()
    assert office.jobs.get(view.id).state == "done"


def test_a_truth_that_is_none_is_refused(office: EvaluationSite, tmp_path: Path) -> None:
    folder = write_class_folders(tmp_path / "crops", {"happy": 4}, each=1)
    picture = str(folder / "happy" / "0.png")
    for truth in ("bored", "", "happy;1", "happy;a;b"):
        view = office.jobs.enqueue(
            "evaluation", [Input.of(picture, picture, truth)], name="odd", options={"crops": True}
        )
        office.work()
        ended = office.jobs.get(view.id)
        assert ended.state == "failed"
        assert "no truth of an evaluation" in ended.reason


def test_an_npz_cannot_be_queued(tmp_path: Path) -> None:
    data = read_labelled(write_npz(tmp_path / "faces.npz"))
    with pytest.raises(JobError, match="without --enqueue"):
        inputs_of(data)
