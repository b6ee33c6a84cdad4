"""How jobs look in a terminal: progress while one waits, a table, one job."""

from __future__ import annotations

import json
import shutil
import sys
import time
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn
from rich.table import Column
from rich.text import Text

from mien.errors import BrokerUnavailable
from mien.jobs.jobs import Jobs
from mien.jobs.outputs import ANNOTATED_FOLDER, JOB_FILES
from mien.jobs.view import JobView

_POLL_S = 0.25
_PATIENCE_S = 60.0
_FAILURES_SHOWN = 20
_LEAST_NAME = 8
_WAITING = "queued (is `mien jobs work` or `mien up` running?)"


def follow(jobs: Jobs, view: JobView, *, quiet: bool) -> JobView:
    """Show progress on stderr until the job has ended and return it; `quiet` leaves out the closing words.

    Ctrl-C ends the waiting, not the job. Raises BrokerUnavailable when the broker is away for a minute.
    """
    console = Console(stderr=True, highlight=False)
    if view.existed:
        console.print(f"job {view.id} does the same already: waiting for it, no second one was queued", soft_wrap=True)
    try:
        view = _until_ended(jobs, view, console)
    except KeyboardInterrupt:
        console.print(f"job {view.id} goes on; `mien jobs show {view.id}` says how far it is", soft_wrap=True)
        raise typer.Exit(130) from None
    if not quiet:
        print_job(view)
    return view


def queued_line(view: JobView) -> str:
    """Return what `enqueue` says without `--wait`."""
    ask = f"`mien jobs show {view.id}` says how far it is"
    if view.existed:
        return f"job {view.id} is {view.state} and does the same already, no second one was queued; {ask}"
    return f"job {view.id}: {_count(view.inputs, view.noun)} queued; {ask}"


def print_json(document: Any) -> None:
    """Print a JSON document on stdout."""
    sys.stdout.write(json.dumps(document, indent=2) + "\n")


def print_table(views: Sequence[JobView]) -> None:
    """Print a row for each job."""
    if not views:
        typer.echo("no jobs yet: `mien photos enqueue FOLDER` or `mien video enqueue FILE` makes one")
        return
    headings = ("job", "created", "kind", "name", "state", "read", "failed", "faces")
    columns = {head: [head, *cells] for head, *cells in zip(headings, *map(_row, views), strict=True)}
    widths = {head: max(map(len, cells)) for head, cells in columns.items()}
    # Only names give way in a narrow terminal, and columns that can be done without: a shortened number would be wrong.
    room = shutil.get_terminal_size().columns - 2 * (len(headings) - 1)
    for head in ("created", "kind"):
        if sum(widths.values()) - widths["name"] + _LEAST_NAME > room:
            del columns[head], widths[head]
            room += 2
    others = sum(widths.values()) - widths["name"]
    widths["name"] = min(widths["name"], max(_LEAST_NAME, room - others))
    for cells in zip(*columns.values(), strict=True):
        row = zip(columns, cells, strict=True)
        typer.echo("  ".join(_cell(head, text, widths[head]) for head, text in row).rstrip())


def _cell(head: str, text: str, width: int) -> str:
    text = _printable(text if len(text) <= width else text[: width - 1] + "…")
    return text.rjust(width) if head in ("read", "failed", "faces") else text.ljust(width)


def print_job(view: JobView) -> None:
    """Print one job: numbers, reason, failures, and the paths of its results."""
    for line in _lines(view):
        typer.echo(_printable(line))


def _printable(text: str) -> str:
    """Return a text without what a terminal would take for a command, such as the escape of a file's odd name."""
    return "".join(letter if letter.isprintable() else "?" for letter in text)


def _lines(view: JobView) -> Iterator[str]:
    yield f"job {view.id} ({view.name}) is {view.state}" + (f": {view.reason}" if view.reason else "")
    yield f"{view.done:,} of {_count(view.inputs, view.noun)} read, {view.failed:,} failed, {view.faces:,} faces"
    if not view.ended and view.kind == "video" and view.frames[1]:
        yield f"{view.frames[0]:,} of {view.frames[1]:,} frames done"
    eta_s = view.eta_s
    if eta_s is not None:
        yield f"about {_duration(eta_s)} to go"
    yield from (f"  {failure.path}: {failure.reason}" for failure in view.failures[:_FAILURES_SHOWN])
    if view.failed > _FAILURES_SHOWN:
        yield f"  and {view.failed - _FAILURES_SHOWN:,} more"
    if view.state == "done":
        yield from _results(view)


def _results(view: JobView) -> Iterator[str]:
    """Say where results are: the tables and figures of the job, then the folders of pictures or of each video."""
    if not view.out.is_dir():
        yield f"results were in {view.out}, which is gone"
        return
    names = JOB_FILES.get(view.kind, ())
    yield from (f"results: {view.out / name}" for name in names if (view.out / name).is_file())
    if (view.out / ANNOTATED_FOLDER).is_dir():
        yield f"annotated pictures: {view.out / ANNOTATED_FOLDER}"
    if view.kind == "video":
        yield f"videos, timelines and reports: {view.out}"


def _row(view: JobView) -> tuple[str, ...]:
    created = datetime.fromtimestamp(view.created).strftime("%m-%d %H:%M")
    state = f"{view.state} {view.progress:.0%}" if view.state == "running" else view.state
    read = f"{view.done}/{view.inputs}"
    return (view.id, created, view.kind, view.name[:40], state, read, str(view.failed), str(view.faces))


class _Work(ProgressColumn):
    """`1,200/30,000 frames`; nothing as long as nobody knows how many."""

    def render(self, task: Task) -> Text:
        """Return the text for a moment."""
        known = f"{int(task.completed):,}/{int(task.total):,} {task.fields['unit']}" if task.total else ""
        return Text(known, style="progress.download", no_wrap=True)


class _Found(ProgressColumn):
    """`900 faces, 2 failed, 4 min 10 s to go`."""

    def render(self, task: Task) -> Text:
        """Return the text for a moment."""
        if not task.total:
            return Text("")
        counts = f"{task.fields['faces']:,} faces, {task.fields['failed']:,} failed"
        eta_s = task.time_remaining
        return Text(counts if eta_s is None else f"{counts}, {_duration(eta_s)} to go", no_wrap=True)


def _until_ended(jobs: Jobs, view: JobView, console: Console) -> JobView:
    columns = (
        TextColumn("{task.description}", table_column=Column(no_wrap=True)),
        BarColumn(None, table_column=Column(ratio=1, min_width=4)),
        _Work(),
        _Found(),
    )
    answered_s = time.monotonic()
    # An ETA from the last minute: pictures of a folder differ, and a worker may come or go.
    with Progress(*columns, console=console, transient=True, expand=True, speed_estimate_period=60) as progress:
        task = progress.add_task(_WAITING, total=None, unit=view.unit, faces=0, failed=0)
        while not view.ended:
            time.sleep(_POLL_S)
            try:
                view = jobs.get(view.id)
                answered_s = time.monotonic()
            except BrokerUnavailable:
                if time.monotonic() - answered_s > _PATIENCE_S:
                    raise
                progress.update(task, description="waiting for the broker")
                continue
            done, known = view.work
            progress.update(
                task,
                description=_WAITING if view.state == "queued" else view.state,
                completed=done,
                total=known or None,
                faces=view.faces,
                failed=view.failed,
            )
    return view


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun if number != 1 else noun.removesuffix('s')}"


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min" if minutes >= 5 else f"{minutes} min {rest} s" if minutes else f"{rest} s"
