"""`mien evaluate`: figures of a set of weights on data."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class SplitName(StrEnum):
    """The parts of FER+."""

    TRAIN = "train"
    VALIDATION = "validation"
    TEST = "test"


class RuntimeName(StrEnum):
    """What can run a classifier."""

    AUTO = "auto"
    OPENVINO = "openvino"
    ONNXRUNTIME = "onnxruntime"
    TENSORFLOW = "tensorflow"


def evaluate(
    data: Annotated[Path, typer.Argument(metavar="DATA", help="FER+ as an npz.")],
    weights: Annotated[Path | None, typer.Option(help="A set of weights; without it, those that mien ships.")] = None,
    split: Annotated[SplitName, typer.Option(help="Which part of the data.")] = SplitName.TEST,
    runtime: Annotated[RuntimeName, typer.Option(help="What runs the net.")] = RuntimeName.AUTO,
    threads: Annotated[int, typer.Option(min=1, help="Threads of inference.")] = 1,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document and nothing else.")] = False,
    record: Annotated[bool, typer.Option(help="Write the figures into the manifest of --weights.")] = False,
) -> None:
    """Print accuracy, macro-F1, calibration and the classes, one by one; needs no TensorFlow.

    Example: [bold]mien evaluate ferplus.npz --split test --json[/bold]
    """
    from cli.figures import print_figures
    from mien.logs import configure_logs
    from models import weights as weights_file
    from models.training.data import face_set, read_npz
    from models.training.evaluate import evaluate as evaluate_model
    from models.training.evaluate import with_figures

    configure_logs("warning")
    source = weights or weights_file.default_path()
    loaded = weights_file.load(source)
    figures = evaluate_model(loaded, face_set(read_npz(data), split.value), runtime.value, threads)
    if record:
        weights_file.save(with_figures(loaded, split.value, figures), source)
    print_figures({"weights": loaded.name, "version": loaded.version, "split": split.value, **figures}, as_json=json)
