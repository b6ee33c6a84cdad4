"""The log of a run: a CSV line for each epoch, and the same for TensorBoard where it is installed."""

from __future__ import annotations

import csv
import math
from dataclasses import asdict
from pathlib import Path
from typing import Any

from models.training.plan import EpochReport

LOG_NAME = "log.csv"
TENSORBOARD_FOLDER = "tensorboard"


class RunLog:
    """Appends to the log in a run's folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._writer: Any = None

    def begin(self) -> None:
        """Forget what an earlier run wrote here."""
        (self._folder / LOG_NAME).unlink(missing_ok=True)

    def write(self, report: EpochReport) -> None:
        """Append one epoch."""
        path = self._folder / LOG_NAME
        row = asdict(report)
        # A log that an older version began goes on with the columns that it has.
        columns = _columns(path) or list(row)
        is_new = not path.exists()
        with path.open("a", newline="") as file:
            writer = csv.writer(file)
            if is_new:
                writer.writerow(columns)
            writer.writerow("" if math.isnan(row[name]) else round(row[name], 6) for name in columns)
        for name, value in row.items():
            if name not in ("epoch", "step") and not math.isnan(value):
                self._tensorboard().add_scalar(name, value, report.step)

    def close(self) -> None:
        """Flush what TensorBoard reads."""
        if self._writer is not None:
            self._writer.close()

    def _tensorboard(self) -> Any:
        if self._writer is None:
            from tensorboardX import SummaryWriter

            self._writer = SummaryWriter(str(self._folder / TENSORBOARD_FOLDER))
        return self._writer


def read(folder: Path) -> list[dict[str, float]]:
    """Return the epochs of a run's log, oldest first; nothing when there is none. An empty cell is NaN."""
    path = folder / LOG_NAME
    if not path.exists():
        return []
    with path.open(newline="") as file:
        return [{name: float(value or "nan") for name, value in row.items()} for row in csv.DictReader(file)]


def _columns(path: Path) -> list[str]:
    if not path.exists():
        return []
    with path.open(newline="") as file:
        return next(csv.reader(file), [])
