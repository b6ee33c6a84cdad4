"""One training from data to a file of weights."""

from __future__ import annotations

import csv
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from mien.errors import InputError, RuntimeMissing, WeightsError
from mien.settings import load_settings
from models import graph
from models import weights as weights_file
from models.detector import detector_of
from models.runtime import open_runtime
from models.training import checkpoint, fidelity, prior
from models.training.data import FaceSet, prepare
from models.training.evaluate import calibrated, logits_of
from models.training.faces import Cutting, read_training_data
from models.training.fidelity import Fidelity
from models.training.plan import Listener, Plan
from models.weights import CropGeometry, Weights

if TYPE_CHECKING:
    from models.training.nets import Arrays, Net

UNUSABLE_NAME = "unusable.csv"

Backend = Literal["tensorflow", "torch", "jax"]


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to train, and from where: `start` is `none`, `imagenet`, or a file (.zip, a run's best.npz, or .pth).

    `crops` says that the pictures of a folder or CSV are faces cut out already.
    """

    backbone: str = "convnext-atto"
    stem: str = ""
    size: int = 0
    start: str = "none"
    teachers: tuple[Path, ...] = ()
    backend: Backend = "tensorflow"
    crops: bool = False


@dataclass(frozen=True, slots=True)
class Finished:
    """The weights that a run ended with, where they lie, and what was added to the head's bias [8]."""

    weights: Weights
    path: Path
    shift: NDArray[np.float32]
    parameters: int = 0

    def label(self, split: str) -> dict[str, str]:
        """Return what a page of figures is headed with."""
        return {"weights": self.weights.name, "version": self.weights.version, "split": split}


def train(data: Path, wanted: Wanted, plan: Plan, folder: Path, name: str, resume: bool, listen: Listener) -> Finished:
    """Train on an npz, folder or CSV and write `folder`/`name`.zip; `resume` goes on from the folder's checkpoint.

    Pictures that cannot be used are listed in `folder`/unusable.csv.

    Raises InputError when the data or the folder does not fit, SettingsError for an unknown backbone, RuntimeMissing
    without the backend.
    """
    if not resume and (folder / checkpoint.CHECKPOINT_NAME).exists():
        raise InputError(f"{folder} holds a run already: add --resume to go on with it, or choose another --out")
    _choose(wanted.backend)
    from models.training.loop import Trainer
    from models.training.nets import net_of
    from models.training.teacher import Teacher

    net = net_of(wanted.backbone, wanted.stem, wanted.size)
    start = start_arrays(net, wanted.start)
    teachers = [weights_file.load(path) for path in wanted.teachers]
    found = read_training_data(data, _cutting(net, data, wanted.crops), seed=plan.seed)
    _write_unusable(found.failures, folder)
    teacher = Teacher(teachers) if teachers else None
    trainer = Trainer(plan, net, found.train, found.validation, folder, start=start, teacher=teacher)
    if resume:
        trainer.resume()
    trainer.run(listen)
    return finish(folder, net, found.validation, name)


def finish(folder: Path, net: Net, validation: FaceSet, name: str, to: Path | None = None) -> Finished:
    """Export the best weights of a run's folder so far, calibrated on validation. Raises InputError without any."""
    arrays = checkpoint.load_arrays(folder / checkpoint.BEST_NAME)
    weights = net.weights(arrays, name)
    logits = logits_of(open_runtime(weights, "auto", threads=1), validation, weights)
    by = prior.shift(logits, validation.labels)
    weights = calibrated(net.weights(_shifted(arrays, by), name), validation)
    return Finished(weights, weights_file.save(weights, to or folder / f"{name}.zip"), by, _learned(arrays))


def export(
    run: Path, data: Path, to: Path | None, name: str, openvino: Path | None
) -> tuple[list[Path], Mapping[str, Fidelity]]:
    """Write the weights of a training's folder, or of a zip, again, and compare what was written with Keras.

    Returns the files and, for each way they can be run, how far it is from Keras in 32 bits. Raises WeightsError, and
    leaves nothing behind, when one is too far.
    """
    try:
        from models.training.loop import predict
        from models.training.nets import ConvNeXt, net_from
    except ImportError as error:
        raise RuntimeMissing(f"an export is compared with Keras ({error}): install mien[train]") from error
    if run.is_dir():
        net = net_from(checkpoint.net_facts(run))
    else:
        loaded = weights_file.load(run)
        net = ConvNeXt(graph.architecture_of(loaded))
    validation = read_training_data(data, _cutting(net, data, crops=False)).validation
    faces = validation.where(np.arange(len(validation)) < fidelity.FACES)
    if run.is_dir():
        path = to or run / f"{name}.zip"
        shift = finish(run, net, validation, name, path).shift
        arrays: Arrays = _shifted(checkpoint.load_arrays(run / checkpoint.BEST_NAME), shift)
    else:
        path = to or run.with_name(f"{name}.exported.zip")
        arrays = graph.read_arrays(loaded.onnx)
        weights_file.save(replace(loaded, onnx=net.weights(arrays, loaded.name).onnx), path)
    model = net.build()
    net.restore(model, arrays)
    pictures = prepare(faces.pictures, net.input_size)
    written = [path]
    try:
        extra = fidelity.write_openvino(weights_file.load(path), openvino) if openvino else None
        written += [extra, extra.with_suffix(".bin")] if extra else []
        return written, fidelity.check(predict(model, pictures), path, pictures, extra)
    except WeightsError:
        for each in written:
            each.unlink(missing_ok=True)
        raise


def start_arrays(net: Net, start: str) -> Arrays | None:
    """Return what a training starts from; None for random weights.

    Raises InputError or WeightsError for a file that is missing, damaged, or of no use.
    """
    from models.training import applications

    if start == "none":
        return None
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


def _cutting(net: Net, data: Path, crops: bool) -> Cutting:
    """Return how faces are cut from pictures: by the detector of the settings, unless they are cut out already."""
    cut_already = crops or data.suffix.lower() == ".npz"
    detector = None if cut_already else detector_of(load_settings())
    return Cutting(CropGeometry(net.input_size), detector=detector)


def _write_unusable(failures: Mapping[str, str], folder: Path) -> None:
    if not failures:
        return
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / UNUSABLE_NAME).open("w", newline="") as file:
        csv.writer(file).writerows([("path", "reason"), *failures.items()])


def _learned(arrays: Arrays) -> int:
    """Return how many numbers a net holds; the running statistics of batch norms are not counted."""
    return sum(int(np.size(array)) for name, array in arrays.items() if "moving_" not in name)


def _shifted(arrays: Arrays, by: NDArray[np.float32]) -> dict[str, Any]:
    """Return arrays with the head's bias shifted: the last one of the model."""
    last = "head.fc.bias" if "head.fc.bias" in arrays else max(arrays)
    return {**arrays, last: np.asarray(arrays[last]) + by}


def _choose(backend: Backend) -> None:
    """Set Keras' backend, which cannot change once Keras is imported."""
    os.environ["KERAS_BACKEND"] = backend
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # TensorFlow greets with ten lines otherwise
    try:
        import keras
    except ImportError as error:
        raise RuntimeMissing(f"training needs Keras on {backend} ({error}): install mien[train]") from error
    if keras.backend.backend() != backend:
        raise InputError(f"Keras runs on {keras.backend.backend()} already: start anew for {backend}")
