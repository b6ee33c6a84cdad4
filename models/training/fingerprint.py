"""What a cleaning was begun with: what it has learned so far is used again for the same data and options only."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mien.errors import InputError
from mien.jobfiles import write_json
from models.training.data import FaceSet
from models.training.options import options_of

if TYPE_CHECKING:
    from models.training.plan import Plan
    from models.training.run import Wanted

FINGERPRINT_NAME = "cleaning.json"
# What a fold leaves behind once something was learned in it: its checkpoint, or what it said.
_LEARNED = "fold-*/*.np[yz]"

Fingerprint = Mapping[str, Any]
"""Hashes of the data and all options that change what is learned, by name, as JSON types."""


def fingerprint_of(
    faces: FaceSet, places: NDArray[np.int64], net: Mapping[str, Any], wanted: Wanted, plan: Plan
) -> dict[str, Any]:
    """Return what says whether two cleanings learn the same: N faces, the fold of each [N], the facts of the net."""
    options = {name: value for name, value in options_of(wanted, plan).items() if name != "start"}
    return {
        "pictures": _hash(faces.pictures),
        "labels": _hash(faces.labels),
        "folds": _hash(places),
        "net": dict(net),
        "weights": [_weights(start) for start in wanted.start],
        **options,
        # A training fits its schedule to how long it may go on.
        "epochs": plan.epochs,
        "minutes": plan.minutes,
        "patience": plan.patience,
    }


def claim(folder: Path, fingerprint: Fingerprint) -> None:
    """Keep the fingerprint in `folder`, or make sure that what was learned there before has the same one.

    Raises InputError when it has another one, or none, and when the folder cannot be written.
    """
    path = folder / FINGERPRINT_NAME
    if any(folder.glob(_LEARNED)):
        _need_same(folder, _read(path), json.loads(json.dumps(fingerprint)))
        return
    try:
        write_json(path, fingerprint)
    except OSError as error:
        raise InputError(f"{folder} cannot be written: {error.strerror or error}") from error


def _need_same(folder: Path, before: Fingerprint, now: Fingerprint) -> None:
    if before == now:
        return
    changed = [name for name in {**now, **before} if before.get(name) != now.get(name)]
    which = f" (other {', '.join(changed)})" if before else ""
    raise InputError(f"{folder} holds the cleaning of other data or with other options{which}: choose another --out")


def _read(path: Path) -> Fingerprint:
    """Return what was kept; nothing when it is missing or not ours."""
    try:
        kept = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return kept if isinstance(kept, dict) else {}


def _weights(start: str) -> str:
    """Return what stands for weights to start from: a word, or the hash of a file, whose name does not matter."""
    if start in ("none", "imagenet") or not Path(start).is_file():
        return start
    with Path(start).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _hash(array: NDArray[Any]) -> str:
    hashed = hashlib.sha256(f"{array.dtype.str} {array.shape} ".encode())
    hashed.update(np.ascontiguousarray(array).data)
    return hashed.hexdigest()
