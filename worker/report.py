"""The results of a photo job: one JSON with everything, one CSV with a row for each face."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, cast

from mien.jobfiles import Entry, atomic_file
from mien.jobview import Tally
from mien.types import EMOTIONS

COLUMNS = (
    "path",
    "face",
    "x",
    "y",
    "width",
    "height",
    "emotion",
    "confidence",
    *EMOTIONS,
    "valence",
    "arousal",
    "reason",
)
"""A row for each face, `face` counting from 1 in each picture, box in pixels of the picture.

A picture without faces has one row with `face` 0 and nothing behind it; an input that failed has one row with
`face` empty and its `reason`.
"""


def write_results(job_id: str, out: Path, total: Tally, entries: Callable[[], Iterable[Entry]]) -> None:
    """Write `results.csv` and `results.json` to `out`.

    `entries` gives all entries in the order of the inputs, each time it is called, so that they need not be in memory
    at once. Each file replaces an older one only when it is whole. Raises OSError when they cannot be written.
    """
    with atomic_file(out / "results.csv") as file:
        text = io.TextIOWrapper(cast(BinaryIO, file), "utf-8", errors="backslashreplace", newline="")
        rows = csv.writer(text, lineterminator="\n")
        rows.writerow(COLUMNS)
        for entry in entries():
            rows.writerows(_rows(entry))
        text.detach()  # flushes, and leaves the file open
    with atomic_file(out / "results.json") as file:
        for piece in _document(job_id, total, entries()):
            file.write(piece.encode())


def _rows(entry: Entry) -> Iterator[list[object]]:
    empty = [""] * (len(COLUMNS) - 3)
    if "reason" in entry:
        yield [entry["path"], "", *empty, entry["reason"]]
    elif not entry["faces"]:
        yield [entry["path"], 0, *empty, ""]
    else:
        for number, face in enumerate(entry["faces"], 1):
            yield [entry["path"], number, *_columns(face), ""]


def _columns(face: dict[str, Any]) -> list[object]:
    probabilities = [face["probabilities"][name] for name in EMOTIONS]
    return [*face["box"], face["emotion"], face["confidence"], *probabilities, face["valence"], face["arousal"]]


def _document(job_id: str, total: Tally, entries: Iterable[Entry]) -> Iterator[str]:
    """Yield `{job, inputs, done, failed, failures, pictures}` piece by piece."""
    head = {
        "job": job_id,
        "inputs": total.done + total.failed,
        "done": total.done,
        "failed": total.failed,
        "failures": [failure.to_dict() for failure in total.failures],
    }
    yield json.dumps(head, indent=1)[:-2] + ',\n "pictures": ['
    separator = "\n  "
    for entry in entries:
        if "reason" not in entry:
            yield separator + json.dumps(entry)
            separator = ",\n  "
    yield "\n ]\n}\n"
