"""Figures of a classifier as plots: pure functions from numbers to a matplotlib Figure, drawn without a display.

Nothing here touches pyplot, so that a worker may draw several at once. Needs matplotlib.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mien.errors import RuntimeMissing
from mien.pixels import Grey, Rgb
from mien.types import EMOTIONS
from models.evaluation.score import CALIBRATION_BINS, bins_of, calibration_error

try:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator
except ImportError as error:
    raise RuntimeMissing(f"reports need matplotlib ({error}): install mien[video] or mien[train]") from error

INK, FAINT, GRID = "#1f2933", "#7b8794", "#e4e7eb"
BLUE, ORANGE, RED = "#2f6f9f", "#d9822b", "#b23b3b"
DPI = 120
GALLERY_COLUMNS = 6
_SAID = {
    "train_loss": "loss in training",
    "nll": "negative log-likelihood, validation",
    "accuracy": "accuracy, validation",
    "macro_f1": "macro-F1, validation",
    "ccc": "CCC of valence and arousal, validation",
}


@dataclass(frozen=True, slots=True)
class Mistake:
    """A face that was classified wrongly: its picture, what people saw in it, what was predicted, and how surely."""

    crop: Rgb | Grey = field(repr=False)
    truth: str
    predicted: str
    confidence: float
    path: str


def confusion_matrix(confusion: NDArray[np.int64], missed: NDArray[np.int64] | None = None) -> Figure:
    """Draw counts [8, 8] of truth by row and prediction by column, coloured by their share of the row.

    `missed` [8], pictures without a face, becomes a last column when there are any.
    """
    columns = list(EMOTIONS)
    if missed is not None and missed.any():
        confusion, columns = np.column_stack([confusion, missed]), [*EMOTIONS, "no face"]
    totals = confusion.sum(axis=1, keepdims=True)
    shares = confusion / np.maximum(totals, 1)
    figure, axes = _figure(7.2, 6.2)
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    for row, column in np.ndindex(confusion.shape):
        if confusion[row, column]:
            ink = "white" if shares[row, column] > 0.55 else INK
            axes.text(column, row - 0.08, f"{confusion[row, column]:,}", ha="center", va="center", color=ink, size=9)
            axes.text(column, row + 0.25, f"{shares[row, column]:.0%}", ha="center", va="center", color=ink, size=7)
    names = [f"{name} ({total:,})" for name, total in zip(EMOTIONS, totals[:, 0], strict=True)]
    axes.set_xticks(range(len(columns)), columns, rotation=35, ha="right")
    axes.set_yticks(range(len(names)), names)
    axes.set_xlabel("predicted")
    axes.set_ylabel("people saw")
    axes.grid(visible=False)
    axes.set_title("Confusion: counts, and shares of each row", loc="left")
    return figure


def reliability(probabilities: NDArray[np.float64], labels: NDArray[np.int64]) -> Figure:
    """Draw how often faces are right (probabilities [N, 8], labels [N]) against how sure the classifier is."""
    confidence, correct = probabilities.max(axis=1), probabilities.argmax(axis=1) == labels
    places = bins_of(confidence)
    counts = np.bincount(places, minlength=CALIBRATION_BINS)
    accuracy = np.bincount(places, weights=correct, minlength=CALIBRATION_BINS) / np.maximum(counts, 1)
    middles = (np.arange(CALIBRATION_BINS) + 0.5) / CALIBRATION_BINS
    width = 0.9 / CALIBRATION_BINS
    figure, axes = _figure(6.2, 5.4, heights=(3, 1))
    upper, lower = axes
    used = counts > 0
    upper.bar(middles[used], accuracy[used], width, color=BLUE, label="right, of those")
    upper.plot([0, 1], [0, 1], color=ORANGE, linestyle="--", linewidth=1.4, label="as sure as it is right")
    upper.set_ylim(0, 1)
    upper.set_ylabel("accuracy")
    upper.legend(loc="upper left", frameon=False)
    error = calibration_error(confidence, correct) if len(labels) else 0.0
    upper.set_title(f"Reliability: expected calibration error {error:.3f}", loc="left")
    lower.bar(middles, counts, width, color=FAINT)
    lower.set_ylabel("faces")
    lower.set_xlabel("confidence")
    for part in axes:
        part.set_xlim(0, 1)
    upper.tick_params(labelbottom=False)
    return figure


def coverage_curve(points: Sequence[Mapping[str, float]], coverage: float, accuracy: float) -> Figure:
    """Draw accuracy against coverage as `figures.curve` gives it, and where the weights' own threshold lies."""
    figure, axes = _figure(6.2, 4.4)
    axes.plot(
        [point["coverage"] for point in points],
        [point["accuracy"] for point in points],
        color=BLUE,
        linewidth=2,
        marker="o",
        markersize=3.5,
    )
    if coverage:
        axes.plot([coverage], [accuracy], "o", color=ORANGE, markersize=9)
        # Towards the middle of the plot, so that the words stay inside.
        side, x = ("right", -10) if coverage > 0.35 else ("left", 10)
        words = f"threshold of the weights:\n{coverage:.0%} get a name, {accuracy:.1%} right"
        axes.annotate(
            words,
            (coverage, accuracy),
            xytext=(x, -12),
            textcoords="offset points",
            ha=side,
            va="top",
            color=INK,
            size=9,
        )
    axes.set_xlim(0, 1.02)
    least = min([point["accuracy"] for point in points] + [accuracy or 1.0], default=0.0)
    axes.set_ylim(max(0.0, min(least - 0.12, 0.85)), 1.01)
    axes.set_xlabel("coverage: part of the pictures that get a name, the surest first")
    axes.set_ylabel("accuracy among them")
    axes.set_title("Reject option: fewer names, more of them right", loc="left")
    return figure


def learning_curves(epochs: Sequence[Mapping[str, float]]) -> Figure:
    """Draw a training, epoch by epoch: `train_loss` and `nll` above, `accuracy` and `macro_f1` below.

    The rows are those of a run's log; all but the first figure are of validation. `ccc` is drawn where there is one.
    """
    figure, axes = _figure(6.8, 5.6, heights=(1, 1))
    x = [row["epoch"] + 1 for row in epochs]
    for part, names in zip(axes, (("train_loss", "nll"), ("accuracy", "macro_f1")), strict=True):
        for name, colour in zip(names, (FAINT, BLUE) if part is axes[0] else (BLUE, ORANGE), strict=True):
            part.plot(x, [row[name] for row in epochs], color=colour, linewidth=1.8, label=_SAID[name])
        if part is axes[1] and any(np.isfinite(row.get("ccc", np.nan)) for row in epochs):
            part.plot(x, [row["ccc"] for row in epochs], color=FAINT, linewidth=1.8, label=_SAID["ccc"])
        part.legend(frameon=False, loc="best")
    if epochs:
        best = max(epochs, key=lambda row: row["accuracy"])
        axes[1].plot([best["epoch"] + 1], [best["accuracy"]], "o", color=BLUE, markersize=7)
        axes[1].set_title(f"best accuracy {best['accuracy']:.2%} in epoch {best['epoch'] + 1:.0f}", loc="left", size=10)
    axes[0].set_title("Training", loc="left")
    axes[0].set_ylabel("nats")
    axes[1].set_xlabel("epoch")
    axes[1].xaxis.set_major_locator(MaxNLocator(integer=True))
    axes[0].sharex(axes[1])
    axes[0].tick_params(labelbottom=False)
    return figure


def gallery(mistakes: Sequence[Mistake]) -> Figure:
    """Draw faces that were classified wrongly, the surest mistakes first."""
    rows = max(1, -(-len(mistakes) // GALLERY_COLUMNS))
    figure = Figure(figsize=(10.2, 2.15 * rows + 0.5), dpi=DPI, layout="constrained", facecolor="white")
    FigureCanvasAgg(figure)
    figure.suptitle("Mistakes that the classifier is surest of", x=0.01, ha="left", color=INK, size=12)
    grid = figure.subplots(rows, GALLERY_COLUMNS, squeeze=False)
    for place, axes in enumerate(grid.flat):
        axes.set_axis_off()
        if place < len(mistakes):
            mistake = mistakes[place]
            axes.imshow(mistake.crop, cmap="gray" if mistake.crop.ndim == 2 else None, vmin=0, vmax=255)
            axes.set_title(
                f"{mistake.truth}\nclassified as {mistake.predicted} {mistake.confidence:.0%}", size=9, color=INK
            )
    return figure


def png_of(figure: Figure) -> bytes:
    """Return a figure as PNG."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", metadata={"Software": None})
    return buffer.getvalue()


def _figure(width: float, height: float, heights: tuple[int, ...] = ()) -> tuple[Figure, Any]:
    """Return a figure of some inches with one axes, or one above the other."""
    figure = Figure(figsize=(width, height), dpi=DPI, layout="constrained", facecolor="white")
    FigureCanvasAgg(figure)
    if heights:
        axes = figure.subplots(len(heights), 1, height_ratios=heights)
        for part in axes:
            _plain(part)
        return figure, axes
    single = figure.subplots()
    _plain(single)
    return figure, single


def _plain(axes: Any) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(FAINT)
    axes.tick_params(colors=INK, labelsize=9, color=FAINT)
    axes.grid(color=GRID, linewidth=0.8)
    axes.set_axisbelow(True)
