"""How a training looks in a terminal, or in a log file."""

from __future__ import annotations

import math
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from models.training.plan import EpochReport, Tick


class TrainingView:
    """A bar with the time left in a terminal; everywhere a line for each epoch."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.percentage:>5.1f} %"),
            TimeElapsedColumn(),
            TextColumn("{task.fields[left]}"),
            console=console,
            disable=not console.is_terminal,
        )
        self._task = self._progress.add_task("reading data", total=1.0, left="")
        self._first: Tick | None = None
        self._name = ""

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def begin(self, name: str) -> None:
        """Start the bar anew for the next of several trainings."""
        self._name, self._first = f"{name}, ", None
        self._progress.reset(self._task, description=name)

    def show(self, event: EpochReport | Tick) -> None:
        """Draw what the training says."""
        if isinstance(event, EpochReport):
            self._console.print(f"{self._name}{line_of(event)}", soft_wrap=True, highlight=False)
            return
        self._first = self._first or event
        left = f"{minutes_left(self._first, event):.0f} min left"
        text = f"{self._name}epoch {event.epoch + 1}, loss {event.train_loss:.3f}"
        self._progress.update(self._task, completed=event.part, description=text, left=left)


def line_of(report: EpochReport) -> str:
    """Return an epoch as one line."""
    concordance = "" if math.isnan(report.ccc) else f", CCC of valence and arousal {report.ccc:.3f}"
    return (
        f"epoch {report.epoch + 1}: {report.minutes:.1f} min, {report.samples_per_s:.0f} faces/s, "
        f"loss {report.train_loss:.3f}, validation: accuracy {report.accuracy:.4f}, "
        f"macro-F1 {report.macro_f1:.4f}, nll {report.nll:.3f}{concordance}"
    )


def minutes_left(first: Tick, now: Tick) -> float:
    """Return the minutes to go, at the pace since `first` (a resumed run starts in the middle)."""
    done = now.part - first.part
    if done <= 0:
        return float("inf")
    return (now.minutes - first.minutes) * (1.0 - now.part) / done
