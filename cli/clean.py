"""`mien clean`: find labels that are probably wrong."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cli.train import BackendName, PrecisionName

_DATA, _RUN = "Net and data", "Run"


def clean(
    data: Annotated[Path, typer.Argument(metavar="DATA", help="FER+ as an npz, a folder of class folders, or a CSV.")],
    out: Annotated[Path, typer.Option(help="Folder for the lists, the page and the trainings.", rich_help_panel=_RUN)],
    relabel: Annotated[
        bool, typer.Option(help="Give suspects the suggested emotion in the cleaned data; else they are left out.")
    ] = False,
    least_margin: Annotated[
        float,
        typer.Option(min=0, max=1, help="How much likelier the suggestion must be than the label, in probability."),
    ] = 0.0,
    folds: Annotated[int, typer.Option(min=2, max=20, help="Trainings, each on all but one part.")] = 5,
    crops: Annotated[bool, typer.Option(help="The pictures are faces cut out already.", rich_help_panel=_DATA)] = False,
    backbone: Annotated[
        str, typer.Option(help="convnext-atto …, or an application of Keras.", rich_help_panel=_DATA)
    ] = "convnext-atto",
    stem: Annotated[
        str, typer.Option(help="First layers of a ConvNeXt; conv-4 is fastest.", rich_help_panel=_DATA)
    ] = "",
    size: Annotated[
        int, typer.Option(min=0, max=512, help="Side of the input in pixels; 0: what fits.", rich_help_panel=_DATA)
    ] = 0,
    weights: Annotated[
        str, typer.Option(help="What each training starts from: none, imagenet, or a file.", rich_help_panel=_DATA)
    ] = "none",
    minutes_each: Annotated[
        float, typer.Option(min=0.1, help="Most minutes of training for each fold.", rich_help_panel=_RUN)
    ] = 10.0,
    epochs: Annotated[int, typer.Option(min=1, help="Most passes over the data.", rich_help_panel=_RUN)] = 20,
    batch: Annotated[int, typer.Option(min=1, help="Pictures in a step.", rich_help_panel=_RUN)] = 128,
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same folds.", rich_help_panel=_RUN)] = 1,
    backend: Annotated[
        BackendName, typer.Option(help="What Keras computes with.", rich_help_panel=_RUN)
    ] = BackendName.TENSORFLOW,
    precision: Annotated[
        PrecisionName, typer.Option(help="Of the computation.", rich_help_panel=_RUN)
    ] = PrecisionName.FLOAT32,
) -> None:
    """Find labels that are probably wrong: a list, a page of pictures, and the data without them to train on.

    That is cleaned.npz for an npz, cleaned.csv for a folder or a CSV, whose other columns are kept. Each picture is
    judged by a classifier that was trained on the other parts of the data. The same command again resumes a run that
    was stopped; other data or other options for the trainings need another --out.

    Example: [bold]mien clean faces/ --out cleaned[/bold]
    """
    from rich.console import Console

    from cli.views.training import TrainingView
    from mien.logs import configure_logs
    from models.cleaning.clean import clean as clean_labels
    from models.training.plan import Listener, TrainingPlan
    from models.training.request import TrainingRequest

    configure_logs("warning")
    plan = TrainingPlan(
        epochs=epochs,
        minutes=minutes_each,
        batch=batch,
        seed=seed,
        precision=precision.value,
        warm_up_steps=100,
        ema=0.99,
    )
    wanted = TrainingRequest(backbone, stem, size, (weights,), (), backend.value, crops)
    console = Console()
    with TrainingView(console) as view:

        def listen(fold: int) -> Listener:
            view.begin(f"fold {fold + 1} of {folds}")
            return view.show

        found = clean_labels(
            data, wanted, plan, out, folds=folds, relabel=relabel, least_margin=least_margin, listen=listen
        )
    judged, suspected = len(found.rows), len(found.suspects)
    console.print(f"{suspected:,} of {judged:,} labels are probably wrong ({suspected / judged:.1%})")
    if found.failures:
        name, why = next(iter(found.failures.items()))
        console.print(f"{len(found.failures):,} pictures could not be judged, such as {name}: {why}", soft_wrap=True)
    for name in found.names:
        console.print(f"written: {out / name}", soft_wrap=True)
