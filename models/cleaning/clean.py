"""Cleaning of labels: every picture is judged by classifiers that never saw it, nor a copy of it."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from mien.errors import InputError
from mien.files import atomic_file
from mien.types import EMOTIONS
from models.cleaning.cleaned import Source, source_of
from models.cleaning.suspects import Suspects, folds_of, suspects_of
from models.evaluation.report import jpeg_of, write_all
from models.evaluation.score import softmax
from models.labelled.data import LabelledData, read_labelled
from models.labelled.ferplus import FaceSet
from models.labelled.holdout import groups_of, prints_of
from models.pages import render
from models.training import checkpoint, conditions
from models.training.faces import cut_all
from models.training.plan import Listener, TrainingPlan
from models.training.request import TrainingRequest
from models.training.run import choose_backend, cutting_for, start_arrays

if TYPE_CHECKING:
    from models.training.backbones.nets import Net

SUSPECTS_NAME, PAGE_NAME = "suspects.csv", "suspects.html"
GALLERY = 240
_PROBABILITIES = "probabilities.npy"
# What a fold leaves behind once something was learned in it: its checkpoint, or what it said.
_LEARNED = "fold-*/*.np[yz]"


@dataclass(frozen=True, slots=True)
class Cleaned:
    """What was found in `data`, which was read from `source`.

    `rows` [N] are the rows of the data that were judged, `crops` their faces, uint8 [N, side, side] or in colours;
    `suspects` are rows of these. `failures`: why others could not be judged, by name.
    """

    data: LabelledData
    source: Source
    crops: NDArray[np.uint8]
    rows: NDArray[np.int64]
    suspects: Suspects
    failures: dict[str, str]

    @property
    def names(self) -> tuple[str, ...]:
        """What the files are called that `write` writes."""
        return SUSPECTS_NAME, PAGE_NAME, self.source.cleaned_name


def clean(
    path: Path,
    wanted: TrainingRequest,
    plan: TrainingPlan,
    folder: Path,
    *,
    folds: int = 5,
    relabel: bool = False,
    least_margin: float = 0.0,
    listen: Callable[[int], Listener] = lambda _: lambda __: None,
) -> Cleaned:
    """Train once for each fold on the others, and write suspects.csv, suspects.html and the cleaned data to `folder`.

    The cleaned data is an npz for an npz, else a CSV. In it suspects are left out, or carry the suggested emotion with
    `relabel`. A run that was stopped goes on where it was. `listen(fold)` gives who hears of a fold's training. Raises
    InputError when the data cannot be used, or `folder` holds a cleaning on other data or with other options.
    """
    choose_backend(wanted.backend)
    from models.training.backbones.nets import net_of

    net = net_of(wanted.backbone, wanted.stem, wanted.size)
    data = read_labelled(path)
    source = source_of(path, data)
    clear = np.flatnonzero(data.clear)
    checkpoint.need_space(folder, net.build().count_params(), runs=folds)
    crops, found, failures = cut_all(data.take(clear), cutting_for(net, path, wanted.crops))
    rows = clear[found]
    labels = data.labels[rows]
    places = places_of(str(path), labels, groups_of(prints_of(crops)), folds, plan)
    probabilities = np.zeros((len(rows), len(EMOTIONS)))
    faces = FaceSet(crops, np.eye(len(EMOTIONS), dtype=np.float32)[labels], labels, np.zeros(len(rows), bool))
    shared = conditions.conditions_of(path, wanted, plan, backbone=wanted.backbone, folds=folds)
    if any(folder.glob(_LEARNED)):
        conditions.need_same(folder, shared, "cleaning", without_record=False)
    conditions.record(folder, shared)
    for fold in range(folds):
        held = places == fold
        probabilities[held] = _judged(net, wanted, plan, faces, held, folder / f"fold-{fold + 1}", listen(fold))
    cleaned = Cleaned(data, source, crops, rows, suspects_of(probabilities, labels, least_margin), failures)
    write(cleaned, folder, relabel)
    return cleaned


def places_of(
    what: str, labels: NDArray[np.int64], groups: NDArray[np.int64], folds: int, plan: TrainingPlan
) -> NDArray[np.int64]:
    """Return the fold, from 0, of each of N faces, from their labels [N] and groups of copies [N].

    Raises InputError, which names `what`, when a fold would be empty, or the others too few to learn from.
    """
    advice = f"for {folds} folds: give more, or fewer --folds"
    if np.bincount(labels, minlength=len(EMOTIONS)).max() < folds or len(np.unique(labels)) < 2:
        raise InputError(f"{what} has too few faces ({len(labels)}) {advice}")
    places = folds_of(labels, groups, folds, plan.seed)
    held = np.bincount(places, minlength=folds)
    if held.min() == 0:
        several = f"{len(np.unique(groups))} of {len(labels)} without copies"
        raise InputError(f"{what} has too few different faces ({several}) {advice}")
    fewest = len(labels) - int(held.max())
    if fewest < plan.batch:
        raise InputError(f"{fewest} training pictures are fewer than one batch of {plan.batch}: lower --batch")
    return places


def write(found: Cleaned, folder: Path, relabel: bool) -> None:
    """Write the list of suspects, the page and the cleaned data; each replaces an older one when it is whole."""
    files = {
        SUSPECTS_NAME: _suspects_csv(found),
        found.source.cleaned_name: _cleaned(found, relabel),
        PAGE_NAME: _page(found).encode(errors="replace"),
    }
    write_all(folder, files)


def _judged(
    net: Net,
    wanted: TrainingRequest,
    plan: TrainingPlan,
    faces: FaceSet,
    held: NDArray[np.bool_],
    folder: Path,
    listen: Listener,
) -> NDArray[np.float64]:
    """Return what a classifier trained on the other folds says about the held ones [M, 8]; kept for the next time."""
    from models.training.loop import Trainer

    kept = folder / _PROBABILITIES
    if kept.is_file():
        probabilities = np.load(kept)
        if probabilities.shape == (int(held.sum()), len(EMOTIONS)):
            return np.asarray(probabilities, np.float64)
    trainer = Trainer(plan, net, faces.where(~held), faces.where(held), folder, start=start_arrays(net, wanted.start))
    trainer.resume()
    trainer.run(listen)
    # The last weights, not the best epoch: which one is best was measured on the pictures that are judged.
    _, logits = trainer.evaluate()
    probabilities = softmax(logits)
    with atomic_file(kept, synced=False) as file:
        np.save(file, probabilities)
    return probabilities


def _suspects_csv(found: Cleaned) -> bytes:
    text = io.StringIO(newline="")
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(("path", "label", "suggested", "margin"))
    for row, suggested, margin in _suspected(found):
        name, label = found.data.pictures.name(row), EMOTIONS[found.data.labels[row]]
        rows.writerow((name, label, EMOTIONS[suggested], f"{margin:.4f}"))
    return text.getvalue().encode(errors="backslashreplace")


def _cleaned(found: Cleaned, relabel: bool) -> bytes:
    """Return what `mien train` reads: suspects left out or renamed, pictures that could not be judged left out."""
    suspected = {row: suggested for row, suggested, _ in _suspected(found)}
    unusable = set(np.flatnonzero(found.data.clear).tolist()) - set(found.rows.tolist())
    if relabel:
        return found.source.cleaned(unusable, suspected)
    return found.source.cleaned(unusable | suspected.keys(), {})


def _suspected(found: Cleaned) -> list[tuple[int, int, float]]:
    """Return row of the data, suggested emotion and margin of each suspect."""
    suspects = found.suspects
    return list(
        zip(found.rows[suspects.rows].tolist(), suspects.suggested.tolist(), suspects.margin.tolist(), strict=True)
    )


def _page(found: Cleaned) -> str:
    suspects = found.suspects
    labels = found.data.labels[found.rows]
    pairs = Counter(zip(labels[suspects.rows].tolist(), suspects.suggested.tolist(), strict=True))
    shown = [
        (
            jpeg_of(np.asarray(found.crops[row], np.uint8)),
            f"{EMOTIONS[labels[row]]} → {EMOTIONS[suggested]} ({margin:+.0%})",
            found.data.pictures.name(int(found.rows[row])),
        )
        for row, suggested, margin in zip(
            suspects.rows[:GALLERY].tolist(),
            suspects.suggested[:GALLERY].tolist(),
            suspects.margin[:GALLERY].tolist(),
            strict=True,
        )
    ]
    share = len(suspects) / max(1, len(found.rows))
    return render(
        "models.cleaning/suspects.html.j2",
        title="Labels that are probably wrong",
        source=found.data.source,
        count=f"{len(suspects):,}",
        judged=f"{len(found.rows):,}",
        share=f"{share:.1%}",
        pairs=[
            (f"{EMOTIONS[label]} → {EMOTIONS[suggested]}", f"{n:,}") for (label, suggested), n in pairs.most_common()
        ],
        shown=shown,
    )
