"""How a comparison of backbones looks in a terminal."""

from __future__ import annotations

from collections.abc import Sequence

from rich import box
from rich.console import Console
from rich.table import Table

from models.comparing.compare import Comparison
from models.comparing.timing import RUNTIMES


def show(comparison: Comparison, console: Console) -> None:
    """Print what each backbone is worth, what it costs, and which is the best: all of it, however narrow it is.

    Two tables, since one with all columns is wider than 80 characters.
    """
    rows = comparison.rows
    worth = [(row.backbone, *row.worth) for row in rows]
    _print(("backbone", "input", "passes", "accuracy", "macro-F1", "ECE", "parameters"), worth, console)
    costs = [(row.backbone, *row.costs) for row in rows]
    runtimes = (f"{name}\nms a face" for name in RUNTIMES)
    fits = f"{comparison.faces} faces\nin {comparison.budget_ms:g} ms"
    _print(("backbone", "file", *runtimes, fits), costs, console)
    console.print(comparison.sentence())


def _print(heads: Sequence[str], rows: Sequence[Sequence[str]], console: Console) -> None:
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for place, head in enumerate(heads):
        table.add_column(head, justify="right" if place else "left", no_wrap=True, vertical="bottom")
    for row in rows:
        table.add_row(*row)
    # Without a width of its own, rich would cut the numbers for a narrow terminal; so the terminal breaks the lines.
    table.width = console.measure(table, options=console.options.update(width=1000)).maximum
    console.print(table, crop=False)
    console.print()
