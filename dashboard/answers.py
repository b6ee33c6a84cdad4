"""Answers of the API other than cameras and jobs: lists, pages of lists, and small documents."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from dashboard.jobs.outputs import Output
from mien.documents import Count, Document, left_out_if
from mien.jobs.view import Failure, JobView
from mien.types import FrameResult

Following = Annotated[int | None, Field(description="where the next page begins; null at the end")]


@dataclass(frozen=True, slots=True)
class Results(Document):
    """Results of a camera, newest first."""

    results: tuple[FrameResult, ...]


@dataclass(frozen=True, slots=True)
class JobList(Document):
    """Jobs, newest first."""

    jobs: tuple[JobView, ...]


@dataclass(frozen=True, slots=True)
class Failures(Document):
    """Inputs that failed; `total` is how many there are in all."""

    failures: tuple[Failure, ...]
    total: Count
    next: Following


@dataclass(frozen=True, slots=True)
class PictureNames(Document):
    """Names of annotated pictures, in the order of their numbers."""

    pictures: tuple[str, ...]
    next: Following


@dataclass(frozen=True, slots=True)
class Outputs(Document):
    """Files of the results of a job."""

    outputs: tuple[Output, ...]


@dataclass(frozen=True, slots=True)
class OpenUpload(Document):
    """An upload that files can be added to, and how much it may hold."""

    id: str
    max_bytes: Count
    max_files: Count


@dataclass(frozen=True, slots=True)
class OpenCamera(Document):
    """A browser camera: its name, the token for its pictures, and how wide they should be at most."""

    name: str
    token: str
    max_width: Count


@dataclass(frozen=True, slots=True)
class Published(Document):
    """Whether a picture was published; false when others still wait."""

    published: bool


@dataclass(frozen=True, slots=True)
class Token(Document):
    """What goes into the header X-CSRFToken."""

    token: str


@dataclass(frozen=True, slots=True)
class Health(Document):
    """How the process does, why a broker does not answer, and why no results flow."""

    status: str
    bus: Annotated[str, left_out_if("")] = ""
    jobs: Annotated[str, left_out_if("")] = ""
    results: Annotated[str, left_out_if("")] = ""
