"""What is known of a job: its state, how far it is, and which inputs failed."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast

JobState = Literal["queued", "running", "done", "failed", "cancelled"]


@dataclass(frozen=True, slots=True)
class Failure:
    """An input that could not be read: its path (or the name under which it was uploaded), and why."""

    path: str
    reason: str

    def to_dict(self) -> dict[str, str]:
        """Return the failure as JSON types."""
        return {"path": self.path, "reason": self.reason}


@dataclass(frozen=True, slots=True)
class Tally:
    """How far one chunk of a job is, in absolute numbers, so that saying it twice changes nothing."""

    done: int = 0
    failed: int = 0
    faces: int = 0
    failures: tuple[Failure, ...] = ()

    def to_json(self) -> str:
        """Return the tally as the broker keeps it."""
        failures = [[failure.path, failure.reason] for failure in self.failures]
        return json.dumps([self.done, self.failed, self.faces, failures], separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str | bytes) -> Tally:
        """Read what `to_json` wrote; raises ValueError on anything else."""
        done, failed, faces, failures = json.loads(text)
        return cls(int(done), int(failed), int(faces), tuple(Failure(str(path), str(why)) for path, why in failures))

    @classmethod
    def total(cls, tallies: Iterable[Tally]) -> Tally:
        """Return the sum of tallies; failures keep the order of the chunks."""
        done = failed = faces = 0
        failures: list[Failure] = []
        for tally in tallies:
            done, failed, faces = done + tally.done, failed + tally.failed, faces + tally.faces
            failures.extend(tally.failures)
        return cls(done, failed, faces, tuple(failures))


@dataclass(frozen=True, slots=True)
class JobView:
    """A job at one moment.

    `created` and `finished` are seconds since 1970. A job is `done` when its results are written, even if some
    inputs `failed`; then `inputs = done + failed`. It is `failed` when the job itself could not go on, which
    `reason` explains. `out` is the folder of its results.
    """

    id: str
    kind: str
    state: JobState
    name: str
    created: float
    finished: float | None
    inputs: int
    done: int
    failed: int
    faces: int
    failures: tuple[Failure, ...]
    out: Path
    reason: str = ""

    @property
    def ended(self) -> bool:
        """Whether nothing will change any more, unless somebody retries the job."""
        return self.state in ("done", "failed", "cancelled")

    @property
    def exit_code(self) -> int:
        """What a command that waited for the job ends with: 0 when all inputs were read, else 1."""
        return 0 if self.state == "done" and not self.failed else 1

    def to_dict(self) -> dict[str, Any]:
        """Return the job as JSON types."""
        return {
            "id": self.id,
            "kind": self.kind,
            "state": self.state,
            "reason": self.reason,
            "name": self.name,
            "created": self.created,
            "finished": self.finished,
            "inputs": self.inputs,
            "done": self.done,
            "failed": self.failed,
            "faces": self.faces,
            "failures": [failure.to_dict() for failure in self.failures],
            "out": str(self.out),
        }

    def to_report(self) -> dict[str, Any]:
        """Return what `enqueue --wait --json` prints."""
        return {
            "job": self.id,
            "inputs": self.inputs,
            "done": self.done,
            "failed": self.failed,
            "failures": [failure.to_dict() for failure in self.failures],
            "out": str(self.out),
        }


def view_of(job_id: str, record: Mapping[bytes, bytes], chunks: Sequence[tuple[int, bytes]]) -> JobView:
    """Return the job that the broker stores as `record` and (number of chunk, tally) pairs."""
    fields = {key.decode(): os.fsdecode(value) for key, value in record.items()}
    total = Tally.total(Tally.from_json(text) for _, text in sorted(chunks))
    finished = fields.get("finished", "")
    return JobView(
        id=job_id,
        kind=fields["kind"],
        state=cast(JobState, fields["state"]),
        name=fields["name"],
        created=float(fields["created"]),
        finished=float(finished) if finished else None,
        inputs=int(fields["inputs"]),
        done=total.done,
        failed=total.failed,
        faces=total.faces,
        failures=total.failures,
        out=Path(fields["out"]),
        reason=fields.get("reason", ""),
    )
