"""A job as people see it: its state, its progress, and which inputs failed."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, cast

from pydantic import Field

from mien.documents import Count, Document, Inner, Share, derived, digits
from mien.formats import Priority
from mien.jobs.request import JobKind

JobState = Literal["queued", "running", "done", "failed", "cancelled"]

FAILURES_KEPT = 1000
"""Failures that the broker keeps of a job; the job's folder and its results have all of them."""


@dataclass(frozen=True, slots=True)
class Failure(Document):
    """An input that could not be read: its path (or the name under which it was uploaded), and why."""

    path: str
    reason: str


@dataclass(frozen=True, slots=True)
class Tally:
    """How far one part of a job is, in absolute numbers, so that saying it twice changes nothing.

    `units`: work done and work known, where that is finer than inputs: frames of a video.
    """

    done: int = 0
    failed: int = 0
    faces: int = 0
    failures: tuple[Failure, ...] = ()
    units: tuple[int, int] = (0, 0)

    @property
    def numbers(self) -> tuple[int, int, int, int, int]:
        """The numbers that are summed: done, failed, faces, units done, units known."""
        return (self.done, self.failed, self.faces, *self.units)

    def to_report(self, job_id: str) -> dict[str, Any]:
        """Return the head of every document over the inputs of a job: how many there are, and which failed."""
        return {
            "job": job_id,
            "inputs": self.done + self.failed,
            "done": self.done,
            "failed": self.failed,
            "failures": [failure.to_dict() for failure in self.failures],
        }

    @classmethod
    def total(cls, tallies: Iterable[Tally]) -> Tally:
        """Return the sum of tallies; failures keep the order of the parts."""
        numbers = (0, 0, 0, 0, 0)
        failures: list[Failure] = []
        for tally in tallies:
            numbers = tuple(a + b for a, b in zip(numbers, tally.numbers, strict=True))  # type: ignore[assignment]
            failures.extend(tally.failures)
        done, failed, faces, known, units = numbers
        return cls(done, failed, faces, tuple(failures), (known, units))


@dataclass(frozen=True, slots=True)
class JobView(Document):
    """A job at one moment.

    `created`, `started` and `finished` are seconds since 1970. A job is `done` when its results are written, even if
    some inputs `failed`; then `inputs = done + failed`. It is `failed` when the job itself could not continue; `reason`
    says why. `failures` are the first ones, about `FAILURES_KEPT` at most; `Jobs.failures` has all of them. `out` is
    the folder of its results. `frames`: those of its videos that are done, and that are known. `earlier`: work that was
    done before `started`. `existed`: the job was there already when somebody asked for the same again.
    """

    id: str
    kind: JobKind
    state: JobState
    name: str
    created: float
    finished: float | None
    inputs: Count
    done: Count
    failed: Count
    faces: Count
    failures: Annotated[tuple[Failure, ...], Field(description="the first ones; /failures has all")]
    out: Path
    reason: str = ""
    frames: Inner[tuple[int, int]] = (0, 0)
    priority: Priority = "normal"
    started: float | None = None
    earlier: Inner[int] = 0
    existed: Inner[bool] = False

    @property
    def ended(self) -> bool:
        """Whether nothing will change any more, unless somebody retries the job."""
        return self.state in ("done", "failed", "cancelled")

    @property
    def exit_code(self) -> int:
        """What a command that waited for the job ends with: 0 when all inputs were read, else 1."""
        return 0 if self.state == "done" and not self.failed else 1

    @derived
    def unit(self) -> Literal["pictures", "frames"]:
        """What `work` counts."""
        return "frames" if self.kind == "video" else "pictures"

    @property
    def noun(self) -> str:
        """What the inputs are."""
        return "videos" if self.kind == "video" else "pictures"

    @property
    def work(self) -> tuple[int, int]:
        """Work done and work known, in `unit`s: frames of videos, pictures of all others."""
        return self.frames if self.kind == "video" else (self.done + self.failed, self.inputs)

    @derived
    def units_done(self) -> Count:
        """Work that is done."""
        return self.work[0]

    @derived
    def units(self) -> Count:
        """Work that is known."""
        return self.work[1]

    @derived
    def progress(self) -> Annotated[Share, digits(4)]:
        """How much is done, from 0 to 1; 1 only when the job is done."""
        if self.state == "done":
            return 1.0
        done, known = self.work
        return min(0.999, done / known) if known else 0.0

    @derived
    def eta_s(self) -> Annotated[float, digits(1)] | None:
        """How long the job will take from now on, in seconds; None when nobody knows."""
        return self.eta_from(time.time())

    def eta_from(self, now: float) -> float | None:
        """How long the job will take from `now` on (seconds since 1970) at its speed so far; None when nobody knows."""
        done, known = self.work
        if self.state != "running" or self.started is None or done <= self.earlier or now <= self.started:
            return None
        return (known - done) * (now - self.started) / (done - self.earlier)

    def to_report(self, failures: Sequence[Failure] | None = None) -> dict[str, Any]:
        """Return what `enqueue --wait --json` prints; `failures` are all of them, where the view has only some."""
        return {
            "job": self.id,
            "inputs": self.inputs,
            "done": self.done,
            "failed": self.failed,
            "failures": [failure.to_dict() for failure in (self.failures if failures is None else failures)],
            "out": str(self.out),
        }


def view_of(
    job_id: str, record: Mapping[bytes, bytes], failures: Mapping[bytes, bytes], *, existed: bool = False
) -> JobView:
    """Return the job that the broker stores as `record` and the failures of its parts."""
    fields = {key.decode(): os.fsdecode(value) for key, value in record.items()}
    numbers = {name: int(fields.get(name, 0)) for name in ("inputs", "done", "failed", "faces")}
    return JobView(
        id=job_id,
        kind=cast(JobKind, fields["kind"]),
        state=cast(JobState, fields["state"]),
        name=fields["name"],
        created=float(fields["created"]),
        finished=_time(fields.get("finished")),
        failures=tuple(_failures(failures)),
        out=Path(fields["out"]),
        reason=fields.get("reason", ""),
        frames=(int(fields.get("units_done", 0)), int(fields.get("units", 0))),
        priority=cast(Priority, fields.get("priority", "normal")),
        started=_time(fields.get("started")),
        earlier=int(fields.get("earlier", 0)),
        existed=existed,
        **numbers,
    )


def failures_to_json(failures: Sequence[Failure]) -> str:
    """Return failures as the broker keeps them."""
    return json.dumps([[failure.path, failure.reason] for failure in failures], separators=(",", ":"))


def _failures(parts: Mapping[bytes, bytes]) -> Iterator[Failure]:
    for _, text in sorted((_order(part), text) for part, text in parts.items()):
        yield from (Failure(str(path), str(reason)) for path, reason in json.loads(text))


def _order(part: bytes) -> tuple[int, str]:
    number, _, rest = part.decode().partition("-")
    return (int(number) if number.isdecimal() else -1, rest)


def _time(text: str | None) -> float | None:
    return float(text) if text else None
