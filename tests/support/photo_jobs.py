"""Photo jobs over files, as the command line asks for them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from mien.inputs.input import Input
from mien.jobs.jobs import Jobs
from mien.jobs.view import JobView


def enqueue_photos(
    jobs: Jobs,
    paths: Sequence[Path],
    *,
    name: str,
    out: Path | None = None,
    annotate: bool = True,
    job_id: str | None = None,
    labels: Sequence[str] | None = None,
) -> JobView:
    """Queue a job over picture files; `labels` are the names of uploads, without them the paths are."""
    names = labels if labels is not None else [str(path) for path in paths]
    items = [Input.of(str(path.absolute()), label) for path, label in zip(paths, names, strict=True)]
    return jobs.enqueue("photos", items, name=name, out=out, options={"annotate": annotate}, job_id=job_id)
