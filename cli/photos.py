"""`mien photos`: photo jobs from the command line."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mien.formats import DEFAULT_FORMATS, JOB_FORMATS, PRIORITIES

app = typer.Typer(help="Queue photo jobs; `mien jobs work` (or `mien up`) works on them.", no_args_is_help=True)

# Paragraphs without line breaks: the terminal decides where lines end.
ABOUT = (
    "Classify the apparent emotion of every face in pictures: results are tables, JSON and annotated pictures."
    "\n\nEach picture is read once, however often it is named. In folders, patterns and archives the usual endings"
    " count (.jpg .png .webp .heic .avif .tif .bmp .gif); a file that is named counts whatever its ending. What cannot"
    " be read is a row of its own in the results, with the reason."
    "\n\nCredentials for S3 and the like belong in the environment of `mien jobs work` (AWS_ACCESS_KEY_ID,"
    " AWS_SECRET_ACCESS_KEY, AWS_ENDPOINT_URL, …), never in an address."
    "\n\nEnds with 0 when all pictures were read, with 1 when some were not, with 2 on wrong usage."
)
EXAMPLES = """Examples:

[bold]mien photos enqueue holiday/ --out results --wait[/bold]

[bold]mien photos enqueue 'season/**/*.jpg' portraits.zip scans.tar.gz --format csv,parquet[/bold]

[bold]mien photos enqueue s3://bucket/faces/ https://example.org/a.jpg --priority low[/bold]

[bold]find . -name '*.heic' | mien photos enqueue --list -[/bold]"""


@app.callback()
def photos() -> None:
    """Queue photo jobs; `mien jobs work` (or `mien up`) works on them."""


@app.command(help=ABOUT, epilog=EXAMPLES)
def enqueue(
    paths: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="PATH…",
            help="Pictures, folders, zip or tar archives, quoted patterns such as 'a/**/*.jpg', or addresses: s3://, gs://,"
            " https:// and whatever else fsspec reads. `-`: read them from standard input, one a line.",
            show_default=False,
        ),
    ] = None,
    lists: Annotated[
        list[str] | None,
        typer.Option(
            "--list",
            metavar="FILE",
            help="Text file of paths or addresses, one a line, # for comments; - is standard input; may be repeated.",
        ),
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", help="Folder for the results.")] = None,
    annotate: Annotated[bool, typer.Option(help="Write each picture with its faces drawn in.")] = True,
    formats: Annotated[
        str,
        typer.Option(
            "--format", help=f"Formats of the results: {', '.join(JOB_FORMATS['photos'])}, separated by commas."
        ),
    ] = ",".join(DEFAULT_FORMATS["photos"]),
    priority: Annotated[
        str,
        typer.Option("--priority", metavar="|".join(PRIORITIES), help="Jobs of higher priority go first."),
    ] = "normal",
    webhook: Annotated[
        str, typer.Option("--webhook", metavar="URL", help="Address that gets the job as JSON when it has ended.")
    ] = "",
    wait: Annotated[bool, typer.Option("--wait", help="Show progress until the job has ended.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Queue a job over pictures."""
    from cli.views.jobs import follow, print_json, queued_line
    from mien.formats import check_installed, check_priority, formats_of, named
    from mien.inputs.find import find_inputs
    from mien.jobs.jobs import Jobs
    from mien.jobs.options import check_job_options
    from mien.settings import load_settings

    settings = load_settings()
    options = check_job_options("photos", {"annotate": annotate, "formats": named(formats)})
    check_installed(formats_of("photos", options))
    check_priority(priority)
    jobs = Jobs.from_settings(settings)
    jobs.ping()
    found = find_inputs(paths or [], lists=lists or [], leave_out=out, timeout_s=settings.fetch_timeout_s)
    for note in found.notes:
        typer.echo(f"mien: {note}", err=True)
    view = jobs.enqueue(
        "photos",
        found.items,
        name=found.name,
        out=out,
        options=options,
        priority=priority,
        webhook=webhook,
    )
    if wait:
        view = follow(jobs, view, quiet=as_json)
    if as_json:
        print_json(view.to_report(jobs.failures(view)))
    elif not wait:
        typer.echo(queued_line(view))
    raise typer.Exit(view.exit_code if wait else 0)
