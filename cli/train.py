"""`mien train`: train a classifier."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from cli.recipe import use_recipe


class BackendName(StrEnum):
    """What Keras computes with."""

    TENSORFLOW = "tensorflow"
    TORCH = "torch"
    JAX = "jax"


class KeepName(StrEnum):
    """Which epoch's weights a training ends with."""

    BEST = "best"
    LAST = "last"


class PrecisionName(StrEnum):
    """The precision of a training's computation."""

    FLOAT32 = "float32"
    BFLOAT16 = "bfloat16"
    FLOAT16 = "float16"


_DATA, _RUN, _LEARN, _CHANGE = "Net and data", "Run", "Learning", "Changes to pictures"


def train(
    data: Annotated[Path, typer.Argument(metavar="DATA", help="FER+ as an npz, a folder of class folders, or a CSV.")],
    recipe: Annotated[
        str | None,
        typer.Option(
            is_eager=True,
            callback=use_recipe,
            help="YAML file with options of this command, or the name of one that mien ships; flags win over it.",
            rich_help_panel=_RUN,
        ),
    ] = None,
    crops: Annotated[bool, typer.Option(help="The pictures are faces cut out already.", rich_help_panel=_DATA)] = False,
    take: Annotated[
        int,
        typer.Option(min=0, help="Learn from so many faces, drawn at random; 0: from all.", rich_help_panel=_DATA),
    ] = 0,
    backbone: Annotated[
        str,
        typer.Option(help="convnext-atto … convnext-xlarge, or an application of Keras.", rich_help_panel=_DATA),
    ] = "convnext-atto",
    stem: Annotated[
        str,
        typer.Option(help="First layers of a ConvNeXt: conv-4, conv-2, patchify-4, patchify-2.", rich_help_panel=_DATA),
    ] = "",
    size: Annotated[
        int,
        typer.Option(min=0, max=512, help="Side of the input in pixels; 0: what fits the net.", rich_help_panel=_DATA),
    ] = 0,
    weights: Annotated[
        list[str] | None,
        typer.Option(
            help="none, imagenet, a .zip of mien, a run's best.npz, or a .pth; again for the mean of several.",
            rich_help_panel=_DATA,
        ),
    ] = None,
    heads: Annotated[
        str,
        typer.Option(
            help="emotion, or emotion,va: then valence and arousal are measured, where DATA has both.",
            rich_help_panel=_DATA,
        ),
    ] = "emotion",
    teacher: Annotated[
        list[Path] | None,
        typer.Option(help="Weights (.zip) to learn from, again for several: distillation.", rich_help_panel=_DATA),
    ] = None,
    distil: Annotated[
        float, typer.Option(min=0, max=1, help="Share of the teachers in the targets.", rich_help_panel=_DATA)
    ] = 0.7,
    out: Annotated[
        Path, typer.Option(help="Folder for checkpoints, the log and the weights.", rich_help_panel=_RUN)
    ] = Path("runs/atto"),
    name: Annotated[str, typer.Option(help="Name of the weights.", rich_help_panel=_RUN)] = "ferplus-atto",
    resume: Annotated[
        bool, typer.Option(help="Resume from the checkpoint in --out, if there is one.", rich_help_panel=_RUN)
    ] = False,
    epochs: Annotated[int, typer.Option(min=1, help="Most passes over the data.", rich_help_panel=_RUN)] = 60,
    minutes: Annotated[
        float | None,
        typer.Option(help="Most minutes, over all resumes; the schedule fits itself to it.", rich_help_panel=_RUN),
    ] = None,
    patience: Annotated[
        int | None, typer.Option(min=1, help="End after so many epochs without a better one.", rich_help_panel=_RUN)
    ] = None,
    keep: Annotated[
        KeepName,
        typer.Option(help="The epoch whose weights are kept, best being on validation.", rich_help_panel=_RUN),
    ] = KeepName.BEST,
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same batches.", rich_help_panel=_RUN)] = 1,
    backend: Annotated[
        BackendName, typer.Option(help="What Keras computes with; each must be installed.", rich_help_panel=_RUN)
    ] = BackendName.TENSORFLOW,
    precision: Annotated[
        PrecisionName, typer.Option(help="Of the computation; weights stay in 32 bits.", rich_help_panel=_RUN)
    ] = PrecisionName.FLOAT32,
    batch: Annotated[int, typer.Option(min=1, help="Pictures in a step.", rich_help_panel=_LEARN)] = 128,
    learning_rate: Annotated[float, typer.Option(help="Peak of the learning rate.", rich_help_panel=_LEARN)] = 2e-3,
    head_share: Annotated[
        float | None,
        typer.Option(
            min=0,
            max=0.9,
            help="Part of the run in which the head learns alone; 0.15 with --weights.",
            rich_help_panel=_LEARN,
        ),
    ] = None,
    unfreeze: Annotated[
        int | None,
        typer.Option(
            min=0, help="Last layers of the backbone that learn after that; all of them.", rich_help_panel=_LEARN
        ),
    ] = None,
    balance: Annotated[
        float,
        typer.Option(
            min=0, max=1, help="Draw rare classes more often: 0 as they come, 1 all alike.", rich_help_panel=_LEARN
        ),
    ] = 0.35,
    class_weights: Annotated[
        float,
        typer.Option(min=0, max=1, help="Weigh rare classes more: 0 alike, 1 by frequency.", rich_help_panel=_LEARN),
    ] = 0.0,
    va_weight: Annotated[
        float,
        typer.Option(min=0, help="With --heads emotion,va: what 1 - CCC of the two counts.", rich_help_panel=_LEARN),
    ] = 0.5,
    ema: Annotated[
        float,
        typer.Option(
            min=0, max=0.99999, help="Share that the average of weights keeps in a step.", rich_help_panel=_LEARN
        ),
    ] = 0.999,
    drop_path: Annotated[
        float,
        typer.Option(
            min=0, max=0.9, help="Chance that the last block of a ConvNeXt is left out.", rich_help_panel=_LEARN
        ),
    ] = 0.1,
    mixup: Annotated[
        float, typer.Option(min=0, max=1, help="Chance that a batch is blended with itself.", rich_help_panel=_CHANGE)
    ] = 0.0,
    cutout: Annotated[
        float, typer.Option(min=0, max=1, help="Chance that a part is covered.", rich_help_panel=_CHANGE)
    ] = 0.3,
    rotation: Annotated[
        float, typer.Option(min=0, max=90, help="Standard deviation in degrees.", rich_help_panel=_CHANGE)
    ] = 9.0,
    shift: Annotated[
        float, typer.Option(min=0, max=0.5, help="Standard deviation in sides.", rich_help_panel=_CHANGE)
    ] = 0.05,
    zoom: Annotated[float, typer.Option(min=1, max=3, help="Widest zoom in and out.", rich_help_panel=_CHANGE)] = 1.3,
    light: Annotated[
        float, typer.Option(min=0, max=1, help="Chance of other brightness and contrast.", rich_help_panel=_CHANGE)
    ] = 0.5,
    degrade: Annotated[
        float,
        typer.Option(min=0, max=1, help="Chance of blur, JPEG loss, noise or coarse pixels.", rich_help_panel=_CHANGE),
    ] = 0.3,
) -> None:
    """Train a classifier and write its weights, calibrated on the validation split, into --out.

    With --weights it is transfer learning: first the head alone, then also the last layers of the backbone. A killed
    run resumes with --resume.

    Valence and arousal are projected from the probabilities of the emotions, unless --heads emotion,va trains a head
    that measures them from a CSV with both columns; every result says which.

    Example: [bold]mien train ferplus.npz --minutes 90 --out runs/atto[/bold]

    Example: [bold]mien train ferplus.npz --backbone efficientnetv2-b0 --weights imagenet --unfreeze 40[/bold]

    Example: [bold]mien train ferplus.npz --recipe runs/eight.yaml --minutes 60[/bold]

    Example: [bold]mien train faces.csv --heads emotion,va --weights runs/atto/best.npz --out runs/va[/bold]
    """
    import math

    from rich.console import Console

    from cli.views.figures import print_figures
    from cli.views.training import TrainingView
    from mien.logs import configure_logs
    from models.nets.heads import heads_named
    from models.training.checkpoint import CHECKPOINT_NAME
    from models.training.plan import Augmentation, Regularisation, TrainingPlan
    from models.training.request import TrainingRequest
    from models.training.run import UNUSABLE_NAME
    from models.training.run import train as train_model

    configure_logs("warning")
    start = tuple(weights or ("none",))
    if head_share is None:
        head_share = 0.15 if start != ("none",) else 0.0
    plan = TrainingPlan(
        regularisation=Regularisation(drop_path=drop_path),
        augmentation=Augmentation(
            rotation_deg=rotation, shift=shift, scale=zoom, light=light, degrade=degrade, cutout=cutout, mixup=mixup
        ),
        epochs=epochs,
        minutes=math.inf if minutes is None else minutes,
        batch=batch,
        learning_rate=learning_rate,
        seed=seed,
        ema=ema,
        balance=balance,
        class_weights=class_weights,
        distil=distil,
        head_share=head_share,
        unfreeze=unfreeze,
        patience=patience,
        keep=keep.value,
        va_weight=va_weight,
        precision=precision.value,
    )
    wanted = TrainingRequest(
        backbone, stem, size, start, tuple(teacher or ()), backend.value, crops, take, heads_named(heads)
    )
    console = Console()
    try:
        with TrainingView(console) as view:
            finished = train_model(data, wanted, plan, out, name, resume, view.show)
    except KeyboardInterrupt:
        if (out / CHECKPOINT_NAME).exists():
            typer.echo(f"mien: stopped; the same command with --resume goes on from {out / CHECKPOINT_NAME}", err=True)
        raise
    figures = finished.weights.figures["validation"]
    print_figures({**figures, **finished.label("validation")}, as_json=False, console=console)
    console.print(f"written: {finished.path}", soft_wrap=True, markup=False)
    for path in finished.report:
        if path.suffix != ".png":
            console.print(f"written: {path}", soft_wrap=True, markup=False)
    if (out / UNUSABLE_NAME).exists():
        console.print(f"pictures that could not be used, and why: {out / UNUSABLE_NAME}", soft_wrap=True, markup=False)
