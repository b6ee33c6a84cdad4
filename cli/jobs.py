"""`mien jobs`: work on jobs, look at them, stop them and try them again."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mien.formats import FORMATS

if TYPE_CHECKING:
    from mien.jobs.jobs import Jobs

app = typer.Typer(help="Work on jobs, look at them, stop them, try them again.", no_args_is_help=True)

JobId = Annotated[str, typer.Argument(help="Id of the job, as `mien jobs list` shows it.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]


@app.command()
def work() -> None:
    """Work on queued jobs until Ctrl-C; start as many as there are cores to spare.

    Example: [bold]mien jobs work[/bold]
    """
    import threading
    from contextlib import suppress

    from mien.errors import BrokerUnavailable
    from mien.jobs.jobs import Jobs
    from mien.logs import configure_logs
    from mien.private import keep_private
    from mien.settings import load_settings
    from models.analyzer import open_analyzer
    from worker.jobs.kinds import job_worker
    from worker.jobs.resident import ResidentAnalyzer

    settings = load_settings()
    configure_logs(settings.log_level, settings.log_format)
    keep_private(settings.data_dir)
    stopping = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopping.set())
    jobs = Jobs.from_settings(settings)
    with suppress(BrokerUnavailable):  # the worker waits for it, and says so
        jobs.ping()
    job_worker(jobs, ResidentAnalyzer(lambda: open_analyzer(settings)), stopping).run()


@app.command("list")
def list_jobs(
    as_json: AsJson = False,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="Most jobs to show, the newest first.")] = 50,
) -> None:
    """List jobs, the newest first.

    Example: [bold]mien jobs list[/bold]
    """
    from cli.views.jobs import print_json, print_table

    views = _jobs().list(limit)
    if as_json:
        print_json([view.to_dict() for view in views])
    else:
        print_table(views)


@app.command()
def show(job: JobId, as_json: AsJson = False) -> None:
    """Show one job: how far it is, where its results are, and what failed.

    Example: [bold]mien jobs show 3f2a…[/bold]
    """
    from cli.views.jobs import print_job, print_json

    view = _jobs().get(job)
    if as_json:
        print_json(view.to_dict())
    else:
        print_job(view)


@app.command()
def cancel(job: JobId) -> None:
    """Stop a job; what it has finished is kept for `mien jobs retry`.

    Example: [bold]mien jobs cancel 3f2a…[/bold]
    """
    view = _jobs().cancel(job)
    typer.echo(f"job {view.id} is {view.state}")


@app.command()
def retry(job: JobId) -> None:
    """Queue again what a job has not finished, or the pictures or videos that failed.

    Example: [bold]mien jobs retry 3f2a…[/bold]
    """
    view = _jobs().retry(job)
    typer.echo(f"job {view.id} is {view.state}")


@app.command()
def export(
    job: JobId,
    form: Annotated[str, typer.Option("--format", metavar="|".join(FORMATS), help="What is written.")] = "csv",
    to: Annotated[Path | None, typer.Option("--to", help="File to write; without it, to standard output.")] = None,
) -> None:
    """Write the results of a job, or what it has finished so far, as one table or document.

    Example: [bold]mien jobs export 3f2a… --format parquet --to faces.parquet[/bold]
    """
    from worker.reports.export import export_job

    written = export_job(_jobs(), job, form, to)
    if to is not None:
        typer.echo(f"{written:,} {'input' if written == 1 else 'inputs'} of job {job} written to {to}")


def _jobs() -> Jobs:
    from mien.jobs.jobs import Jobs
    from mien.settings import load_settings

    return Jobs.from_settings(load_settings())
