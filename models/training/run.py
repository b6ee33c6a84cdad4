"""One training from data to a file of weights."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from mien.errors import InputError, RuntimeMissing
from models import weights as weights_file
from models.runtime import open_runtime
from models.training import checkpoint, prior
from models.training.data import FaceSet, face_set, read_npz, training_set
from models.training.evaluate import calibrated, logits_of
from models.training.plan import Listener, Plan
from models.weights import Weights

if TYPE_CHECKING:
    from models.training.nets import Arrays, Net

Backend = Literal["tensorflow", "torch", "jax"]


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to train, and from where: `start` is `none`, `imagenet`, or a file (.zip, a run's best.npz, or .pth)."""

    backbone: str = "convnext-atto"
    stem: str = ""
    size: int = 0
    start: str = "none"
    teachers: tuple[Path, ...] = ()
    backend: Backend = "tensorflow"


@dataclass(frozen=True, slots=True)
class Finished:
    """The weights that a run ended with, and where they lie."""

    weights: Weights
    path: Path

    def label(self, split: str) -> dict[str, str]:
        """Return what a page of figures is headed with."""
        return {"weights": self.weights.name, "version": self.weights.version, "split": split}


def train(data: Path, wanted: Wanted, plan: Plan, folder: Path, name: str, resume: bool, listen: Listener) -> Finished:
    """Train on an npz and write `folder`/`name`.zip; `resume` goes on from the folder's checkpoint, if there is one.

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
    raw = read_npz(data)
    learn, validation = training_set(raw), face_set(raw, "validation")
    teacher = Teacher(teachers) if teachers else None
    trainer = Trainer(plan, net, learn, validation, folder, start=start, teacher=teacher)
    if resume:
        trainer.resume()
    trainer.run(listen)
    return finish(folder, net, validation, name)


def finish(folder: Path, net: Net, validation: FaceSet, name: str) -> Finished:
    """Export the best weights of a run's folder so far, calibrated on validation. Raises InputError without any."""
    arrays = checkpoint.load_arrays(folder / checkpoint.BEST_NAME)
    weights = net.weights(arrays, name)
    logits = logits_of(open_runtime(weights, "auto", threads=1), validation, weights)
    weights = calibrated(net.weights(_shifted(arrays, prior.shift(logits, validation.labels)), name), validation)
    return Finished(weights, weights_file.save(weights, folder / f"{name}.zip"))


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
    from models import graph

    return graph.read_arrays(weights_file.load(path).onnx)


def _shifted(arrays: Arrays, by: np.ndarray[Any, np.dtype[np.float32]]) -> dict[str, Any]:
    """Return arrays with the head's bias shifted: the last one of the model."""
    last = "head.fc.bias" if "head.fc.bias" in arrays else max(arrays)
    return {**arrays, last: np.asarray(arrays[last]) + by}


def _choose(backend: Backend) -> None:
    """Set Keras' backend, which cannot change once Keras is imported."""
    os.environ["KERAS_BACKEND"] = backend
    try:
        import keras
    except ImportError as error:
        raise RuntimeMissing(f"training needs Keras on {backend} ({error}): install mien[train]") from error
    if keras.backend.backend() != backend:
        raise InputError(f"Keras runs on {keras.backend.backend()} already: start anew for {backend}")
