"""Evaluation jobs: labelled pictures are read in chunks as photos are, and the report tells how right that was."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

import numpy as np
from numpy.typing import NDArray
from rq import Retry

from mien.address import Address
from mien.errors import InputError, JobError, line_of
from mien.inputs.fetch import Fetcher
from mien.inputs.input import Input
from mien.jobs.folder import Entry, Inputs
from mien.jobs.jobs import EVALUATION_CHUNK, EVALUATION_REPORT, Jobs
from mien.jobs.outputs import FIGURES
from mien.jobs.request import Option
from mien.jobs.view import Tally
from mien.limits import BYTES_A_PIXEL
from mien.logs import get_logger
from mien.pixels import Rgb
from mien.settings import Settings
from mien.types import EMOTIONS, UNCERTAIN
from models.classifier import Classifier
from models.evaluation.figures import figures_of, rule_of
from models.evaluation.measure import EvaluationRequest, facts_of, head_of
from models.evaluation.predictions import CropAnalyzer, Predictions, main_face
from models.evaluation.report import Evaluation, write_report
from models.labelled.data import FilePictures, LabelledData, default_split
from models.labelled.names import UNCLEAR
from models.nets import weights as weights_file
from models.pictures.picture import decode
from models.runtimes.choose import open_runtime
from worker.analyzer import Analyzer
from worker.jobs.photos import PhotoJobs, tally_of
from worker.jobs.resident import ResidentAnalyzer
from worker.jobs.step import JobSteps, Step

log = get_logger(__name__)


class EvaluationJobs(JobSteps):
    """The steps of evaluation jobs; chunks are read as those of photo jobs are, with the same analyzer."""

    kind = "evaluation"

    def __init__(self, jobs: Jobs, analyzer: Analyzer, stopping: threading.Event) -> None:
        super().__init__(jobs, analyzer, stopping)
        crops = ResidentAnalyzer(lambda: open_crop_analyzer(jobs.settings))
        self._chunks = {
            False: _Chunks(jobs, analyzer, stopping),
            True: _Chunks(jobs, crops, stopping),
        }

    def _steps(self) -> Mapping[str, Step]:
        return {EVALUATION_CHUNK: self.run_chunk, EVALUATION_REPORT: self.write_report}

    def run_chunk(self, job_id: str, attempt: int, chunk: int) -> Retry | None:
        """Finish one chunk of a job, as `PhotoJobs.run_chunk` does."""
        crops = self.inputs(job_id).options.get("crops") is True
        self.hand_to(self._chunks[crops])
        return self._chunks[crops].run_chunk(job_id, attempt, chunk)

    def write_report(self, job_id: str, attempt: int) -> None:
        """Write figures, plots and page of a job whose chunks are all finished, and say that it is done.

        A job without one picture that could be read has failed. Raises JobError when a chunk is not finished after
        all, InputError when the report cannot be written.
        """
        folder, inputs = self._jobs.folder(job_id), self.inputs(job_id)
        try:
            evaluation, tallies = evaluate(self._jobs, job_id, inputs)
        except InputError as error:  # trying again will not help, until somebody puts the pictures back
            folder.forget_failures()
            self.give_up(job_id, attempt, line_of(error))
            return
        write_report(evaluation, inputs.out)
        self.report(job_id, {str(chunk): tally for chunk, tally in tallies.items()})
        self.end(job_id, attempt, "done")
        log.info("evaluation done", job=job_id, folder=str(folder.path), accuracy=evaluation.figures["accuracy"])


class _Chunks(PhotoJobs):
    kind = "evaluation"


@dataclass(frozen=True, slots=True)
class JobPictures:
    """Pictures of a job, for those few that are looked at again; `rows` are their places in it."""

    inputs: Inputs = field(repr=False)
    rows: NDArray[np.int64] = field(repr=False)
    max_pixels: int
    fetcher: Fetcher

    def __len__(self) -> int:
        return len(self.rows)

    def read(self, row: int) -> Rgb:
        """Return a picture; raises PictureError when it cannot be read any more."""
        # All pixels, however huge: the boxes in results are in pixels of the original.
        return decode(self.fetcher.read(self._item(row).address, BYTES_A_PIXEL * self.max_pixels), self.max_pixels)

    def name(self, row: int) -> str:
        """Return what people call the picture."""
        return self._item(row).label

    def take(self, rows: NDArray[np.int64]) -> JobPictures:
        """Return some of the pictures, in the given order."""
        return replace(self, rows=self.rows[rows])

    def _item(self, row: int) -> Input:
        return self.inputs.item(int(self.rows[row]))


def evaluate(jobs: Jobs, job_id: str, inputs: Inputs) -> tuple[Evaluation, dict[int, Tally]]:
    """Return the evaluation of a job from what its chunks have read, and their tallies.

    Raises JobError when a chunk is not finished, InputError when not one picture could be read or a truth is none.
    """
    truths = [_read_truth(item.truth) for item in inputs.items]
    labels = np.array([truth.label for truth in truths], np.int64)
    points = np.array([truth.point for truth in truths], np.float32)
    count = len(inputs.items)
    probabilities, boxes = np.full((1, count, len(EMOTIONS)), np.nan), np.full((count, 4), np.nan, np.float32)
    predicted_points = np.full((count, 2), np.nan)
    failures: dict[int, str] = {}
    tallies: dict[int, Tally] = {}
    for chunk in range(inputs.chunks):
        entries = _finished(jobs, job_id, inputs, chunk)
        tallies[chunk] = tally_of(entries)
        for row, entry in entries.items():
            if "reason" in entry:
                failures[row] = str(entry["reason"])
            elif entry["faces"]:
                face = entry["faces"][main_face([tuple(each["box"]) for each in entry["faces"]])]
                probabilities[0, row] = [face["probabilities"][name] for name in EMOTIONS]
                boxes[row] = face["box"]
                predicted_points[row] = face["valence"], face["arousal"]
    settings = jobs.settings
    known = not np.isnan(points).all()
    data = LabelledData(
        source=str(inputs.options.get("source", job_id)),
        pictures=JobPictures(
            inputs, np.arange(len(inputs.items)), settings.photo_max_pixels, Fetcher(settings.fetch_timeout_s)
        ),
        labels=labels,
        targets=np.eye(len(EMOTIONS), dtype=np.float32)[labels] * (labels != UNCLEAR)[:, np.newaxis],
        valence=points[:, 0] if known else None,
        arousal=points[:, 1] if known else None,
        person=_names([truth.person for truth in truths]),
        group=_names([truth.group for truth in truths]),
    )
    weights = weights_file.load(settings.weights).under(settings.emotion_prior)
    predictions, rule = Predictions(probabilities, boxes, failures, predicted_points), rule_of(weights)
    detector = "crops" if inputs.options.get("crops") is True else settings.detector
    figures = {
        **head_of(weights, data, str(inputs.options.get("split", "all")), detector, settings.emotion_prior),
        "runtime": settings.runtime,
        "tta": [],
        **figures_of(data, predictions, rule),
    }
    return Evaluation(data, predictions, rule, figures, facts_of(figures)), tallies


def inputs_of(data: LabelledData) -> list[Input]:
    """Return labelled pictures as inputs of a job. Raises JobError for pictures that lie in no files."""
    pictures = data.pictures
    if not isinstance(pictures, FilePictures):
        raise JobError(f"jobs read files, {data.source} is none of them: evaluate it here, without --enqueue")
    return [
        Input(Address.of_path(path.absolute()), str(path), _truth(data, row)) for row, path in enumerate(pictures.paths)
    ]


def options_of(data: LabelledData, wanted: EvaluationRequest) -> dict[str, Option]:
    """Return the options of the job that evaluates `data`."""
    split = wanted.split or default_split(data) or "all"
    return {"annotate": False, "crops": wanted.crops, "source": data.source[-1000:], "split": split}


def figures_in(folder: Path) -> dict[str, Any] | None:
    """Return the figures that a job has written to its results; None when there are none that can be read."""
    try:
        figures = json.loads((folder / FIGURES).read_text())
    except (OSError, ValueError):
        return None
    return figures if isinstance(figures, dict) else None


def open_crop_analyzer(settings: Settings) -> CropAnalyzer:
    """Return an analyzer that takes whole pictures as faces. Raises WeightsError or RuntimeMissing."""
    weights = weights_file.load(settings.weights).under(settings.emotion_prior)
    runtime = open_runtime(weights, settings.runtime, threads=settings.inference_threads, precision=settings.precision)
    return CropAnalyzer(Classifier(weights, runtime))


@dataclass(frozen=True, slots=True)
class _Truth:
    """What is true of a picture; `person` and `group` are "" where the data does not name them."""

    label: int
    point: tuple[float, float] = (np.nan, np.nan)
    person: str = ""
    group: str = ""


def _truth(data: LabelledData, row: int) -> str:
    """Return what is true of a picture as text: its label, then, where they are known, valence and arousal, then person
    and group, quoted as in addresses."""
    label = int(data.labels[row])
    parts = [UNCERTAIN if label == UNCLEAR else EMOTIONS[label]]
    if data.valence is not None and data.arousal is not None:
        point = float(data.valence[row]), float(data.arousal[row])
        parts += [] if np.isnan(point).any() else [repr(value) for value in point]
    for key, names in (("person", data.person), ("group", data.group)):
        parts += [] if names is None else [f"{key}={quote(str(names[row]), safe='')}"]
    return ";".join(parts)


def _read_truth(text: str) -> _Truth:
    """Return what `_truth` wrote; raises InputError for anything else."""
    name, *rest = text.split(";")
    named = dict(part.split("=", 1) for part in rest if "=" in part)
    numbers = [part for part in rest if "=" not in part]
    try:
        label = UNCLEAR if name == UNCERTAIN else EMOTIONS.index(name)
        valence, arousal = (float(value) for value in numbers) if numbers else (np.nan, np.nan)
    except ValueError:
        raise InputError(f"{text[:40]!r} is no truth of an evaluation: queue the job again") from None
    return _Truth(label, (valence, arousal), unquote(named.get("person", "")), unquote(named.get("group", "")))


def _names(names: Sequence[str]) -> NDArray[np.str_] | None:
    """Return the names of N pictures' persons or groups; None when the data names none."""
    return np.array(names, np.str_) if any(names) else None


def _finished(jobs: Jobs, job_id: str, inputs: Inputs, chunk: int) -> dict[int, Entry]:
    """Return what a chunk has read; raises JobError, and unfinishes the chunk, when it is not whole."""
    folder = jobs.folder(job_id)
    entries = folder.read_part(folder.part(chunk))
    if entries.keys() != inputs.chunk(chunk).keys():
        folder.part(chunk).unlink(missing_ok=True)
        raise JobError(f"chunk {chunk} of job {job_id} is not finished: `mien jobs retry {job_id}`")
    return entries
