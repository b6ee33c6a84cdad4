"""The files of a job's results: what each is called, and where it lies in the folder of results.

    photos       results.<format>, annotated/<number>-<name>.jpg
    video        results.csv and results.json over all videos; for each video a folder with `VIDEO_FILES`
    evaluation   `EVALUATION_FILES`

Whoever writes, serves or names such a file takes its name from here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType

from mien.formats import JOB_FORMATS, Format

ANNOTATED_FOLDER = "annotated"
ANNOTATED_VIDEO = "annotated.mp4"
TIMELINE_PLOT = "timeline.png"
REPORT = "report.html"
CONTACT_SHEET = "contact.jpg"
SUMMARY = "summary.json"
FIGURES = "evaluation.json"
PREDICTIONS = "predictions.csv"

OVERVIEW_FORMATS: tuple[Format, ...] = ("csv", "json")
"""How the table over all videos of a job is written."""

EVALUATION_PLOTS = ("confusion", "reliability", "coverage", "mistakes")

_PICTURE = re.compile(r"(\d+)-[\w.-]+\.jpg", re.ASCII)
_UNSAFE = re.compile(r"[^\w.-]+", re.ASCII)
_LONGEST_NAME = 80


def table_name(form: Format) -> str:
    """Return the name of the table over all inputs of a job, in a format."""
    return f"results.{form}"


def timeline_name(form: Format) -> str:
    """Return the name of the table of one video, in a format."""
    return f"timeline.{form}"


def plot_name(plot: str) -> str:
    """Return the name of a plot of an evaluation."""
    return f"{plot}.png"


def annotated_name(index: int, stem: str) -> str:
    """Return where the annotated picture of an input goes, below the results: its number from 1, a harmless stem."""
    return f"{ANNOTATED_FOLDER}/{index + 1}-{_harmless(stem) or 'picture'}.jpg"


def annotated_number(name: str) -> int | None:
    """Return the number of an annotated picture by its name in its folder; None for what is none."""
    found = _PICTURE.fullmatch(name)
    return int(found[1]) if found else None


def video_folder_name(index: int, stem: str, count: int) -> str:
    """Return the name of the folder of a video's results: after the video, with its number when there are several."""
    name = _harmless(stem).strip(".") or "video"
    return name if count == 1 else f"{index + 1}-{name}"


def _harmless(stem: str) -> str:
    return _UNSAFE.sub("_", stem)[:_LONGEST_NAME]


VIDEO_FILES = (
    ANNOTATED_VIDEO,
    *map(timeline_name, JOB_FORMATS["video"]),
    TIMELINE_PLOT,
    REPORT,
    CONTACT_SHEET,
    SUMMARY,
)
"""What lies in the folder of one video."""

EVALUATION_FILES = (FIGURES, PREDICTIONS, REPORT, *map(plot_name, EVALUATION_PLOTS))
"""What an evaluation gives."""

JOB_FILES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "photos": tuple(map(table_name, JOB_FORMATS["photos"])),
        "video": tuple(map(table_name, OVERVIEW_FORMATS)),
        "evaluation": EVALUATION_FILES,
    }
)
"""What lies in the folder of results itself, by kind of job."""

TABLES = tuple(dict.fromkeys((*JOB_FILES["photos"], *JOB_FILES["video"])))
"""The tables over all inputs of a job."""
