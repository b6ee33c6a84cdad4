"""What a comparison or a cleaning was begun with, kept in its folder: what was learned there under other conditions is
never taken for its result.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from mien.errors import InputError
from mien.files import write_json
from mien.settings import load_settings
from models.labelled.data import FilePictures, read_labelled
from models.labelled.ferplus import read_npz
from models.training.options import Options, options_of
from models.training.plan import TrainingPlan
from models.training.request import TrainingRequest

CONDITIONS_NAME = "conditions.json"


@dataclass(frozen=True, slots=True)
class Conditions:
    """`data` is a fingerprint of the pictures and what is said of them; `options` are those that change what is
    learned, by name, as JSON types.
    """

    data: str
    options: Options


def conditions_of(data: Path, wanted: TrainingRequest, plan: TrainingPlan, **more: Any) -> Conditions:
    """Return the conditions of a training, whatever its backbone; `more` are other options, as JSON types.

    Raises InputError when the data cannot be read.
    """
    options: dict[str, Any] = {
        **options_of(wanted, plan),
        "weights": _named(wanted.start),
        "teachers": _named([str(path) for path in wanted.teachers]),
        "epochs": plan.epochs,
        "minutes": plan.minutes,
        "patience": plan.patience,
        "size": wanted.size,
        "stem": wanted.stem,
        "take": wanted.take,
        "heads": list(wanted.heads),
        **_cutting(data, wanted.crops),
    }
    del options["backbone"], options["start"]  # the latter names files only, not what is in them
    return Conditions(fingerprint(data), {**options, **more})


def fingerprint(data: Path) -> str:
    """Return a hash of labelled data: the bytes of its pictures, labels, targets or votes, splits, points.

    Raises InputError when the data cannot be read.
    """
    digest = hashlib.sha256()
    for part in _parts(data):
        digest.update(part)
    return digest.hexdigest()


def need_same(folder: Path, conditions: Conditions, what: str, *, without_record: bool) -> None:
    """Raise InputError when `folder` holds `what`, a comparison or cleaning, under other conditions, or a record that
    is none. Versions before this one kept none: `without_record` says whether such a folder is taken as it is.
    """
    path = folder / CONDITIONS_NAME
    if not path.exists() and without_record:
        return
    try:
        kept = json.loads(path.read_text())
        before = Conditions(str(kept["data"]), dict(kept["options"]))
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise InputError(f"{path} does not say what the {what} there is of: choose another --out") from error
    differs = ["on other data"] if before.data != conditions.data else []
    changed = _changed(before.options, conditions.options)
    differs += [f"with other options ({changed})"] if changed else []
    if differs:
        raise InputError(f"{folder} holds a {what} {' and '.join(differs)}: choose another --out")


def record(folder: Path, conditions: Conditions) -> None:
    """Keep conditions in a folder. Raises InputError when it cannot be written."""
    path = folder / CONDITIONS_NAME
    try:
        write_json(path, {"data": conditions.data, "options": conditions.options})
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error.strerror or error}") from error


def _changed(before: Options, now: Options) -> str:
    """Return which options differ, in words. One that only one of two versions of mien knows says nothing."""
    return ", ".join(
        f"{name} {_words(before[name])}, not {_words(now[name])}"
        for name in now
        if name in before and before[name] != now[name]
    )


def _words(value: Any) -> str:
    if isinstance(value, list):
        return " and ".join(map(str, value)) or "none"
    return f"{value:g}" if isinstance(value, float) else str(value)


def _cutting(data: Path, crops: bool) -> dict[str, Any]:
    """Return the options that decide which part of a picture is learned from."""
    if crops or data.suffix.lower() == ".npz":
        return {"crops": True}
    settings = load_settings()
    return {"crops": False, "detector": settings.detector, "smallest_face_px": settings.smallest_face_px}


def _named(several: Sequence[str]) -> list[str]:
    """Return weights as they are named; a file by its name and its bytes, since a run's best.npz changes."""
    return [f"{Path(each).name} {_hash_of(Path(each))[:12]}" if Path(each).is_file() else each for each in several]


def _hash_of(path: Path) -> str:
    """Return the hash of a file; none where there is no file, which is then a picture that cannot be used."""
    try:
        if not path.is_file():
            return "none"
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return "none"


def _parts(data: Path) -> Iterator[bytes]:
    if data.suffix.lower() == ".npz":
        raw = read_npz(data)
        yield from _bytes_of(raw.pictures, raw.votes, raw.split)
        return
    found = read_labelled(data)
    yield from _bytes_of(found.labels, found.targets, found.split, found.valence, found.arousal)
    for row in range(len(found)):
        if found.split is None:  # then the names decide what is held out for validation
            yield f"{found.pictures.name(row)}\n".encode(errors="surrogateescape")
        if isinstance(found.pictures, FilePictures):
            yield _hash_of(found.pictures.paths[row]).encode()


def _bytes_of(*arrays: NDArray[Any] | None) -> Iterator[bytes]:
    for array in arrays:
        yield b"none" if array is None else f"{array.dtype}{array.shape}".encode() + array.tobytes()
