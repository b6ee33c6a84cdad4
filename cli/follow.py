"""How jobs look in a terminal: progress while one waits, a table, one job."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from mien.errors import BrokerUnavailable
from mien.jobs import Jobs
from mien.jobview import JobView

_POLL_S = 0.25
_PATIENCE_S = 60.0
_FAILURES_SHOWN = 20


def follow(jobs: Jobs, view: JobView, *, quiet: bool) -> JobView:
    """Show progress on stderr until the job has ended and return it; `quiet` leaves out the closing words.

    Ctrl-C ends the waiting, not the job. Raises BrokerUnavailable when the broker is away for a minute.
    """
    console = Console(stderr=True, highlight=False)
    try:
        view = _until_ended(jobs, view, console)
    except KeyboardInterrupt:
        console.print(f"job {view.id} goes on; `mien jobs show {view.id}` says how far it is", soft_wrap=True)
        raise typer.Exit(130) from None
    if not quiet:
        print_job(view)
    return view


def print_json(document: Any) -> None:
    """Print a JSON document on stdout."""
    sys.stdout.write(json.dumps(document, indent=2) + "\n")


def print_table(views: Sequence[JobView]) -> None:
    """Print a row for each job."""
    if not views:
        typer.echo("no jobs yet: `mien photos enqueue FOLDER` makes one")
        return
    headings = ("job", "created", "name", "state", "read", "failed", "faces")
    rows = [_row(view) for view in views]
    table = Table(box=None, pad_edge=False)
    for heading, *cells in zip(headings, *rows, strict=True):
        # Only names give way in a narrow terminal: a shortened number would be a wrong one.
        least = 4 if heading == "name" else max(len(cell) for cell in (heading, *cells))
        table.add_column(
            heading,
            justify="right" if heading in ("read", "failed", "faces") else "left",
            no_wrap=True,
            min_width=least,
        )
    for row in rows:
        table.add_row(*row)
    Console(highlight=False, markup=False).print(table)


def print_job(view: JobView) -> None:
    """Print one job: numbers, reason, failures, and the paths of its results."""
    lines = [
        f"job {view.id} ({view.name}) is {view.state}" + (f": {view.reason}" if view.reason else ""),
        f"{view.done} of {view.inputs} pictures read, {view.failed} failed, {view.faces} faces",
    ]
    lines += [f"  {failure.path}: {failure.reason}" for failure in view.failures[:_FAILURES_SHOWN]]
    if len(view.failures) > _FAILURES_SHOWN:
        lines.append(f"  and {len(view.failures) - _FAILURES_SHOWN} more")
    if view.state == "done":
        lines += [f"results: {view.out / name}" for name in ("results.json", "results.csv")]
        if (view.out / "annotated").is_dir():
            lines.append(f"annotated pictures: {view.out / 'annotated'}")
    for line in lines:
        typer.echo(line.encode("utf-8", "replace").decode())


def _row(view: JobView) -> tuple[str, ...]:
    created = datetime.fromtimestamp(view.created).strftime("%m-%d %H:%M")
    read = f"{view.done}/{view.inputs}"
    return (view.id, created, view.name[:40], view.state, read, str(view.failed), str(view.faces))


def _until_ended(jobs: Jobs, view: JobView, console: Console) -> JobView:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[faces]} faces, {task.fields[failed]} failed"),
        TimeRemainingColumn(),
    )
    answered_s = time.monotonic()
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("queued", total=view.inputs, faces=0, failed=0)
        while not view.ended:
            time.sleep(_POLL_S)
            try:
                view = jobs.get(view.id)
                answered_s = time.monotonic()
            except BrokerUnavailable:
                if time.monotonic() - answered_s > _PATIENCE_S:
                    raise
                continue
            what = view.state if view.state != "queued" else "queued (is `mien jobs work` or `mien up` running?)"
            progress.update(
                task, description=what, completed=view.done + view.failed, faces=view.faces, failed=view.failed
            )
    return view
