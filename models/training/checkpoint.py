"""Checkpoints on disk: written beside and moved into place, so that a kill leaves the old one or the new one whole."""

from __future__ import annotations

import json
import os
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mien.errors import InputError

CHECKPOINT_NAME = "checkpoint.npz"
BEST_NAME = "best.npz"
HEAD = "head"


@dataclass(slots=True)
class Progress:
    """How far a run is: steps done, minutes trained over all resumes, and the best validation accuracy so far."""

    step: int = 0
    minutes: float = 0.0
    best_accuracy: float = 0.0


def save(folder: Path, state: Sequence[NDArray[Any]], progress: Progress, architecture: Mapping[str, Any]) -> None:
    """Write the state of a run (every variable, in order) and its progress as the folder's checkpoint."""
    arrays = {f"{index:04d}": array for index, array in enumerate(state)}
    head = json.dumps({"progress": asdict(progress), "architecture": architecture})
    save_arrays(folder / CHECKPOINT_NAME, {**arrays, HEAD: np.array(head)})


def load(
    folder: Path, shapes: Sequence[tuple[int, ...]], architecture: Mapping[str, Any]
) -> tuple[list[NDArray[Any]], Progress] | None:
    """Return what `save` wrote; None when the folder has no checkpoint.

    `shapes` are those of the variables it will go into. Raises InputError when the checkpoint is damaged, or belongs
    to another architecture.
    """
    path = folder / CHECKPOINT_NAME
    if not path.exists():
        return None
    arrays = load_arrays(path)
    head = json.loads(str(arrays.pop(HEAD, "{}")))
    state = [arrays[name] for name in sorted(arrays)]
    same_net = head.get("architecture") == json.loads(json.dumps(architecture))
    if not same_net or [array.shape for array in state] != list(shapes):
        raise InputError(f"{path} belongs to another net: choose another --out, or the same --variant and --stem")
    return state, Progress(**head["progress"])


def save_arrays(path: Path, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write named arrays as an npz, atomically and flushed to the disk."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.partial")
    with partial.open("wb") as file:
        # savez takes keyword arguments only; names with dots are fine there.
        np.savez(file, **arrays)  # type: ignore[arg-type]
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)


def load_arrays(path: Path) -> dict[str, NDArray[Any]]:
    """Read what `save_arrays` wrote. Raises InputError when it is missing or damaged."""
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            return {name: np.asarray(arrays[name]) for name in arrays.files}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise InputError(f"{path} is no readable checkpoint ({error}): train again without --resume") from error
