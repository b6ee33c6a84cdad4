"""`mien produce`: a camera."""

from __future__ import annotations

from typing import Annotated

import typer


def produce(
    source: Annotated[
        str,
        typer.Argument(
            help="Webcam number, video file, folder of pictures, rtsp://, http://, https://, test://pattern or demo://."
        ),
    ],
    camera: Annotated[str, typer.Option(metavar="NAME", help="Name of the camera.")],
    lossless: Annotated[bool, typer.Option("--lossless", help="Analyse every frame, however long it takes.")] = False,
    fps: Annotated[
        float, typer.Option(min=0, max=1000, help="Pictures a second; 0: the source's own rate, folders 1.")
    ] = 0.0,
    loop: Annotated[bool, typer.Option(help="Start a file or folder again at its end.")] = False,
    bus_url: Annotated[str | None, typer.Option(help="Redis or Valkey of the cameras.")] = None,
) -> None:
    """Make a camera out of a source, until the source ends or Ctrl-C.

    Example: [bold]mien produce --camera lobby rtsp://10.0.0.7/live[/bold]
    """
    from mien.address import Address
    from mien.logs import configure_logs
    from mien.private import keep_private
    from mien.settings import load_settings
    from producer.sources.choose import SourceRequest
    from producer.start import run_camera

    settings = load_settings(bus_url=bus_url)
    configure_logs(settings.log_level, settings.log_format)
    keep_private(settings.data_dir)
    run_camera(
        camera,
        Address.of_camera(source),
        settings,
        delivery="lossless" if lossless else "live",
        wishes=SourceRequest(fps=fps, loop=loop),
    )
