"""The console script `mien`: its commands, and how an error looks."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from cli import jobs, photos, video
from cli.clean import clean
from cli.compare import compare
from cli.dashboard import dashboard
from cli.doctor import doctor
from cli.evaluate import evaluate
from cli.export import export
from cli.photo import photo
from cli.produce import produce
from cli.train import train
from cli.up.up import up
from cli.work import work
from mien.errors import MienError, line_of
from mien.logs import print_crashes_without_secrets
from mien.machine import limit_library_threads

app = typer.Typer(
    name="mien",
    help="Classifies the apparent emotion of every face: live from any number of cameras, and in photos and videos.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    rich_markup_mode="rich",
)
for command in (up, produce, work, dashboard, photo, train, evaluate, export, compare, clean, doctor):
    app.command()(command)
app.add_typer(photos.app, name="photos")
app.add_typer(video.app, name="video")
app.add_typer(jobs.app, name="jobs")


@app.callback(invoke_without_command=True)
def version(show: Annotated[bool, typer.Option("--version", help="Print the version and end.")] = False) -> None:
    """Classifies the apparent emotion of every face: live from any number of cameras, and in photos and videos.

    Example: [bold]mien up[/bold], then open the address that it prints.
    """
    if show:
        from importlib.metadata import version as version_of

        typer.echo(version_of("mien"))
        raise typer.Exit


def main() -> None:
    """Run the command line; an error of ours is one line on stderr and its own exit code."""
    limit_library_threads()
    print_crashes_without_secrets()
    try:
        app()
    except MienError as error:
        print(f"mien: {line_of(error)}", file=sys.stderr)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.exit(130)
