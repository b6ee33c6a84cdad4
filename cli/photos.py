"""`mien photos`: photo jobs from the command line."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(help="Queue photo jobs; `mien jobs work` (or `mien up`) works on them.", no_args_is_help=True)


@app.callback()
def photos() -> None:
    """Queue photo jobs; `mien jobs work` (or `mien up`) works on them."""


@app.command()
def enqueue(
    paths: Annotated[list[Path], typer.Argument(help="Pictures, or folders that are searched for pictures.")],
    out: Annotated[Path | None, typer.Option("--out", help="Folder for the results.")] = None,
    wait: Annotated[bool, typer.Option("--wait", help="Show progress until the job has ended.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
    annotate: Annotated[bool, typer.Option(help="Write each picture with its faces drawn in.")] = True,
) -> None:
    """Read the apparent emotion of every face in pictures: results are JSON, CSV and annotated pictures.

    Ends with 0 when all pictures were read, with 1 when some were not.

    Example: [bold]mien photos enqueue holiday/ --out results --wait[/bold]
    """
    from cli.follow import follow, print_json
    from mien.inputs import find_pictures
    from mien.jobs import Jobs
    from mien.settings import load_settings

    jobs = Jobs.from_settings(load_settings())
    pictures = find_pictures(paths, leave_out=out)
    jobs.ping()
    name = paths[0].name or str(paths[0])
    view = jobs.enqueue_photos(pictures, name=name if len(paths) == 1 else f"{name}, …", out=out, annotate=annotate)
    if wait:
        view = follow(jobs, view, quiet=as_json)
    if as_json:
        print_json(view.to_report())
    elif not wait:
        typer.echo(f"job {view.id}: {view.inputs} pictures queued; `mien jobs show {view.id}` says how far it is")
    raise typer.Exit(view.exit_code if wait else 0)
