"""Several backbones side by side: the same data, schedule and minutes, then what each is worth and what it costs."""

from __future__ import annotations

import csv
import io
import os
import platform
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from mien.errors import InputError, RuntimeMissing
from models.runtime import RuntimeName, open_runtime
from models.training.plan import Listener, Plan
from models.training.run import Wanted, train
from models.weights import Weights

RUNTIMES: tuple[RuntimeName, ...] = ("openvino", "onnxruntime", "tensorflow")
RUNS = 15


@dataclass(frozen=True, slots=True)
class Row:
    """One backbone: figures on validation, size, and milliseconds a face by runtime (None where it does not run).

    `file_mb` are millions of bytes. `fits` says whether `faces` faces take no longer than the budget in the fastest
    runtime.
    """

    backbone: str
    input_size: int
    accuracy: float
    macro_f1: float
    ece: float
    parameters: int
    file_mb: float
    ms_a_face: Mapping[RuntimeName, float | None]
    fits: bool

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
        heads = ["backbone", "input", "accuracy", "macro-F1", "ECE", "parameters", "file"]
        heads += [f"{name}, ms a face" for name in runtimes] + [f"{self.faces} faces in {self.budget_ms:g} ms"]
        lines = ["| " + " | ".join(heads) + " |", "|" + "---|" * len(heads)]
        for row in self.rows:
            cells = [
                row.backbone,
                f"{row.input_size} px",
                f"{row.accuracy:.2%}",
                f"{row.macro_f1:.3f}",
                f"{row.ece:.3f}",
            ]
            cells += [f"{row.parameters / 1e6:.1f} M", f"{row.file_mb:.1f} MB"]
            cells += ["–" if row.ms_a_face[name] is None else f"{row.ms_a_face[name]:.2f}" for name in runtimes]
            cells += ["yes" if row.fits else "no"]
            lines.append("| " + " | ".join(cells) + " |")
        chosen = f"The best inside the budget is **{self.best.backbone}**." if self.best else "None fits the budget."
        conditions = f"{self.minutes_each:g} minutes of training each on {self.machine}; figures on validation."
        return "\n".join([*lines, "", f"{conditions} {chosen}", ""])

    def to_csv(self) -> str:
        """Return the rows as CSV with a heading."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(
            ["backbone", "input_size", "accuracy", "macro_f1", "ece", "parameters", "file_mb"]
            + [f"{name}_ms_a_face" for name in RUNTIMES]
            + ["fits"]
        )
        for row in self.rows:
            times = ["" if row.ms_a_face[name] is None else row.ms_a_face[name] for name in RUNTIMES]
            facts = [row.backbone, row.input_size, row.accuracy, row.macro_f1, row.ece, row.parameters, row.file_mb]
            writer.writerow([*facts, *times, row.fits])
        return text.getvalue()


def compare(
    data: Path,
    several: Sequence[Wanted],
    plan: Plan,
    folder: Path,
    listen: Callable[[str], Listener],
    faces: int = 3,
    budget_ms: float = 40.0,
) -> Iterator[Comparison]:
    """Train and measure one backbone after the other, and yield the comparison so far after each.

    Each has its own folder below `folder`; what is done there already is not done again, so that a comparison that was
    stopped goes on. Raises what a training raises, and InputError when a backbone is named twice.
    """
    names = [wanted.backbone for wanted in several]
    if len(set(names)) < len(names):
        raise InputError(f"a backbone is named twice in {', '.join(names)}: once is enough")
    rows: list[Row] = []
    for wanted in several:
        home = folder / wanted.backbone
        finished = train(data, wanted, replace(plan), home, wanted.backbone, True, listen(wanted.backbone))
        rows.append(measure(finished.weights, finished.path, finished.parameters, faces, budget_ms))
        yield Comparison(tuple(rows), plan.minutes, faces, budget_ms, machine())


def measure(weights: Weights, path: Path, parameters: int, faces: int, budget_ms: float) -> Row:
    """Return the row of a trained set of weights: its validation figures, and its time in each runtime, one thread."""
    figures = weights.figures["validation"]
    times = {name: _ms_a_face(weights, name, faces) for name in RUNTIMES}
    quickest = min(ms for ms in times.values() if ms is not None)
    return Row(
        backbone=weights.name,
        input_size=weights.input_size,
        accuracy=figures["accuracy"],
        macro_f1=figures["macro_f1"],
        ece=figures["ece"],
        parameters=parameters,
        file_mb=round(path.stat().st_size / 1e6, 2),
        ms_a_face=times,
        fits=quickest * faces <= budget_ms,
    )


def scatter(comparison: Comparison, path: Path) -> None:
    """Write a plot of accuracy against milliseconds a face, the budget as a line."""
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
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path)


def machine() -> str:
    """Return the machine in words: cores and processor."""
    name = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        models = [
            line.split(":", 1)[1].strip() for line in cpuinfo.read_text().splitlines() if line.startswith("model name")
        ]
        name = models[0] if models else name
    return f"{os.cpu_count()} cores ({name})"


def _ms_a_face(weights: Weights, runtime: RuntimeName, faces: int) -> float | None:
    """Return the median milliseconds a face in batches of `faces`, one thread; None where it cannot run."""
    from models.architecture import FAMILY

    if runtime == "tensorflow" and weights.variant not in FAMILY:
        return None  # rebuilt from named arrays, which only our own nets have
    try:
        opened = open_runtime(weights, runtime, threads=1)
    except RuntimeMissing:
        return None
    batch = np.random.default_rng(0).uniform(0, 255, (faces, weights.input_size, weights.input_size, 1))
    pictures, times = batch.astype(np.float32), []
    for _ in range(RUNS):
        start = time.perf_counter()
        opened.logits(pictures)
        times.append(time.perf_counter() - start)
    return round(1000 * float(np.median(times)) / faces, 3)
