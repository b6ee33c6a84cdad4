"""Several backbones side by side: the same data, schedule and minutes, then what each is worth and what it costs."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from mien.errors import InputError
from mien.machine import Machine
from mien.settings import RuntimeName
from models.comparing.timing import RUNTIMES, times_of
from models.evaluation.report import prepare_folder, write_all
from models.training import checkpoint, conditions
from models.training.plan import Listener, TrainingPlan
from models.training.request import TrainingRequest
from models.training.run import Finished, choose_backend, start_arrays, train

TABLE_NAME, ROWS_NAME, PLOT_NAME = "comparison.md", "comparison.csv", "comparison.png"


@dataclass(frozen=True, slots=True)
class Row:
    """One backbone: figures on validation, size, and milliseconds a face by runtime (None where it does not run).

    `passes` is how often the training saw the data in its minutes. `file_mb` are millions of bytes. `fits` says whether
    `faces` faces take no longer than the budget in the fastest runtime.
    """

    backbone: str
    input_size: int
    passes: float
    accuracy: float
    macro_f1: float
    ece: float
    parameters: int
    file_mb: float
    ms_a_face: Mapping[RuntimeName, float | None]
    fits: bool

    @property
    def worth(self) -> tuple[str, ...]:
        """Input, passes, accuracy, macro-F1, calibration error and parameters as a table shows them."""
        return (
            f"{self.input_size} px",
            f"{self.passes:.1f}",
            f"{self.accuracy:.2%}",
            f"{self.macro_f1:.3f}",
            f"{self.ece:.3f}",
            f"{self.parameters / 1e6:.1f} M",
        )

    @property
    def costs(self) -> tuple[str, ...]:
        """Size of the file, milliseconds in each of RUNTIMES, and whether it fits, as a table shows them."""
        times = (self.ms_a_face[name] for name in RUNTIMES)
        in_words = ("–" if ms is None else f"{ms:.2f}" for ms in times)
        return (f"{self.file_mb:.1f} MB", *in_words, "yes" if self.fits else "no")

    @property
    def fastest_ms(self) -> float:
        """Milliseconds a face in the fastest runtime."""
        return min(ms for ms in self.ms_a_face.values() if ms is not None)


@dataclass(frozen=True, slots=True)
class Comparison:
    """The rows, in the order of the backbones, and under which conditions they came about."""

    rows: tuple[Row, ...]
    minutes_each: float
    faces: int
    budget_ms: float
    machine: str

    @property
    def best(self) -> Row | None:
        """The most accurate inside the budget; None when none is."""
        inside = [row for row in self.rows if row.fits]
        return max(inside, key=lambda row: row.accuracy) if inside else None

    def to_markdown(self) -> str:
        """Return the table and a sentence on how it came about."""
        runtimes = list(RUNTIMES)
        heads = ["backbone", "input", "passes", "accuracy", "macro-F1", "ECE", "parameters", "file"]
        heads += [f"{name}, ms a face" for name in runtimes] + [f"{self.faces} faces in {self.budget_ms:g} ms"]
        lines = ["| " + " | ".join(heads) + " |", "|" + "---|" * len(heads)]
        for row in self.rows:
            lines.append("| " + " | ".join((row.backbone, *row.worth, *row.costs)) + " |")
        return "\n".join([*lines, "", self.sentence("**"), ""])

    def sentence(self, mark: str = "") -> str:
        """Return how it came about and which is the best, its name between two `mark`."""
        best = self.best
        chosen = f"The best inside the budget is {mark}{best.backbone}{mark}." if best else "None fits the budget."
        return f"{self.minutes_each:g} minutes of training each on {self.machine}; figures on validation. {chosen}"

    def to_csv(self) -> str:
        """Return the rows as CSV with a heading."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(
            ["backbone", "input_size", "passes", "accuracy", "macro_f1", "ece", "parameters", "file_mb"]
            + [f"{name}_ms_a_face" for name in RUNTIMES]
            + ["fits"]
        )
        for row in self.rows:
            times = ["" if row.ms_a_face[name] is None else row.ms_a_face[name] for name in RUNTIMES]
            figures = [round(row.passes, 2), row.accuracy, row.macro_f1, row.ece, row.parameters, row.file_mb]
            writer.writerow([row.backbone, row.input_size, *figures, *times, row.fits])
        return text.getvalue()


def compare(
    data: Path,
    backbones: Sequence[str],
    wanted: TrainingRequest,
    plan: TrainingPlan,
    folder: Path,
    listen: Callable[[str], Listener],
    faces: int = 3,
    budget_ms: float = 40.0,
) -> Iterator[Comparison]:
    """Train and measure one backbone after the other, all else as `wanted`, and yield the comparison so far after each.

    Each has its own folder below `folder`; what is done there already is not done again, so that a comparison that was
    stopped goes on, also with more backbones. Before the first training it is seen to that all can be trained and
    written. Raises what a training raises, and InputError when a backbone is named twice, when `folder` holds a
    comparison on other data or with other options, and when it cannot be written.
    """
    if len(set(backbones)) < len(backbones):
        raise InputError(f"a backbone is named twice in {', '.join(backbones)}: once is enough")
    several = [replace(wanted, backbone=backbone) for backbone in backbones]
    parameters = _need_nets(several)
    shared = conditions.conditions_of(data, wanted, plan)
    # What versions before this one left cannot be told to differ.
    conditions.need_same(folder, shared, "comparison", without_record=True)
    _need_folder(folder, backbones, parameters)
    conditions.record(folder, shared)
    rows: list[Row] = []
    for each in several:
        home = folder / each.backbone
        finished = train(data, each, replace(plan), home, each.backbone, True, listen(each.backbone))
        rows.append(measure(finished, faces, budget_ms))
        yield Comparison(tuple(rows), plan.minutes, faces, budget_ms, machine())


def write(comparison: Comparison, folder: Path) -> None:
    """Write table, rows and plot; each replaces an older one when it is whole. Raises InputError when it cannot."""
    write_all(folder, {TABLE_NAME: comparison.to_markdown().encode(), ROWS_NAME: comparison.to_csv().encode()})
    scatter(comparison, folder / PLOT_NAME)


def measure(finished: Finished, faces: int, budget_ms: float) -> Row:
    """Return the row of a training: its figures on validation, and its time in each runtime, one thread."""
    weights = finished.weights
    figures = weights.figures["validation"]
    times = times_of(finished.path, faces)
    quickest = min(ms for ms in times.values() if ms is not None)
    return Row(
        backbone=weights.name,
        input_size=weights.input_size,
        passes=finished.passes,
        accuracy=figures["accuracy"],
        macro_f1=figures["macro_f1"],
        ece=figures["ece"],
        parameters=finished.parameters,
        file_mb=round(finished.path.stat().st_size / 1e6, 2),
        ms_a_face=times,
        fits=quickest * faces <= budget_ms,
    )


def scatter(comparison: Comparison, path: Path) -> None:
    """Write a plot of accuracy against milliseconds a face, the budget as a line. Raises InputError when it cannot."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.2, 4.5), layout="constrained", dpi=150)
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    budget = comparison.budget_ms / comparison.faces
    axes.axvspan(budget, budget * 1e3, color="0.93", zorder=0)
    axes.axvline(budget, color="0.5", linewidth=1, linestyle="--")
    for row in comparison.rows:
        colour = "#1b7f4b" if row is comparison.best else "#30638e" if row.fits else "#b03a2e"
        axes.scatter(row.fastest_ms, 100 * row.accuracy, s=18 + 9 * row.parameters / 1e6, color=colour, alpha=0.85)
        axes.annotate(
            row.backbone, (row.fastest_ms, 100 * row.accuracy), (7, 5), textcoords="offset points", fontsize=8
        )
    slowest = max(row.fastest_ms for row in comparison.rows)
    axes.set(
        xscale="log",
        xlim=(min(row.fastest_ms for row in comparison.rows) / 1.6, max(slowest * 2.5, budget * 1.6)),
        xlabel=f"ms a face, one core, fastest runtime; dashed: {comparison.faces} faces in {comparison.budget_ms:g} ms",
        ylabel="validation accuracy, %",
        title=f"{comparison.minutes_each:g} minutes of training each; area: parameters",
    )
    axes.grid(alpha=0.25)
    drawn = io.BytesIO()
    figure.savefig(drawn, format="png")
    write_all(path.parent, {path.name: drawn.getvalue()})


def machine() -> str:
    """Return the machine in words: the cores that may be used, and the processor."""
    this = Machine.this()
    return f"{this.cores} {'core' if this.cores == 1 else 'cores'} ({this.cpu})"


def _need_nets(several: Sequence[TrainingRequest]) -> list[int]:
    """Return how many numbers each net holds. Raises what building a net, or reading what it starts from, raises."""
    choose_backend(several[0].backend)
    from models.training.backbones.nets import net_of

    parameters: list[int] = []
    for wanted in several:
        net = net_of(wanted.backbone, wanted.stem, wanted.size, wanted.heads)
        parameters.append(net.build().count_params())
        start_arrays(net, wanted.start)
    return parameters


def _need_folder(folder: Path, backbones: Sequence[str], parameters: Sequence[int]) -> None:
    """Make the folders. Raises InputError unless they, and the files of the comparison, can be written."""
    for place in (folder, *(folder / backbone for backbone in backbones)):
        prepare_folder(place)
    for name in (TABLE_NAME, ROWS_NAME, PLOT_NAME, conditions.CONDITIONS_NAME):
        if (folder / name).is_dir():
            raise InputError(f"{folder / name} cannot be written: it is a folder")
    # Each net keeps its checkpoint, but only one is written at a time, at most the largest.
    largest = max(parameters)
    checkpoint.need_space(folder, largest, runs=math.ceil(sum(parameters) / largest))
