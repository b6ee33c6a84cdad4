"""The table of a video: a row for each face in each frame, as CSV or Parquet, written and read row by row."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from mien.errors import InputError, RuntimeMissing
from mien.files import atomic_file
from mien.formats import JOB_FORMATS
from mien.types import EMOTIONS, UNCERTAIN, BaselineState, BaselineUse, Face, VaSource
from worker.reports.rows import Cell, columns_of, write_csv, write_parquet

LABELS: tuple[str, ...] = (*EMOTIONS, UNCERTAIN)
"""The nine labels that a face can have over time, in the order of every chart."""

STATES: tuple[BaselineState, ...] = get_args(BaselineState)
"""What the baseline of a face may be."""

COLUMNS = (
    "frame",
    "seconds",
    "track",
    "x",
    "y",
    "width",
    "height",
    "emotion",
    "confidence",
    *EMOTIONS,
    "valence",
    "arousal",
    "baseline",
    *(f"raw_{name}" for name in EMOTIONS),
)
"""A row for each face in each frame. The box is in pixels of the upright frame; `emotion` and `confidence` are the
label over time, the eight columns behind them the smoothed probabilities from which it was decided, with the personal
baseline where `baseline` is `known`. The last eight are what the net says of the frame alone, without it."""

FORMATS = tuple(f".{form}" for form in JOB_FORMATS["video"])
"""How a table's file may end."""

_ROWS_AT_ONCE = 16_384
_TABLE = columns_of(COLUMNS, frame="whole", track="word", emotion="word", baseline="word")


@dataclass(frozen=True, slots=True)
class Sighting:
    """One face in one frame of a video.

    `frame` is the frame's number in the video, from 0; `seconds` its presentation time, from the video's first frame.
    `track` is "1", "2", … in order of appearance in this video, and never an identity.
    """

    frame: int
    seconds: float
    track: str
    face: Face

    @property
    def label(self) -> str:
        """The apparent emotion over time; the frame's own where nothing was smoothed."""
        return self.face.label or self.face.emotion

    @property
    def confidence(self) -> float:
        """The confidence of `label`."""
        return self.face.label_confidence if self.face.label else self.face.confidence

    @property
    def probabilities(self) -> tuple[float, ...]:
        """Eight probabilities in the order of `EMOTIONS`: smoothed over time, or the frame's own."""
        return self.face.probabilities if self.face.smoothed is None else self.face.smoothed


@dataclass(frozen=True, slots=True)
class VideoFacts:
    """What reports need to know of a video: `path` as people gave it, the upright size in pixels, and its length.

    `frames` and `seconds` are what the container was found to hold, `analysed` is how many of the frames were
    analysed (all, or every n-th). `va_source` says where valence and arousal come from, `baseline` whether
    personal baselines were asked for.
    """

    path: str
    width: int
    height: int
    frames: int
    seconds: float
    fps: float
    analysed: int
    va_source: VaSource = "projected"
    baseline: BaselineUse = "off"

    @property
    def step(self) -> int:
        """Every how many frames one was analysed."""
        return max(1, round(self.frames / self.analysed)) if self.analysed else 1

    @property
    def period_s(self) -> float:
        """Seconds from one analysed frame to the next, in the mean."""
        if self.analysed and self.seconds > 0:
            return self.seconds / self.analysed
        return self.step / self.fps if self.fps > 0 else 0.04


def write_table(sightings: Iterable[Sighting], path: Path) -> None:
    """Write a `.csv` or `.parquet` with `COLUMNS`, the same numbers in both; it is there whole or not at all.

    Rows are written as they come, so that memory does not grow with the video. Raises InputError for another ending,
    RuntimeMissing when Parquet is wanted and pyarrow is not installed, OSError when the file cannot be written.
    """
    kind = _format_of(path)
    rows = map(values_of, sightings)
    with atomic_file(path) as file:
        if kind == ".csv":
            write_csv(file, COLUMNS, rows)
        else:
            write_parquet(file, _TABLE, rows, _ROWS_AT_ONCE)


def read_table(path: Path) -> Iterator[Sighting]:
    """Yield the sightings of a table that `write_table` wrote, row by row.

    A table holds the label over time: it comes back as the frame's own too, as do the smoothed probabilities of a table
    that has no raw ones, as older ones have not. Raises InputError for anything that is not such a table,
    RuntimeMissing without pyarrow.
    """
    rows = _read_csv(path) if _format_of(path) == ".csv" else _read_parquet(path)
    number = 0
    try:
        for number, row in enumerate(rows, 1):  # noqa: B007 - named in the error
            yield _sighting(row)
    except (KeyError, TypeError, ValueError, csv.Error) as error:
        raise InputError(f"{path} is not a timeline (row {number}: {error}): `mien video` writes one") from error
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}") from error


def _format_of(path: Path) -> str:
    if path.suffix not in FORMATS:
        raise InputError(f"a timeline is written as {' or '.join(FORMATS)}, and {path.name} ends otherwise")
    return path.suffix


def values_of(sighting: Sighting) -> tuple[Cell, ...]:
    """Return the row of a sighting, in the order of `COLUMNS`; rounded here, so that every format holds the same."""
    x, y, width, height = sighting.face.box
    return (
        sighting.frame,
        round(sighting.seconds, 6),
        sighting.track,
        round(x, 2),
        round(y, 2),
        round(width, 2),
        round(height, 2),
        sighting.label,
        round(sighting.confidence, 6),
        *(round(share, 6) for share in sighting.probabilities),
        round(sighting.face.valence, 4),
        round(sighting.face.arousal, 4),
        sighting.face.baseline,
        *(round(share, 6) for share in sighting.face.probabilities),
    )


def _sighting(row: Mapping[str, str | int | float]) -> Sighting:
    shares = tuple(float(row[name]) for name in EMOTIONS)
    label, confidence = str(row["emotion"]), float(row["confidence"])
    if label not in LABELS:
        raise ValueError(f"unknown emotion {label!r}")
    state = str(row.get("baseline", "none"))
    if state not in STATES:
        raise ValueError(f"unknown state of a baseline {state!r}")
    own = tuple(float(row[f"raw_{name}"]) for name in EMOTIONS) if "raw_happy" in row else shares
    face = Face(
        box=(float(row["x"]), float(row["y"]), float(row["width"]), float(row["height"])),
        emotion=label,
        confidence=confidence,
        probabilities=own,
        valence=float(row["valence"]),
        arousal=float(row["arousal"]),
        track=str(row["track"]),
        smoothed=shares,
        label=label,
        label_confidence=confidence,
        baseline=STATES[STATES.index(state)],
    )
    return Sighting(int(row["frame"]), float(row["seconds"]), str(row["track"]), face)


def _read_csv(path: Path) -> Iterator[Mapping[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        yield from csv.DictReader(file, strict=True)


def _read_parquet(path: Path) -> Iterator[Mapping[str, str | int | float]]:
    try:
        from pyarrow import parquet
    except ImportError as error:
        raise RuntimeMissing("reading Parquet needs pyarrow: install mien[parquet]") from error
    with path.open("rb") as file, parquet.ParquetFile(file) as table:
        for batch in table.iter_batches(_ROWS_AT_ONCE):
            yield from batch.to_pylist()
