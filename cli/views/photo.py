"""How the faces of pictures look in a terminal."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

if TYPE_CHECKING:
    from models.analyzer import PixelAnalyzer


def print_json(pictures: list[dict[str, Any]], failures: list[dict[str, str]], analyzer: PixelAnalyzer) -> None:
    """Print one JSON document: what was asked, what came of it, and how it was found out."""
    document = {
        "inputs": len(pictures) + len(failures),
        "done": len(pictures),
        "failed": len(failures),
        "failures": failures,
        "detector": analyzer.detector,
        "runtime": analyzer.runtime,
        "weights": analyzer.weights,
        "pictures": pictures,
    }
    typer.echo(json.dumps(document))


def print_table(pictures: list[dict[str, Any]]) -> None:
    """Print a table of the faces of each picture, then where annotated pictures were written."""
    console = Console()
    for entry in pictures:
        name = escape(entry["path"])
        if not entry["faces"]:
            console.print(f"{name}: no face", highlight=False, soft_wrap=True)
            continue
        # A table for each picture: its path would leave no room for the figures.
        table = Table("face", "apparent emotion", title=name, title_justify="left")
        for figure in ("confidence", "valence", "arousal"):
            table.add_column(figure, justify="right", no_wrap=True)
        table.add_column("box: x, y, w, h", no_wrap=True)
        for number, face in enumerate(entry["faces"], 1):
            box = ", ".join(f"{value:.0f}" for value in face["box"])
            figures = (f"{100 * face['confidence']:.0f} %", f"{face['valence']:+.2f}", f"{face['arousal']:+.2f}")
            table.add_row(str(number), face["emotion"], *figures, box)
        console.print(table)
    for entry in pictures:
        if "annotated" in entry:
            console.print(f"written: {escape(entry['annotated'])}", highlight=False, soft_wrap=True)
