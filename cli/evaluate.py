"""`mien evaluate`: figures of a set of weights on labelled pictures, here or as a job."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from mien.settings import Settings
    from models.evaluation.measure import EvaluationRequest
    from models.labelled.data import LabelledData


class SplitName(StrEnum):
    """The parts of a data set."""

    TRAIN = "train"
    VALIDATION = "validation"
    TEST = "test"


class RuntimeName(StrEnum):
    """What can run a classifier."""

    AUTO = "auto"
    OPENVINO = "openvino"
    ONNXRUNTIME = "onnxruntime"
    TENSORFLOW = "tensorflow"


_HOW, _OUT, _JOB = "What is measured", "What comes out", "As a job"


def evaluate(
    data: Annotated[Path, typer.Argument(metavar="DATA", help="An npz, a folder of class folders, or a CSV.")],
    weights: Annotated[Path | None, typer.Option(help="A set of weights; without it, those that mien ships.")] = None,
    split: Annotated[
        SplitName | None, typer.Option(help="Part of the data; test where it has parts.", rich_help_panel=_HOW)
    ] = None,
    crops: Annotated[
        bool, typer.Option("--crops", help="Pictures are faces cut out already (an npz is).", rich_help_panel=_HOW)
    ] = False,
    tta: Annotated[
        bool, typer.Option("--tta", help="Average each face, its mirror and four small shifts.", rich_help_panel=_HOW)
    ] = False,
    corruptions: Annotated[
        bool, typer.Option("--corruptions", help="Also measure changed pictures: JPEG, blur, …", rich_help_panel=_HOW)
    ] = False,
    prior: Annotated[
        str | None,
        typer.Option(help="balanced, everyday, or a share of each emotion: happy=0.3,sad=…", rich_help_panel=_HOW),
    ] = None,
    runtime: Annotated[RuntimeName | None, typer.Option(help="What runs the net.", rich_help_panel=_HOW)] = None,
    threads: Annotated[int | None, typer.Option(min=1, help="Threads of inference.", rich_help_panel=_HOW)] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON document and nothing else.", rich_help_panel=_OUT)
    ] = False,
    report: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Folder for a page, plots and a table.", rich_help_panel=_OUT)
    ] = None,
    record: Annotated[
        bool, typer.Option("--record", help="Write figures into the manifest of --weights.", rich_help_panel=_OUT)
    ] = False,
    enqueue: Annotated[
        bool, typer.Option("--enqueue", help="Queue it; `mien jobs work` works on it.", rich_help_panel=_JOB)
    ] = False,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="DIR", help="Folder for the job's report.", rich_help_panel=_JOB)
    ] = None,
    wait: Annotated[
        bool, typer.Option("--wait", help="Show progress until the job has ended.", rich_help_panel=_JOB)
    ] = False,
) -> None:
    """Print accuracy, UAR (mean recall), macro-F1, calibration and the apparent emotions; needs no TensorFlow.

    A picture in which no face is found counts as wrong; one that cannot be read is listed and not counted.

    Example: [bold]mien evaluate faces/ --report report[/bold]

    Example: [bold]mien evaluate ferplus.npz --split test --json[/bold]

    Example: [bold]mien evaluate ferplus.npz --prior everyday[/bold]

    Example: [bold]mien evaluate faces.csv --enqueue --out report --wait[/bold]
    """
    from mien.errors import InputError, SettingsError
    from mien.logs import configure_logs
    from mien.prior import parsed
    from mien.settings import load_settings
    from models.evaluation.measure import EvaluationRequest, chosen_part
    from models.labelled.data import read_labelled

    settings = load_settings(
        weights=weights,
        runtime=runtime and runtime.value,
        threads=threads,
        emotion_prior=None if prior is None else parsed(prior),
    )
    configure_logs("debug" if settings.log_level == "debug" else "warning", settings.log_format)
    if enqueue and (tta or corruptions or record or report):
        raise SettingsError("a job measures faces as they are, and writes its report to --out: use --enqueue alone")
    if enqueue and prior is not None:
        raise SettingsError("a job answers under the emotion_prior of its workers' settings: leave --prior out")
    if (out or wait) and not enqueue:
        raise SettingsError("--out and --wait are for jobs: add --enqueue, or use --report")
    if record and tta:
        raise InputError("figures of test-time augmentation are not those of the weights: leave --tta or --record out")
    wanted = EvaluationRequest(split.value if split else None, crops, tta, corruptions)
    labelled = chosen_part(read_labelled(data, settings.photo_max_pixels, settings.smallest_face_px), wanted)
    if enqueue:
        _enqueue(labelled, wanted, settings, out, wait, as_json)
    else:
        _measure(labelled, wanted, settings, report, record, as_json)


def _measure(
    data: LabelledData, wanted: EvaluationRequest, settings: Settings, report: Path | None, record: bool, as_json: bool
) -> None:
    from cli.views.figures import PictureProgress, print_figures
    from mien.jobs.outputs import REPORT
    from models.evaluation.evaluate import with_figures
    from models.evaluation.measure import measure, recorded
    from models.evaluation.report import prepare_folder, write_report
    from models.nets import weights as weights_file

    if report is not None:
        prepare_folder(report)
    with PictureProgress(len(data)) as progress:
        evaluation = measure(data, wanted, settings, progress.show)
    if record:
        source = settings.weights or weights_file.default_path()
        kept = recorded(evaluation.figures)
        split = evaluation.figures["split"]
        weights_file.save(with_figures(weights_file.load(source), split, kept), source)
    if report is not None:
        write_report(evaluation, report)
    print_figures(evaluation.figures, as_json=as_json)
    if report is not None and not as_json:
        typer.echo(f"report: {report / REPORT}")


def _enqueue(
    data: LabelledData, wanted: EvaluationRequest, settings: Settings, out: Path | None, wait: bool, as_json: bool
) -> None:
    from cli.views.figures import print_figures
    from cli.views.jobs import follow, print_json
    from mien.jobs.jobs import Jobs
    from mien.jobs.outputs import REPORT
    from worker.jobs.evaluation import figures_in, inputs_of, options_of

    jobs = Jobs.from_settings(settings)
    items = inputs_of(data)
    jobs.ping()
    name = Path(data.source).name or data.source
    view = jobs.enqueue("evaluation", items, name=name, out=out, options=options_of(data, wanted))
    if wait:
        view = follow(jobs, view, quiet=True)
    figures = figures_in(view.out) if view.state == "done" else None
    if as_json:
        print_json({**view.to_report(jobs.failures(view)), "figures": figures})
    elif not wait:
        typer.echo(f"job {view.id}: {view.inputs} pictures queued; `mien jobs show {view.id}` says how far it is")
    elif figures is None:
        typer.echo(f"job {view.id} is {view.state}: {view.reason}")
    else:
        print_figures(figures, as_json=False)
        typer.echo(f"report: {view.out / REPORT}")
    raise typer.Exit(view.exit_code if wait else 0)
