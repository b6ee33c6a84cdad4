"""Requests for jobs over the API: checked completely before anything is queued."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import ConfigDict, Field

from dashboard.jobs.roots import check_inside, check_roots
from dashboard.jobs.uploads import Uploads, label_of
from dashboard.pool import in_pool
from mien.documents import Document, left_out_if
from mien.errors import InputError
from mien.formats import JOB_FORMATS, Format, Priority, check_priority
from mien.inputs.find import PICTURES, VIDEOS, find_inputs
from mien.inputs.input import Input
from mien.jobs.options import MOST_EVERY, check_job_options
from mien.jobs.request import Options
from mien.jobs.view import JobView
from mien.types import BaselineUse

if TYPE_CHECKING:
    from mien.jobs.jobs import Jobs

KINDS = tuple(JOB_FORMATS)
"""The kinds of job that can be made here: not evaluations, which need labelled pictures."""

_EXAMPLES = (
    'the body must be JSON like {"upload": "ID", "name": "TEXT"} or {"kind": "photos", "paths": ["/folder"]}, and may'
    ' have "priority" and "options"'
)


@dataclass(frozen=True, slots=True)
class JobOptions(Document):
    """What a job can be asked for beside its inputs."""

    annotate: Annotated[bool, left_out_if(True)] = True
    formats: Annotated[
        tuple[Format, ...],
        left_out_if(()),
        Field(description="; ".join(f"{kind}: {', '.join(names)}" for kind, names in JOB_FORMATS.items())),
    ] = ()
    every: Annotated[
        int,
        left_out_if(1),
        Field(description="video: every n-th frame", json_schema_extra={"minimum": 1, "maximum": MOST_EVERY}),
    ] = 1
    baseline: Annotated[
        BaselineUse,
        left_out_if("off"),
        Field(description="video: take what a face says at rest from all that it says"),
    ] = "off"


@dataclass(frozen=True, slots=True)
class NewJob(Document):
    """A job over an upload, or over files inside `job_roots`."""

    __pydantic_config__ = ConfigDict(
        json_schema_extra={"oneOf": [{"required": ["upload"]}, {"required": ["kind", "paths"]}]}
    )

    upload: Annotated[str, left_out_if("")] = ""
    kind: Annotated[str, left_out_if(""), Field(json_schema_extra={"enum": list(KINDS)})] = ""
    paths: Annotated[tuple[str, ...], left_out_if(())] = ()
    name: Annotated[str, left_out_if("")] = ""
    priority: Annotated[Priority, left_out_if("normal")] = "normal"
    options: Annotated[JobOptions, left_out_if(JobOptions())] = JobOptions()


_KEYS = {each.name for each in fields(NewJob)}


def job_from(
    body: Any, uploads: Uploads, roots: tuple[Path, ...], with_jobs: Callable[[Callable[[Jobs], JobView]], JobView]
) -> JobView:
    """Queue the job that the body of a request describes, over an upload or over files inside `roots`.

    `with_jobs` runs its argument with the jobs of this process.

    Raises InputError for a body that cannot be understood, NotFound for an upload that is not open, Refused for files
    outside `job_roots`, BrokerUnavailable.
    """
    if not isinstance(body, dict) or body.keys() - _KEYS or ("upload" in body) == ("paths" in body):
        raise InputError(_EXAMPLES)
    name, priority = _text(body, "name", ""), _text(body, "priority", "normal")
    check_priority(priority)
    if "upload" in body:
        upload = uploads.find(_text(body, "upload", ""))
        items, kind = uploads.items(upload), upload.kind
        if _text(body, "kind", kind) != kind:
            raise InputError(f"the upload makes a job of kind {kind}, not {str(body['kind'])[:50]!r}")
    else:
        upload, kind = None, _text(body, "kind", "")
        if kind not in KINDS:
            raise InputError(f"kind can be {', '.join(KINDS)}, not {kind[:50]!r}")
        items = in_pool(inputs_in_roots, kind, body["paths"], roots)
    options = options_of(kind, body.get("options", {}))
    job_id = upload.id if upload else None
    label = label_of(name) or _name_of(items)
    job = with_jobs(
        lambda jobs: jobs.enqueue(kind, items, name=label, options=options, priority=priority, job_id=job_id)
    )
    if upload:
        uploads.finish(upload)
    return job


def inputs_in_roots(kind: str, paths: object, roots: tuple[Path, ...]) -> list[Input]:
    """Return the inputs that paths on this machine mean; raises InputError, Refused."""
    if not isinstance(paths, list):
        raise InputError(f"paths must be a list of texts, not {str(paths)[:50]!r}")
    real = [str(path) for path in check_roots(paths, roots)]
    found = find_inputs(real, wanted=PICTURES if kind == "photos" else VIDEOS)
    return [check_inside(item, roots) for item in found.items]


def options_of(kind: str, options: object) -> Options:
    """Return the options of a job; raises InputError for one that its kind does not have."""
    if not isinstance(options, Mapping):
        raise InputError(f"options must be an object, not {str(options)[:50]!r}")
    return check_job_options(kind, options)


def _text(body: Mapping[str, Any], key: str, default: str) -> str:
    value = body.get(key, default)
    if not isinstance(value, str):
        raise InputError(f"{key} must be a text, not {str(value)[:50]!r}")
    return value


def _name_of(items: Sequence[Input]) -> str:
    first = label_of(items[0].label)
    return first if len(items) == 1 else f"{first} and {len(items) - 1} more"
