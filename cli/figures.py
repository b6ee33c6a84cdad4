"""How the figures of a classifier look in a terminal, and as JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.table import Table


def print_figures(figures: Mapping[str, Any], as_json: bool, console: Console | None = None) -> None:
    """Print what `models.training.evaluate.evaluate` returned, with the names of weights and split."""
    console = console or Console()
    if as_json:
        console.out(json.dumps(figures, indent=1), highlight=False)
        return
    console.print(f"{figures['weights']} {figures['version']} on {figures['n']} faces ({figures['split']})")
    console.print(f"accuracy {figures['accuracy']:.2%}, macro-F1 {figures['macro_f1']:.3f}, nll {figures['nll']:.3f}")
    if "without_copies" in figures:
        rest = figures["without_copies"]
        console.print(f"without copies of training pictures ({rest['n']} faces): accuracy {rest['accuracy']:.2%}")
    console.print(f"calibration error {figures['ece']:.3f}")
    named, right = figures["coverage"], figures["accuracy_at_coverage"]
    console.print(f"{named:.0%} get a name, {right:.2%} of them right; the rest is uncertain")
    table = Table("apparent emotion", "faces", "precision", "recall", "F1")
    for name, row in figures["per_class"].items():
        table.add_row(name, str(row["n"]), *(f"{row[key]:.3f}" for key in ("precision", "recall", "f1")))
    console.print(table)
