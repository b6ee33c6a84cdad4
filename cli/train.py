"""`mien train`: train a classifier."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def train(
    data: Annotated[Path, typer.Argument(metavar="DATA", help="FER+ as an npz.")],
    variant: Annotated[str, typer.Option(help="Size of the net: atto, femto, pico or nano.")] = "atto",
    stem: Annotated[str, typer.Option(help="First layers: conv-4, conv-2, patchify-4 or patchify-2.")] = "conv-4",
    size: Annotated[int, typer.Option(min=32, max=256, help="Side of the net's input in pixels.")] = 48,
    epochs: Annotated[int, typer.Option(min=1, help="Most passes over the data.")] = 60,
    minutes: Annotated[
        float | None, typer.Option(help="Most minutes of training, over all resumes; the schedule fits itself to it.")
    ] = None,
    batch: Annotated[int, typer.Option(min=1, help="Pictures in a step.")] = 128,
    learning_rate: Annotated[float, typer.Option(help="Peak of the learning rate.")] = 2e-3,
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same batches.")] = 1,
    out: Annotated[Path, typer.Option(help="Folder for checkpoints, the log and the weights.")] = Path("runs/atto"),
    name: Annotated[str, typer.Option(help="Name of the weights.")] = "ferplus-atto",
    resume: Annotated[bool, typer.Option(help="Go on from the checkpoint in --out, if there is one.")] = False,
) -> None:
    """Train a classifier and write its weights, calibrated on the validation split, into --out.

    Example: [bold]mien train ferplus.npz --minutes 90 --out runs/atto[/bold]; after a kill, the same with --resume.
    """
    import math

    from rich.console import Console

    from cli.figures import print_figures
    from cli.training_view import TrainingView
    from mien.logs import configure_logs
    from models.architecture import Architecture
    from models.training.plan import Plan
    from models.training.run import train as train_model

    configure_logs("warning")
    limit = math.inf if minutes is None else minutes
    plan = Plan(
        Architecture(variant, stem, size),
        epochs=epochs,
        minutes=limit,
        batch=batch,
        learning_rate=learning_rate,
        seed=seed,
    )
    console = Console()
    with TrainingView(console) as view:
        finished = train_model(data, plan, out, name, resume, view.show)
    figures = finished.weights.figures["validation"]
    print_figures({**figures, **finished.label("validation")}, as_json=False, console=console)
    console.print(f"written: {finished.path}", soft_wrap=True)
