"""What a video job can be asked for: checked the same for the command line and the dashboard."""

from __future__ import annotations

from collections.abc import Mapping

from mien.errors import JobError
from mien.jobs.request import Option

TABLE_FORMATS = ("csv", "parquet")
MOST_EVERY = 10_000


def video_options(*, every: int = 1, annotate: bool = True, formats: str = "csv") -> Mapping[str, Option]:
    """Return the options of a video job; `formats` are names with commas between them.

    Raises JobError for a number or a format that cannot be used.
    """
    if not 1 <= every <= MOST_EVERY:
        raise JobError(f"every {every}th frame cannot be analysed: a number from 1 to {MOST_EVERY} is wanted")
    names = [name.strip().lower() for name in formats.split(",") if name.strip()]
    unknown = [name for name in names if name not in TABLE_FORMATS]
    if unknown or not names:
        raise JobError(f"format {(unknown or [formats])[0][:40]!r} is not known: {' or '.join(TABLE_FORMATS)}")
    return {"every": every, "annotate": annotate, "formats": [name for name in TABLE_FORMATS if name in names]}
