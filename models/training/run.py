"""One training from data to a file of weights."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from mien.errors import InputError, RuntimeMissing
from models import weights as weights_file
from models.architecture import Architecture
from models.training import checkpoint
from models.training.data import FaceSet, face_set, read_npz, training_set
from models.training.evaluate import calibrated
from models.training.export import to_weights
from models.training.plan import Listener, Plan
from models.weights import Weights


@dataclass(frozen=True, slots=True)
class Finished:
    """The weights that a run ended with, and where they lie."""

    weights: Weights
    path: Path

    def label(self, split: str) -> dict[str, str]:
        """Return what a page of figures is headed with."""
        return {"weights": self.weights.name, "version": self.weights.version, "split": split}


def train(data: Path, plan: Plan, folder: Path, name: str, resume: bool, listen: Listener) -> Finished:
    """Train on an npz and write `folder`/`name`.zip; `resume` goes on from the folder's checkpoint, if there is one.

    Raises InputError when the data or the folder does not fit, RuntimeMissing without TensorFlow.
    """
    if not resume and (folder / checkpoint.CHECKPOINT_NAME).exists():
        raise InputError(f"{folder} holds a run already: add --resume to go on with it, or choose another --out")
    raw = read_npz(data)
    learn, validation = training_set(raw), face_set(raw, "validation")
    try:
        from models.training.loop import Trainer
    except ImportError as error:
        raise RuntimeMissing(f"training needs TensorFlow and Keras ({error}): install mien[train]") from error
    trainer = Trainer(plan, learn, validation, folder)
    if resume:
        trainer.resume()
    trainer.run(listen)
    return finish(folder, plan.architecture, validation, name)


def finish(folder: Path, architecture: Architecture, validation: FaceSet, name: str) -> Finished:
    """Export the best weights of a run's folder so far, calibrated on validation. Raises InputError without any."""
    arrays = checkpoint.load_arrays(folder / checkpoint.BEST_NAME)
    weights = calibrated(to_weights(arrays, architecture, name), validation)
    return Finished(weights, weights_file.save(weights, folder / f"{name}.zip"))
