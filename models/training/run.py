"""One training from data to a file of weights."""

from __future__ import annotations

import csv
import os
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mien.errors import InputError, RuntimeMissing
from mien.files import move_file
from mien.prior import shares_of
from mien.settings import load_settings
from mien.types import EMOTIONS
from models.detect.detector import detector_of
from models.evaluation.evaluate import calibrated, logits_of
from models.evaluation.score import softmax
from models.labelled.ferplus import FaceSet, prepare
from models.nets import graph
from models.nets import weights as weights_file
from models.nets.weights import CropGeometry, Weights
from models.runtimes.choose import open_runtime
from models.training import checkpoint, options, runlog
from models.training.exporting import fidelity, prior
from models.training.exporting.fidelity import Fidelity
from models.training.exporting.soup import mean_of
from models.training.faces import Cutting, TrainingData, read_training_data
from models.training.options import Options
from models.training.plan import Listener, TrainingPlan
from models.training.request import Backend, TrainingRequest

if TYPE_CHECKING:
    from models.training.backbones.nets import Arrays, Net

UNUSABLE_NAME = "unusable.csv"

FERPLUS_LICENCE = (
    "Trained on FER+, whose pictures were collected from the web and carry no clear licence: "
    "these weights are for research and evaluation."
)
OWN_LICENCE = "Not stated: what may be done with these weights depends on the pictures that they were trained on."


@dataclass(frozen=True, slots=True)
class Finished:
    """The weights that a run ended with, where they lie, and what was added to the head's bias [8].

    `passes` is how often the training saw its data. `report` are the page, the model card and the plots that were
    written beside the weights.
    """

    weights: Weights
    path: Path
    shift: NDArray[np.float32]
    parameters: int = 0
    passes: float = 0.0
    report: tuple[Path, ...] = ()

    def label(self, split: str) -> dict[str, str]:
        """Return what a page of figures is headed with."""
        return {"weights": self.weights.name, "version": self.weights.version, "split": split}


def train(
    data: Path, wanted: TrainingRequest, plan: TrainingPlan, folder: Path, name: str, resume: bool, listen: Listener
) -> Finished:
    """Train on an npz, folder or CSV and write `folder`/`name`.zip; `resume` goes on from the folder's checkpoint.

    Pictures that cannot be used are listed in `folder`/unusable.csv.

    Raises InputError when the data or the folder does not fit, SettingsError for an unknown backbone, RuntimeMissing
    without the backend.
    """
    if not resume and (folder / checkpoint.CHECKPOINT_NAME).exists():
        raise InputError(f"{folder} holds a run already: add --resume to go on with it, or choose another --out")
    choose_backend(wanted.backend)
    from models.training.backbones.nets import net_of
    from models.training.loop import Trainer
    from models.training.teacher import Teacher

    net = net_of(wanted.backbone, wanted.stem, wanted.size, wanted.heads)
    checkpoint.need_space(folder, net.build().count_params())
    if resume:
        checkpoint.load(folder, net.facts)  # refused now, not after all pictures have been cut
    start = start_arrays(net, wanted.start)
    teachers = [weights_file.load(path) for path in wanted.teachers]
    cutting = cutting_for(net, data, wanted.crops)
    found = read_training_data(data, cutting, with_points="va" in wanted.heads)
    if 0 < wanted.take < len(found.train):
        found = replace(found, train=_some(found.train, wanted.take, plan.seed))
    _write_unusable(found.failures, folder)
    teacher = Teacher(teachers) if teachers else None
    trainer = Trainer(plan, net, found.train, found.validation, folder, start=start, teacher=teacher)
    resumed = resume and trainer.resume()
    history = options.record(folder, options.options_of(wanted, plan), resumed)
    trainer.run(listen)
    finished = finish(net, best_arrays([folder]), found, name, licence_for(data), folder / f"{name}.zip")
    facts = _facts(data, wanted, plan, found, folder, history)
    passes = trainer.progress.step / trainer.steps_per_epoch
    return replace(finished, passes=passes, report=tuple(_report(folder, finished, found.validation, facts)))


def licence_for(data: Path) -> str:
    """Return what the manifest of weights that were trained on `data` says about their use."""
    return FERPLUS_LICENCE if data.suffix.lower() == ".npz" else OWN_LICENCE


def best_arrays(runs: Sequence[Path]) -> Arrays:
    """Return the weights that a run's folder keeps, of several runs their mean.

    Raises InputError for a folder without any, and for runs of different nets.
    """
    several = [(str(run), checkpoint.load_arrays(run / checkpoint.BEST_NAME)) for run in runs]
    return several[0][1] if len(several) == 1 else mean_of(several)


def finish(net: Net, arrays: Arrays, found: TrainingData, name: str, licence: str, to: Path) -> Finished:
    """Write weights as one file, calibrated on validation; their logits assume the emotions of the training faces."""
    weights, validation = net.weights(arrays, name), found.validation
    logits = logits_of(open_runtime(weights, "auto", threads=1), validation, weights)
    by = prior.shift(logits, validation.labels)
    assumed = shares_of(dict(zip(EMOTIONS, found.train.targets.mean(axis=0).tolist(), strict=True)))
    shifted = replace(net.weights(_shifted(arrays, by), name), licence=licence, prior=assumed)
    weights = calibrated(shifted, validation)
    return Finished(weights, weights_file.save(weights, to), by, _learned(arrays))


def export(
    run: Path,
    data: Path,
    to: Path | None,
    name: str,
    openvino: Path | None,
    *,
    soup: Sequence[Path] = (),
    crops: bool = False,
) -> tuple[list[Path], Mapping[str, Fidelity]]:
    """Write the weights of a training's folder, or of a zip, again, and compare what was written with Keras.

    With `soup`, folders of other trainings of the same net, it is the mean of the weights of all. `crops`: the pictures
    of a folder or CSV are faces cut out already.

    Returns the files and, for each way they can be run, how far it is from Keras in 32 bits. Raises WeightsError when
    one is too far, and InputError for runs that cannot be averaged; what is there already stays then.
    """
    try:
        from models.training.backbones.nets import ConvNeXt, net_from
        from models.training.loop import predict
    except ImportError as error:
        raise RuntimeMissing(f"an export is compared with Keras ({error}): install mien[train]") from error
    if openvino is not None and openvino.exists() and not openvino.is_dir():
        raise InputError(f"{openvino} is a file: give a folder for the OpenVINO model")
    if run.is_dir():
        net = net_from(_facts_of([run, *soup]))
        arrays = best_arrays([run, *soup])
    else:
        if soup:
            raise InputError(f"{run} is no folder of a training: only such are averaged")
        loaded = weights_file.load(run)
        net = ConvNeXt(graph.architecture_of(loaded))
        arrays = graph.read_arrays(loaded.onnx)
    path = to or (run / f"{name}.zip" if run.is_dir() else run.with_name(f"{name}.exported.zip"))
    found = read_training_data(data, cutting_for(net, data, crops))
    model = net.build()
    net.restore(model, arrays)
    if soup:
        arrays = _settled(net, model, found.train)
    path.parent.mkdir(parents=True, exist_ok=True)
    # Written aside and checked there: a file that misses a bound must not take the place of an older one.
    with tempfile.TemporaryDirectory(prefix=".export-", dir=path.parent) as aside:
        draft = Path(aside) / path.name
        if run.is_dir():
            shift = finish(net, arrays, found, name, licence_for(data), draft).shift
            net.restore(model, _shifted(arrays, shift))
        else:
            weights_file.save(replace(loaded, onnx=net.weights(arrays, loaded.name).onnx), draft)
        some = found.validation.where(np.arange(len(found.validation)) < fidelity.FACES)
        pictures = prepare(some.pictures, net.input_size)
        extra = fidelity.write_openvino(weights_file.load(draft), Path(aside)) if openvino else None
        differences = fidelity.check(predict(model, pictures), draft, pictures, extra)
        written = [move_file(draft, path)]
        if openvino is not None and extra is not None:
            written += [move_file(each, openvino / each.name) for each in (extra, extra.with_suffix(".bin"))]
    return written, differences


def _facts_of(runs: Sequence[Path]) -> Mapping[str, Any]:
    """Return what the checkpoints of runs say of their net; raises InputError when it is not the same one in all."""
    facts = [checkpoint.net_facts(run) for run in runs]
    for run, other in zip(runs, facts, strict=True):
        if other != facts[0]:
            raise InputError(f"{run} and {runs[0]} trained different nets: their weights have no mean")
    return facts[0]


def _settled(net: Net, model: Any, train: FaceSet) -> Arrays:
    """Return the weights of a model with running statistics that fit them: the mean of several runs' fits none."""
    from models.training.backbones import statistics

    few = train.where(np.random.default_rng(0).permutation(len(train)) < statistics.PICTURES)
    statistics.settle(model, model, prepare(few.pictures, net.input_size))
    return net.arrays(model)


def start_arrays(net: Net, start: Sequence[str]) -> Arrays | None:
    """Return what a training starts from, of several weights their mean; None for random weights.

    Raises InputError or WeightsError for a file that is missing, damaged, or of no use, and for files of several nets.
    """
    if start[0] == "none":
        if len(start) > 1:
            raise InputError("none of several weights can be none: their mean is what a training starts from")
        return None
    if len(start) == 1:
        return _arrays_of(net, start[0])
    return mean_of([(path, _arrays_of(net, path)) for path in start])


def _arrays_of(net: Net, start: str) -> Arrays:
    from models.training.backbones import applications

    if start == "imagenet":
        return net.imagenet()
    path = Path(start)
    if not path.is_file():
        raise InputError(f"there are no weights at {path}: give none, imagenet, or a file")
    if path.suffix == ".npz":
        return checkpoint.load_arrays(path)
    if path.suffix == ".pth":
        return applications.read_torch(path, net.build())
    return graph.read_arrays(weights_file.load(path).onnx)


def _report(folder: Path, finished: Finished, validation: FaceSet, facts: Sequence[str]) -> list[Path]:
    from models.training.report import write_report

    weights = finished.weights
    logits = logits_of(open_runtime(weights, "auto", threads=1), validation, weights)
    probabilities = softmax(logits, weights.temperature)
    return write_report(folder, weights, finished.parameters, validation, probabilities, facts)


def _facts(
    data: Path,
    wanted: TrainingRequest,
    plan: TrainingPlan,
    found: TrainingData,
    folder: Path,
    history: Sequence[Options],
) -> list[str]:
    """Return sentences about a run, for its report and its model card."""
    epochs = runlog.read(folder)
    took = f"{len(epochs)} epochs, {epochs[-1]['minutes']:.0f} minutes of training. " if epochs else ""
    chosen = "epoch, the temperature and the threshold" if plan.keep == "best" else "temperature and the threshold"
    facts = [
        f"{data.name}: {len(found.train):,} faces to train on, {len(found.validation):,} of validation, by which the"
        f" {chosen} were chosen.{' The last epoch was kept.' if plan.keep == 'last' else ''}",
        *options.sentences(history, took),
    ]
    if "va" in wanted.heads and found.train.points is not None:
        known = int((~np.isnan(found.train.points).any(axis=1)).sum())
        facts.append(
            f"Valence and arousal have a head of their own, which learned from {known:,} of the faces (targets"
            f" {found.train.va_truth}; 1 - CCC with weight {plan.va_weight:g})."
        )
    if found.failures:
        facts.append(f"{len(found.failures):,} pictures could not be used: they are listed in {UNUSABLE_NAME}.")
    return facts


def cutting_for(net: Net, data: Path, crops: bool) -> Cutting:
    """Return how faces are cut from pictures: by the detector of the settings, unless they are cut out already."""
    cut_already = crops or data.suffix.lower() == ".npz"
    detector = None if cut_already else detector_of(load_settings())
    return Cutting(CropGeometry(net.input_size), detector=detector)


def _some(faces: FaceSet, take: int, seed: int) -> FaceSet:
    chosen = np.zeros(len(faces), bool)
    chosen[np.random.default_rng(seed).choice(len(faces), take, replace=False)] = True
    return faces.where(chosen)


def _write_unusable(failures: Mapping[str, str], folder: Path) -> None:
    if not failures:
        return
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / UNUSABLE_NAME).open("w", newline="", encoding="utf-8", errors="backslashreplace") as file:
        csv.writer(file).writerows([("path", "reason"), *failures.items()])


def _learned(arrays: Arrays) -> int:
    """Return how many numbers a net holds; the running statistics of batch norms are not counted."""
    return sum(int(np.size(array)) for name, array in arrays.items() if "moving_" not in name)


def _shifted(arrays: Arrays, by: NDArray[np.float32]) -> dict[str, Any]:
    """Return arrays with the head's bias shifted: the last one of the model."""
    last = "head.fc.bias" if "head.fc.bias" in arrays else max(arrays)
    bias = np.array(arrays[last])
    bias[: len(by)] += by  # what lies behind the emotions is not about them
    return {**arrays, last: bias}


def choose_backend(backend: Backend) -> None:
    """Set Keras' backend, which cannot change once Keras is imported."""
    os.environ["KERAS_BACKEND"] = backend
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # TensorFlow greets with ten lines otherwise
    try:
        import keras
    except ImportError as error:
        extra = "train-torch" if backend == "torch" else "train"
        raise RuntimeMissing(f"training needs Keras on {backend} ({error}): install mien[{extra}]") from error
    if keras.backend.backend() != backend:
        raise InputError(f"Keras runs on {keras.backend.backend()} already: start anew for {backend}")
