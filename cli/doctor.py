"""`mien doctor`: is everything as it should be, and what would this machine do."""

from __future__ import annotations

from typing import Annotated

import typer


def doctor(
    cameras: Annotated[
        int | None, typer.Option(min=1, max=1000, help="Show the plan for this many cameras only.")
    ] = None,
    fps: Annotated[float, typer.Option(min=0.1, max=1000, help="Frames a second of each camera.")] = 25.0,
    measure: Annotated[bool, typer.Option("--measure", help="Measure anew, whatever is known.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Check machine, brokers, cameras, models and runtimes, and show the plan that live workers would run, and why.

    The first time on a machine it measures for a few seconds. Ends with 1 when a check failed.

    Example: [bold]mien doctor --cameras 4[/bold]
    """
    from cli.views.doctor import show, waiting
    from cli.views.jobs import print_json
    from mien.logs import configure_logs
    from mien.settings import load_settings
    from worker.doctor.diagnosis import diagnose

    settings = load_settings()
    configure_logs("error" if settings.log_level == "info" else settings.log_level, settings.log_format)
    with waiting(as_json):
        found = diagnose(settings, [cameras] if cameras else None, fps, measure)
    if as_json:
        print_json(found.to_dict())
    else:
        show(found)
    raise typer.Exit(0 if found.ok else 1)
