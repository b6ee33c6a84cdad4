"""The report of an evaluation as one HTML page that needs no network and no other file."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from models.pages import render

_Row = Sequence[str]


def page(
    title: str,
    facts: Sequence[str],
    figures: Mapping[str, Any],
    plots: Mapping[str, bytes],
    mistakes: Iterable[tuple[bytes, str, str]],
) -> str:
    """Return the page.

    `facts` are sentences about what was evaluated, `figures` those of `figures_of` (or of a training's validation: what
    is not there is not shown), `plots` PNG files by what they show, `mistakes` JPEG files with two lines of text each.
    """
    failures = figures.get("failures") or []
    return render(
        "models.evaluation/report.html.j2",
        title=title,
        facts=facts,
        tiles=_tiles(figures),
        plots=plots.items(),
        emotions=_emotions(figures),
        baseline=figures.get("with_baseline"),
        baseline_rows=_baseline(figures),
        gap=figures.get("groups", {}).get("largest_gap"),
        groups=_groups(figures),
        changes=_changes(figures),
        va=figures.get("va"),
        va_rows=_va(figures),
        mistakes=list(mistakes),
        failures=failures,
        more_failures=figures["unreadable"] - len(failures) if failures else 0,
    )


def _tiles(figures: Mapping[str, Any]) -> list[tuple[str, str]]:
    rows = [
        (f"{figures['accuracy']:.1%}", "right, of all pictures"),
        (f"{figures['uar']:.1%}", "UAR, mean recall of the emotions"),
        (f"{figures['macro_f1']:.3f}", "macro-F1, mean over the emotions"),
        (f"{figures['coverage']:.0%}", "get a name; the rest is uncertain"),
        (f"{figures['accuracy_at_coverage']:.1%}", "right, of those with a name"),
        (_number(figures["ece"]), "calibration error, 15 bins"),
    ]
    if figures.get("reject_auroc") is not None:
        words = f"AUROC of unclear pictures, by {figures['reject']['score']}"
        rows.append((_number(figures["reject_auroc"]), words))
    if "unreadable" in figures:
        rows.append((f"{figures['no_face']:,}", "pictures without a face (counted as wrong)"))
        rows.append((f"{figures['unreadable']:,}", "files that cannot be read (not counted)"))
    return rows


def _emotions(figures: Mapping[str, Any]) -> list[_Row]:
    return [
        (name, f"{row['n']:,}", *(f"{row[key]:.3f}" for key in ("precision", "recall", "f1")))
        for name, row in figures["per_class"].items()
    ]


def _baseline(figures: Mapping[str, Any]) -> list[_Row]:
    if "with_baseline" not in figures:
        return []
    both = (("without", figures), ("with", figures["with_baseline"]))
    return [(name, *(_number(row[key]) for key in ("accuracy", "uar", "macro_f1", "ece"))) for name, row in both]


def _groups(figures: Mapping[str, Any]) -> list[_Row]:
    return [
        (
            row["group"],
            f"{row['n']:,}",
            f"{row['accuracy']:.1%}",
            f"{row['low']:.1%} to {row['high']:.1%}",
            f"{row['uar']:.1%}",
        )
        for row in figures.get("groups", {}).get("rows", ())
    ]


def _changes(figures: Mapping[str, Any]) -> list[_Row]:
    if "corruptions" not in figures:
        return []
    unchanged = ("unchanged", f"{figures['accuracy']:.2%}", "", _number(figures["macro_f1"]))
    changed = [
        (row["name"], f"{row['accuracy']:.2%}", f"{row['fall_points']:.2f}", _number(row["macro_f1"]))
        for row in figures["corruptions"]
    ]
    return [unchanged, *changed]


def _va(figures: Mapping[str, Any]) -> list[_Row]:
    va = figures.get("va")
    return (
        [(name, _number(va[name]["ccc"]), _number(va[name]["rmse"])) for name in ("valence", "arousal")] if va else []
    )


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"
