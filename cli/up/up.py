"""`mien up`: all of mien on this machine."""

from __future__ import annotations

from typing import Annotated

import typer


def up(
    port: Annotated[int | None, typer.Option(help="Port of the dashboard (8000 when not set).")] = None,
    camera: Annotated[
        list[str] | None, typer.Option(metavar="NAME=SOURCE", help="A camera to start, instead of the demo; repeat it.")
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(
            min=0, max=64, help="Live workers; 0, the default: as many as live cameras, at most one for each core."
        ),
    ] = None,
) -> None:
    """Start brokers, a camera, a live worker, a job worker and the dashboard, until Ctrl-C.

    Example: [bold]mien up --port 8080 --camera door=rtsp://10.0.0.7/live[/bold]
    """
    from cli.up.local import run_all
    from mien.logs import configure_logs
    from mien.settings import load_settings

    settings = load_settings(port=port, workers=workers)
    configure_logs(settings.log_level, settings.log_format)
    raise typer.Exit(run_all(settings, camera or ["demo=demo://"]))
