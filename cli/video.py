"""`mien video`: video jobs from the command line."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from mien.formats import DEFAULT_FORMATS, JOB_FORMATS, PRIORITIES
from mien.jobs.options import MOST_EVERY


class BaselineName(StrEnum):
    """Whether to take what a face says at rest from all that it says."""

    OFF = "off"
    AUTO = "auto"


app = typer.Typer(help="Queue video jobs; `mien jobs work` (or `mien up`) works on them.", no_args_is_help=True)


@app.callback()
def video() -> None:
    """Queue video jobs; `mien jobs work` (or `mien up`) works on them."""


@app.command()
def enqueue(
    files: Annotated[list[str], typer.Argument(help="Videos, folders of videos, patterns, archives or addresses.")],
    every: Annotated[int, typer.Option(min=1, max=MOST_EVERY, help="Analyse every N-th frame only.")] = 1,
    baseline: Annotated[
        BaselineName,
        typer.Option(help="auto: take what a face says at rest from all that it says, if it is seen for 10 s."),
    ] = BaselineName.OFF,
    out: Annotated[Path | None, typer.Option("--out", help="Folder for the results.")] = None,
    annotate: Annotated[bool, typer.Option(help="Write each video with its faces drawn in, with its sound.")] = True,
    formats: Annotated[
        str,
        typer.Option("--format", help=f"Formats of the table: {', '.join(JOB_FORMATS['video'])}, separated by commas."),
    ] = ",".join(DEFAULT_FORMATS["video"]),
    priority: Annotated[
        str,
        typer.Option("--priority", metavar="|".join(PRIORITIES), help="Jobs of higher priority go first."),
    ] = "normal",
    webhook: Annotated[
        str, typer.Option("--webhook", help="Address that gets the job as JSON when it has ended.")
    ] = "",
    wait: Annotated[bool, typer.Option("--wait", help="Show progress until the job has ended.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Classify the apparent emotion of every face in videos, over time.

    For each video: an annotated MP4, a table, a plot, a report, a contact sheet of clear moments, and a summary.
    Ends with 0 when all videos were read to their end, with 1 when some were not.

    Example: [bold]mien video enqueue interview.mp4 --out results --wait[/bold]

    Example: [bold]mien video enqueue interview.mp4 --baseline auto[/bold]
    """
    from cli.views.jobs import follow, print_json
    from mien.formats import check_installed, check_priority, formats_of, named
    from mien.inputs.find import VIDEOS, find_inputs
    from mien.jobs.jobs import Jobs
    from mien.jobs.options import check_job_options
    from mien.settings import load_settings

    jobs = Jobs.from_settings(load_settings())
    asked: dict[str, object] = {"every": every, "annotate": annotate, "formats": named(formats)}
    if baseline is not BaselineName.OFF:
        asked["baseline"] = baseline.value
    options = check_job_options("video", asked)
    check_installed(formats_of("video", options))
    check_priority(priority)
    found = find_inputs(files, wanted=VIDEOS, leave_out=out)
    jobs.ping()
    for note in found.notes:
        typer.echo(note, err=True)
    first = Path(found.items[0].label).name
    name = first if len(found.items) == 1 else f"{first}, …"
    view = jobs.enqueue("video", found.items, name=name, out=out, options=options, priority=priority, webhook=webhook)
    if wait:
        view = follow(jobs, view, quiet=as_json)
    if as_json:
        print_json(view.to_report(jobs.failures(view)))
    elif not wait:
        state = "is there already" if view.existed else "queued"
        typer.echo(f"job {view.id}: {view.inputs} videos {state}; `mien jobs show {view.id}` says how far it is")
    raise typer.Exit(view.exit_code if wait else 0)
