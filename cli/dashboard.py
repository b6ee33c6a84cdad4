"""`mien dashboard`: the pages, streams and API."""

from __future__ import annotations

from typing import Annotated

import typer


def dashboard(
    host: Annotated[str | None, typer.Option(help="Address to listen on (127.0.0.1 when not set).")] = None,
    port: Annotated[int | None, typer.Option(min=1, max=65535, help="Port to listen on (8000 when not set).")] = None,
) -> None:
    """Show cameras and jobs in the browser, until Ctrl-C.

    Example: [bold]mien dashboard --port 8080[/bold]
    """
    from dashboard.server import serve
    from mien.logs import configure_logs, get_logger
    from mien.private import keep_private
    from mien.settings import load_settings

    settings = load_settings(host=host, port=port)
    configure_logs(settings.log_level, settings.log_format)
    keep_private(settings.data_dir)
    get_logger(__name__).info("the dashboard starts", address=f"http://{settings.host}:{settings.port}")
    serve(settings)
