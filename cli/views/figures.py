"""How the figures of a classifier look in a terminal, and as JSON; and progress while they are measured."""

from __future__ import annotations

import json
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

_FAILURES_SHOWN = 20


class PictureProgress:
    """Progress on stderr while pictures are classified; nothing where that is no terminal."""

    def __init__(self, pictures: int) -> None:
        console = Console(stderr=True)
        columns = (
            TextColumn("classifying"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("pictures"),
            TimeRemainingColumn(),
        )
        self._progress = Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
        self._task = self._progress.add_task("classifying", total=pictures)

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def show(self, done: int) -> None:
        """Say how many pictures have been classified."""
        self._progress.update(self._task, completed=done)


def print_figures(figures: Mapping[str, Any], as_json: bool, console: Console | None = None) -> None:
    """Print the figures of an evaluation, or of a training's validation, with the names of weights and split."""
    console = console or Console(highlight=False)
    if as_json:
        console.out(json.dumps(figures, indent=1), highlight=False)
        return
    console.print(f"{figures['weights']} {figures['version']} on {figures['n']} pictures ({figures['split']})")
    _print_how(figures, console)
    console.print(
        f"accuracy {figures['accuracy']:.2%}, UAR {_percent(figures.get('uar'))}, macro-F1 {figures['macro_f1']:.3f},"
        f" nll {_number(figures['nll'])}"
    )
    if "without_copies" in figures:
        rest = figures["without_copies"]
        console.print(f"without copies of training pictures ({rest['n']} faces): accuracy {rest['accuracy']:.2%}")
    _print_baseline(figures, console)
    console.print(f"calibration error {_number(figures['ece'])}")
    named, right = figures["coverage"], figures["accuracy_at_coverage"]
    console.print(f"{named:.0%} get a name, {right:.2%} of them right; the rest is uncertain")
    if figures.get("reject_auroc") is not None:
        reject = figures["reject"]
        console.print(
            f"AUROC of the reject score ({reject['score']}) on {reject['unclear']} unclear pictures:"
            f" {figures['reject_auroc']:.3f}"
        )
    table = Table("apparent emotion", "faces", "precision", "recall", "F1")
    for name, row in figures["per_class"].items():
        table.add_row(name, str(row["n"]), *(f"{row[key]:.3f}" for key in ("precision", "recall", "f1")))
    console.print(table)
    _print_groups(figures, console)
    _print_va(figures, console)
    _print_corruptions(figures, console)
    _print_failures(figures, console)


def _print_how(figures: Mapping[str, Any], console: Console) -> None:
    if isinstance(prior := figures.get("prior"), Mapping):
        console.print(f"prior: {', '.join(f'{name} {share:g}' for name, share in prior.items())}")
    elif prior:
        console.print(f"prior: {prior}")
    if figures.get("tta"):
        console.print(f"test-time augmentation: {', '.join(figures['tta'])}")
    if figures.get("no_face"):
        console.print(
            f"no face was found in {figures['no_face']} pictures, which count as wrong;"
            f" accuracy of the others {_percent(figures['accuracy_found'])}",
            soft_wrap=True,
        )


def _print_baseline(figures: Mapping[str, Any], console: Console) -> None:
    if row := figures.get("with_baseline"):
        console.print(
            f"with a personal baseline of {row['persons']} persons: accuracy {row['accuracy']:.2%},"
            f" UAR {_percent(row['uar'])}, macro-F1 {_number(row['macro_f1'])},"
            f" calibration error {_number(row['ece'])}",
            soft_wrap=True,
        )
        if row["one_picture"] or row["never_at_rest"]:
            console.print(
                f"no baseline: {row['one_picture']} persons with fewer than two faces,"
                f" {row['never_at_rest']} never seen near rest",
                soft_wrap=True,
            )


def _print_groups(figures: Mapping[str, Any], console: Console) -> None:
    if "groups" not in figures:
        return
    table = Table("group", "pictures", "accuracy", "95 % interval", "UAR")
    for row in figures["groups"]["rows"]:
        interval = f"{row['low']:.1%} to {row['high']:.1%}"
        table.add_row(escape(row["group"]), str(row["n"]), f"{row['accuracy']:.2%}", interval, f"{row['uar']:.2%}")
    console.print(table)
    if gap := figures["groups"]["largest_gap"]:
        console.print(
            f"largest gap: {100 * gap['accuracy']:.1f} points, {gap['best']} ahead of {gap['worst']}"
            f" (95 % interval {100 * gap['low']:.1f} to {100 * gap['high']:.1f})",
            markup=False,
            soft_wrap=True,
        )


def _print_va(figures: Mapping[str, Any], console: Console) -> None:
    va = figures.get("va")
    if va:
        both = "; ".join(f"{name} CCC {_number(va[name]['ccc'])}, RMSE {_number(va[name]['rmse'])}" for name in _AXES)
        console.print(f"{both} ({va['source']}; truth {va['truth']})")


def _print_corruptions(figures: Mapping[str, Any], console: Console) -> None:
    if "corruptions" not in figures:
        return
    table = Table("change of every face", "accuracy", "fall in points", "macro-F1")
    for row in figures["corruptions"]:
        table.add_row(row["name"], f"{row['accuracy']:.2%}", f"{row['fall_points']:.2f}", _number(row["macro_f1"]))
    console.print(table)


def _print_failures(figures: Mapping[str, Any], console: Console) -> None:
    if not figures.get("unreadable"):
        return
    console.print(f"{figures['unreadable']} files cannot be read and are not counted:")
    for row in figures["failures"][:_FAILURES_SHOWN]:
        console.print(f"  {row['path']}: {row['reason']}", markup=False, soft_wrap=True)
    if figures["unreadable"] > _FAILURES_SHOWN:
        console.print(f"  and {figures['unreadable'] - _FAILURES_SHOWN} more")


_AXES = ("valence", "arousal")


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{value:.2%}"


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"
