"""`mien export`: from a training's folder to files that run anywhere."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def export(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="Folder of a training, or a set of weights (.zip).")],
    data: Annotated[Path, typer.Argument(metavar="DATA", help="Labelled faces to check with, as for training.")],
    to: Annotated[Path | None, typer.Option(help="The zip to write; RUN/NAME.zip without it.")] = None,
    name: Annotated[str, typer.Option(help="Name of the weights.")] = "ferplus-atto",
    openvino: Annotated[Path | None, typer.Option(help="Also write an OpenVINO model into this folder.")] = None,
    soup: Annotated[
        list[Path] | None,
        typer.Option(help="Folder of another training of the same net, again for several: the mean of their weights."),
    ] = None,
    crops: Annotated[
        bool, typer.Option("--crops", help="The pictures of a folder or CSV are faces that are cut out already.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Write weights as one zip and as an OpenVINO model, load each again, and compare them with Keras on 500 faces.

    Example: [bold]mien export runs/atto ferplus.npz --openvino exported/[/bold]

    Example: [bold]mien export runs/one ferplus.npz --soup runs/two --to soup.zip[/bold]
    """
    import json

    from rich.console import Console
    from rich.table import Table

    from mien.logs import configure_logs
    from models.training.run import export as export_run

    configure_logs("warning")
    written, found = export_run(run, data, to, name, openvino, soup=tuple(soup or ()), crops=crops)
    if as_json:
        document = {"written": [str(path) for path in written], "check": {key: f.to_dict() for key, f in found.items()}}
        typer.echo(json.dumps(document, indent=1))
        return
    table = Table("loaded again as", "faces", "largest difference", "mean", "same emotion")
    for runtime, fidelity in found.items():
        table.add_row(
            runtime, str(fidelity.n), f"{fidelity.largest:.4f}", f"{fidelity.mean:.5f}", f"{fidelity.same_top:.1%}"
        )
    console = Console(highlight=False)
    console.print(table)
    for path in written:
        console.print(f"written: {path}", soft_wrap=True, markup=False)
