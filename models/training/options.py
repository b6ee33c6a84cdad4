"""What a run was begun with and what it went on with: kept in its folder, for its report and its model card."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from itertools import pairwise
from pathlib import Path
from typing import Any

from mien.errors import InputError
from mien.files import write_json
from models.training.plan import TrainingPlan
from models.training.request import TrainingRequest

OPTIONS_NAME = "options.json"

Options = Mapping[str, Any]
"""The options that change what is learned, by name, as JSON types; `start` is where the weights came from."""

# How long a run goes on is told by its log, and only its beginning has weights to start from.
_NOT_TOLD_AGAIN = frozenset({"start"})
_NOT_KEPT = frozenset({"epochs", "minutes", "checkpoint_minutes", "patience"})
_STARTS = {"none": "random weights", "imagenet": "weights learned on ImageNet"}


def options_of(wanted: TrainingRequest, plan: TrainingPlan) -> dict[str, Any]:
    """Return the options of a training; of files only the names are kept."""
    start = ", ".join(each if each in _STARTS else Path(each).name for each in wanted.start)
    flat = {name: value for name, value in _flat(asdict(plan)) if name not in _NOT_KEPT}
    return {
        "backbone": wanted.backbone,
        "start": start,
        "teachers": [path.name for path in wanted.teachers],
        "backend": wanted.backend,
        **flat,
    }


def record(folder: Path, options: Options, resumed: bool) -> list[Options]:
    """Add the options to those of a resumed run, or begin a new list, and return the list, the first options first.

    Options that are as before are not added. Raises InputError when the folder cannot be written, or what it holds is
    no list of options.
    """
    path = folder / OPTIONS_NAME
    history = _read(path) if resumed else []
    if not history or history[-1] != options:
        history.append(options)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_json(path, {"options": history})
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error.strerror or error}") from error
    return history


def sentences(history: Sequence[Options], took: str) -> list[str]:
    """Return what a run was made of; `took` says for how long it went on."""
    first = history[0]
    several = "the mean of " if ", " in first["start"] else ""
    start = _STARTS.get(first["start"], f"{several}the weights {first['start']}")
    teachers = f" Taught by {', '.join(first['teachers'])}." if first["teachers"] else ""
    told = [
        f"{first['backbone']}, starting from {start}.{teachers}",
        f"{took}Batch {first['batch']}, peak learning rate {first['learning_rate']:g}, weight decay"
        f" {first['weight_decay']:g}, average of weights {first['ema']:g}, seed {first['seed']}, {first['backend']} in"
        f" {first['precision']}.",
        f"Pictures were flipped, turned ({first['rotation_deg']:g}°), moved ({first['shift']:g}), zoomed"
        f" ({first['scale']:g}), lit ({first['light']:g}), degraded ({first['degrade']:g}) and partly covered"
        f" ({first['cutout']:g}); blended in {first['mixup']:g} of the batches.",
    ]
    for before, after in pairwise(history):
        changed = [name for name in after if name not in _NOT_TOLD_AGAIN and after[name] != before.get(name)]
        if changed:
            told.append(f"Went on with {', '.join(f'{name} {_words(after[name])}' for name in changed)}.")
    return told


def _flat(options: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, value in options.items():
        if isinstance(value, Mapping):
            yield from _flat(value)
        else:
            yield name, value


def _words(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(value) or "none"
    return f"{value:g}" if isinstance(value, float) else str(value)


def _read(path: Path) -> list[Options]:
    """Return the options so far; none for a run of a version that did not keep them."""
    if not path.exists():
        return []
    try:
        found = json.loads(path.read_text())["options"]
        if not all(isinstance(each, dict) and {"backbone", "start", "batch"} <= each.keys() for each in found):
            raise ValueError("no options")
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise InputError(f"{path} is no list of options: remove it, or train again without --resume") from error
    return list(found)
