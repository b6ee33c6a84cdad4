"""Checkpoints on disk: written beside and moved into place, so that a kill leaves the old one or the new one whole."""

from __future__ import annotations

import contextlib
import json
import math
import os
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mien.errors import InputError
from mien.files import atomic_file, remove_leftovers

CHECKPOINT_NAME = "checkpoint.npz"
BEST_NAME = "best.npz"
HEAD = "head"


@dataclass(slots=True)
class Progress:
    """How far a run is: steps done, minutes trained over all resumes, the best validation accuracy so far and how many
    epochs ago that was, and whether the backbone learns yet (1) or the head alone (0). `best_ccc` is the concordance of
    valence and arousal in the best epoch, 0 for nets that do not measure them; `best_nll` its log-likelihood, negative.
    """

    step: int = 0
    minutes: float = 0.0
    best_accuracy: float = -1.0
    stale_epochs: int = 0
    phase: int = 0
    best_ccc: float = 0.0
    best_nll: float = math.inf

    def take(self, accuracy: float, ccc: float, nll: float, va_weight: float) -> bool:
        """Count an epoch, take its figures as the best ones if they are, and return whether they are.

        Best is the highest accuracy + `va_weight` · CCC; of epochs that are right equally often, which a few thousand
        faces make common, the one with the lower negative log-likelihood.
        """
        best = (self.best_accuracy + va_weight * self.best_ccc, -self.best_nll)
        if (accuracy + va_weight * ccc, -nll) <= best:
            self.stale_epochs += 1
            return False
        self.best_accuracy, self.best_ccc, self.best_nll, self.stale_epochs = accuracy, ccc, nll, 0
        return True


def need_space(folder: Path, parameters: int, runs: int = 1) -> None:
    """Raise InputError unless `folder` takes what `runs` trainings of a net with so many parameters keep below it.

    That is asked of the disk itself, by reserving it for a moment: limits and quotas count too.
    """
    # A checkpoint holds the weights, their average and two moments; the best weights are beside it; and one of each is
    # written while the older is still there.
    kept, written = (4 + 1) * 4 * parameters * runs, (4 + 1) * 4 * parameters
    needed = kept + written - sum(path.stat().st_size for path in folder.rglob("*.npz"))
    probe = folder / ".space"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with probe.open("wb") as file:
            if needed > 0 and hasattr(os, "posix_fallocate"):
                os.posix_fallocate(file.fileno(), 0, needed)
    except OSError as error:
        raise InputError(
            f"{folder} cannot take the {needed / 1e6:,.0f} MB that this training keeps there"
            f" ({error.strerror or error}): make room, or choose another --out"
        ) from error
    finally:
        with contextlib.suppress(OSError):
            probe.unlink(missing_ok=True)


def save(folder: Path, state: Sequence[NDArray[Any]], progress: Progress, net: Mapping[str, Any]) -> None:
    """Write the state of a run of `net` (every variable, in order) and its progress as the folder's checkpoint."""
    arrays = {f"{index:04d}": array for index, array in enumerate(state)}
    head = json.dumps({"progress": asdict(progress), "net": net})
    save_arrays(folder / CHECKPOINT_NAME, {**arrays, HEAD: np.array(head)})


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What `save` wrote."""

    path: Path
    state: tuple[NDArray[Any], ...]
    progress: Progress

    def put_into(self, variables: Sequence[Any]) -> None:
        """Assign the state to Keras variables, in order; raises InputError when they do not fit."""
        if [array.shape for array in self.state] != [tuple(variable.shape) for variable in variables]:
            raise InputError(f"{self.path} does not fit the options of this training: choose another --out")
        for variable, array in zip(variables, self.state, strict=True):
            variable.assign(array)


def load(folder: Path, net: Mapping[str, Any]) -> Checkpoint | None:
    """Return the folder's checkpoint, None when it has none.

    Raises InputError when it is damaged, or belongs to another net.
    """
    path = folder / CHECKPOINT_NAME
    if not path.exists():
        return None
    arrays = load_arrays(path)
    try:
        head = json.loads(str(arrays.pop(HEAD)))
        same_net, progress = head["net"] == json.loads(json.dumps(net)), Progress(**head["progress"])
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{path} was written by another version of mien: choose another --out") from error
    if not same_net:
        raise InputError(
            f"{path} belongs to another net: choose another --out, or the same --backbone, --size, --heads"
        )
    return Checkpoint(path, tuple(arrays[name] for name in sorted(arrays)), progress)


def net_facts(folder: Path) -> dict[str, Any]:
    """Return what the folder's checkpoint says about its net. Raises InputError when there is none."""
    path = folder / CHECKPOINT_NAME
    if not path.exists():
        raise InputError(f"there is no checkpoint in {folder}: give the --out of a training")
    try:
        return dict(json.loads(str(load_arrays(path)[HEAD]))["net"])
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{path} was written by another version of mien: train again") from error


def save_arrays(path: Path, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write named arrays as an npz, atomically and flushed to the disk."""
    remove_leftovers(path.parent, path.name)
    with atomic_file(path) as file:
        # savez takes keyword arguments only; names with dots are fine there.
        np.savez(file, **arrays)  # type: ignore[arg-type]


def load_arrays(path: Path) -> dict[str, NDArray[Any]]:
    """Read what `save_arrays` wrote. Raises InputError when it is missing or damaged."""
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            return {name: np.asarray(arrays[name]) for name in arrays.files}
    except (OSError, TypeError, ValueError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise InputError(f"{path} cannot be read ({error}): choose another --out, or other weights") from error
