"""`mien compare`: which backbone is worth its milliseconds."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cli.train import BackendName, PrecisionName

DEFAULT = ("convnext-atto", "convnext-femto", "convnext-pico", "mobilenetv3-small", "efficientnetv2-b0")


def compare(
    data: Annotated[Path, typer.Argument(metavar="DATA", help="Data as for `mien train`.")],
    crops: Annotated[bool, typer.Option(help="The pictures are faces cut out already.")] = False,
    backbone: Annotated[list[str] | None, typer.Option(help="A backbone; again for several.")] = None,
    minutes_each: Annotated[float, typer.Option(min=0.01, help="Minutes of training for each.")] = 20.0,
    weights: Annotated[str, typer.Option(help="What each starts from: none or imagenet.")] = "none",
    size: Annotated[int, typer.Option(min=0, max=512, help="Side of all inputs; 0: what fits each net.")] = 0,
    batch: Annotated[int, typer.Option(min=1, help="Pictures in a step.")] = 128,
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same batches.")] = 1,
    faces: Annotated[int, typer.Option(min=1, help="Faces that must fit the budget.")] = 3,
    budget: Annotated[float, typer.Option(min=0.1, help="Milliseconds for them.")] = 40.0,
    backend: Annotated[BackendName, typer.Option(help="What Keras computes with.")] = BackendName.TENSORFLOW,
    precision: Annotated[PrecisionName, typer.Option(help="Of the training.")] = PrecisionName.FLOAT32,
    out: Annotated[Path, typer.Option(help="Folder for the table, the plot and each run.")] = Path("runs/compare"),
) -> None:
    """Train and score several backbones on the same data, schedule and minutes, and name the best inside the budget.

    Writes comparison.md, comparison.csv and comparison.png into --out. A comparison that was stopped resumes
    with the same command or with more backbones; on other data or with other options it needs another --out.

    Example: [bold]mien compare ferplus.npz --backbone convnext-atto --backbone mobilenetv2 --minutes-each 20[/bold]
    """
    from rich.console import Console

    from cli.views.compare import show
    from cli.views.training import TrainingView
    from mien.logs import configure_logs
    from models.comparing.compare import TABLE_NAME, Comparison, write
    from models.comparing.compare import compare as compare_backbones
    from models.training.plan import Listener, TrainingPlan
    from models.training.request import TrainingRequest

    configure_logs("warning")
    console = Console()
    plan = TrainingPlan(
        epochs=10_000,
        minutes=minutes_each,
        batch=batch,
        seed=seed,
        head_share=0.0 if weights == "none" else 0.15,
        precision=precision.value,
    )
    wanted = TrainingRequest(size=size, start=(weights,), backend=backend.value, crops=crops)
    last: Comparison | None = None
    with TrainingView(console) as view:

        def listener(name: str) -> Listener:
            console.print(f"[bold]{name}[/bold]")
            return view.show

        for last in compare_backbones(data, backbone or DEFAULT, wanted, plan, out, listener, faces, budget):
            write(last, out)
    if last is not None:
        show(last, console)
        console.print(f"written: {out / TABLE_NAME}, .csv and .png", soft_wrap=True)
