"""How the doctor's report looks in a terminal."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import groupby

from rich import box
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from worker.doctor.checks import Check
from worker.doctor.diagnosis import Diagnosis
from worker.tuning.choose import count
from worker.tuning.costs import Costs
from worker.tuning.forecast import Forecast

_MARKS = {"ok": ("✓", "green"), "failed": ("✗", "bold red"), "none": ("–", "dim")}


@contextmanager
def waiting(quiet: bool) -> Iterator[None]:
    """Show on a terminal that something goes on."""
    console = Console(stderr=True)
    if quiet or not console.is_terminal:
        yield
        return
    with console.status("looking and measuring …"):
        yield


def show(found: Diagnosis) -> None:
    """Print the report on stdout."""
    console = Console(highlight=False)
    for group, checks in groupby(found.checks, key=lambda check: check.group):
        _heading(console, group)
        console.print(_checks(list(checks)))
    if found.costs is not None:
        _heading(console, "costs", "CPU time for a 1280×720 frame, measured on this machine")
        console.print(_costs(found.costs))
        if found.costs.runtimes_ms:
            console.print(_runtimes(found.costs))
    if found.forecasts:
        fps = found.forecasts[0].fps
        _heading(console, "plan", f"two faces in each frame, {fps:g} fps, everything watched, {found.budget_ms:g} ms")
        for each in found.forecasts:
            console.print(_plan(each))
        _overrides(console, found)
    console.print()
    console.print(_verdict(found))


def _heading(console: Console, name: str, more: str = "") -> None:
    console.print()
    console.print(Text.assemble((name, "bold cyan"), (f"  {more}" if more else "", "dim")))


def _checks(checks: list[Check]) -> Padding:
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(width=1)
    table.add_column(no_wrap=True, min_width=14)
    table.add_column(overflow="fold")
    for check in checks:
        mark, style = _MARKS[check.state]
        detail = "dim" if check.state == "none" else "red" if check.state == "failed" else ""
        table.add_row(Text(mark, style), Text(check.name), Text(check.detail, detail))
    return Padding(table, (0, 0, 0, 2))


def _costs(costs: Costs) -> Padding:
    detections = [(f"detect, {px} px", ms) for px, ms in sorted(costs.scan_ms.items())]
    classifications = [(f"classify {count(faces, 'face')}", ms) for faces, ms in sorted(costs.classify_ms.items())]
    rows = [
        ("decode", costs.decode_ms),
        *((f"{name} and larger", ms) for name, ms in detections),
        ("follow one face", costs.near_ms),
        *classifications,
        ("draw two faces", costs.draw_ms),
        ("encode a view", costs.encode_ms),
        ("all else", costs.other_ms),
    ]
    table = _table("work", "ms")
    for name, ms in rows:
        table.add_row(name, f"{ms:.2f}")
    return Padding(table, (0, 0, 0, 2))


def _runtimes(costs: Costs) -> Padding:
    sizes = sorted({size for times in costs.runtimes_ms.values() for size in times})
    table = _table("classifier alone", *(f"{count(size, 'face')}, ms" for size in sizes))
    for name, times in sorted(costs.runtimes_ms.items()):
        chosen = name == costs.runtime
        shown = Text(f"{name} (chosen)" if chosen else name, "bold" if chosen else "")
        table.add_row(shown, *(f"{times[size]:.2f}" if size in times else "–" for size in sizes))
    return Padding(table, (1, 0, 0, 2))


def _table(first: str, *others: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1), show_edge=False, header_style="dim")
    table.add_column(first, min_width=24)
    for name in others:
        table.add_column(name, justify="right")
    return table


def _plan(each: Forecast) -> Padding:
    choice = each.choice
    mark, style = ("✓", "green") if choice.fits else ("!", "bold yellow")
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(width=1)
    table.add_column(no_wrap=True, min_width=10)
    table.add_column(overflow="fold")
    table.add_row(
        Text(mark, style),
        Text(count(each.cameras, "camera"), "bold"),
        Text.assemble((choice.plan.words, "bold"), (f"  (level {choice.level})", "dim")),
    )
    load = f"{count(each.workers, 'worker')}, each {choice.busy:.0%} busy, slowest frame {choice.worst_ms:.0f} ms"
    table.add_row("", "", Text(load))
    table.add_row("", "", Text(choice.why, "dim"))
    return Padding(table, (0, 0, 0, 2))


def _overrides(console: Console, found: Diagnosis) -> None:
    if not found.overrides:
        console.print(Padding(Text("no setting overrides the choice", "dim"), (1, 0, 0, 2)))
        return
    given = ", ".join(f"{name} = {value}" for name, value in found.overrides.items())
    console.print(Padding(Text.assemble("set by you, and kept: ", (given, "bold")), (1, 0, 0, 2)))


def _verdict(found: Diagnosis) -> Text:
    if found.ok:
        return Text("✓ all is well", "bold green")
    names = ", ".join(check.name for check in found.failed)
    return Text(f"✗ {count(len(found.failed), 'check')} failed: {names}", "bold red")
