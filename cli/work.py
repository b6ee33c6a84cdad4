"""`mien work`: a live worker."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def work(
    threads: Annotated[
        int | None, typer.Option(min=0, help="Threads of inference; 0, the default: as few as hold the frame budget.")
    ] = None,
    tune: Annotated[
        str | None, typer.Option(help="auto: save work under load; off: analyse every frame in full.")
    ] = None,
    scan_ms: Annotated[
        float | None, typer.Option(min=0, help="Time until faces are detected in a whole frame again; 0: every frame.")
    ] = None,
    classify_ms: Annotated[
        float | None, typer.Option(min=0, help="Time until a followed face is classified again; 0: on every frame.")
    ] = None,
    detector: Annotated[str | None, typer.Option(help="Face detector: auto, blazeface, yunet or haar.")] = None,
    runtime: Annotated[
        str | None, typer.Option(help="What runs the classifier: auto, openvino, onnxruntime or tensorflow.")
    ] = None,
    precision: Annotated[str | None, typer.Option(help="What nets compute in: auto, fp32 or bf16.")] = None,
    weights: Annotated[Path | None, typer.Option(help="File of classifier weights, instead of those of mien.")] = None,
    bus_url: Annotated[str | None, typer.Option(help="Redis or Valkey of the cameras.")] = None,
    metrics_port: Annotated[
        int | None, typer.Option(min=1, max=65535, help="Port to serve Prometheus metrics on.")
    ] = None,
    metrics_host: Annotated[str, typer.Option(help="Address to serve Prometheus metrics on.")] = "127.0.0.1",
) -> None:
    """Detect and classify the faces of live cameras, until Ctrl-C. Start as many as you like: they share the cameras.

    `mien doctor` and the worker's log say what it saves under load, and why. Options given here always win.

    Example: [bold]mien work --threads 2 --detector yunet[/bold]
    """
    from mien.logs import configure_logs
    from mien.private import keep_private
    from mien.settings import load_settings
    from worker.live.start import run_live

    settings = load_settings(
        threads=threads,
        tune=tune,
        scan_ms=scan_ms,
        classify_ms=classify_ms,
        detector=detector,
        runtime=runtime,
        precision=precision,
        weights=weights,
        bus_url=bus_url,
    )
    configure_logs(settings.log_level, settings.log_format)
    keep_private(settings.data_dir)
    run_live(settings, metrics_port, metrics_host)
