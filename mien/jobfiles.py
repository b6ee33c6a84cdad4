"""The folder of a job: its inputs, what its chunks have finished, and where its results go.

    <data_dir>/jobs/<id>/inputs.json           what to read, written once when the job is queued
    <data_dir>/jobs/<id>/uploads/              pictures that came through the dashboard
    <data_dir>/jobs/<id>/parts/<k>.json        everything of chunk k, there only when the chunk is finished
    <data_dir>/jobs/<id>/parts/<k>.partial     what chunk k had when it was stopped
    <data_dir>/jobs/<id>/out/                  results, unless the job names another folder

Each file appears whole or not at all.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from mien.errors import JobError

Entry = dict[str, Any]
"""What became of one input: `path` and its results, or `path` and the `reason` why there are none."""

_JOB_ID = re.compile(r"[0-9a-f]{8,64}")


@dataclass(frozen=True, slots=True)
class Input:
    """A picture to read: where it lies, and how people call it."""

    path: Path
    label: str


@dataclass(frozen=True, slots=True)
class Inputs:
    """All that a job was asked to do; chunk k holds the inputs from k × `chunk_size` on."""

    kind: str
    out: Path
    annotate: bool
    chunk_size: int
    items: tuple[Input, ...]

    @property
    def chunks(self) -> int:
        """How many chunks there are."""
        return -(-len(self.items) // self.chunk_size)

    def chunk(self, number: int) -> dict[int, Input]:
        """Return the inputs of a chunk by their index; raises JobError when there is no such chunk."""
        if not 0 <= number < self.chunks:
            raise JobError(f"there is no chunk {number} in a job of {self.chunks}")
        start = number * self.chunk_size
        return dict(enumerate(self.items[start : start + self.chunk_size], start))


class JobFolder:
    """The files of one job. Raises JobError for a text that cannot be the id of a job."""

    def __init__(self, data_dir: Path, job_id: str) -> None:
        if not _JOB_ID.fullmatch(job_id):
            raise JobError(f"there is no job {job_id!r}: `mien jobs list` shows them")
        self.path = data_dir.absolute() / "jobs" / job_id

    @property
    def uploads(self) -> Path:
        """Where uploaded pictures lie."""
        return self.path / "uploads"

    @property
    def default_out(self) -> Path:
        """Where results go unless the job says otherwise."""
        return self.path / "out"

    def part(self, chunk: int) -> Path:
        """The file of a finished chunk."""
        return self.path / "parts" / f"{chunk}.json"

    def partial(self, chunk: int) -> Path:
        """The file of a chunk that was stopped."""
        return self.path / "parts" / f"{chunk}.partial"

    def finished_chunks(self) -> set[int]:
        """Return the numbers of the chunks that are finished."""
        folder = self.path / "parts"
        if not folder.is_dir():
            return set()
        names = (entry.name for entry in os.scandir(folder))
        return {int(name[: -len(".json")]) for name in names if name.endswith(".json") and name[:-5].isdigit()}

    def read_part(self, path: Path) -> dict[int, Entry]:
        """Return what a chunk has finished, by index of the input; nothing when the file is not there."""
        try:
            return {int(index): entry for index, entry in json.loads(path.read_text())["entries"].items()}
        except FileNotFoundError:
            return {}
        except (ValueError, KeyError, AttributeError):  # not ours, or from a disk that lost it: do it again
            return {}

    def write_part(self, path: Path, entries: Mapping[int, Entry]) -> None:
        """Store what a chunk has finished."""
        write_json(path, {"entries": {str(index): entries[index] for index in sorted(entries)}})

    def forget_failures(self) -> None:
        """Make every chunk with failures unfinished, so that these inputs are read again and no others."""
        for chunk in self.finished_chunks():
            entries = self.read_part(self.part(chunk))
            kept = {index: entry for index, entry in entries.items() if "reason" not in entry}
            if len(kept) < len(entries):
                self.write_part(self.partial(chunk), kept)
                self.part(chunk).unlink()

    def write_inputs(self, inputs: Inputs) -> None:
        """Store what the job is to do."""
        document = {
            "kind": inputs.kind,
            "out": str(inputs.out),
            "annotate": inputs.annotate,
            "chunk_size": inputs.chunk_size,
            "inputs": [[str(item.path), item.label] for item in inputs.items],
        }
        write_json(self.path / "inputs.json", document)

    def read_inputs(self) -> Inputs:
        """Return what the job is to do; raises JobError when the file is gone or is not ours."""
        try:
            document = json.loads((self.path / "inputs.json").read_text())
            return Inputs(
                kind=str(document["kind"]),
                out=Path(document["out"]),
                annotate=bool(document["annotate"]),
                chunk_size=int(document["chunk_size"]),
                items=tuple(Input(Path(path), str(label)) for path, label in document["inputs"]),
            )
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise JobError(
                f"the list of inputs in {self.path} cannot be read ({error}): queue the job again"
            ) from error


@contextmanager
def atomic_file(path: Path, *, synced: bool = True) -> Iterator[IO[bytes]]:
    """Open a file for writing that replaces `path` only when everything is written.

    `synced`: and on the disk, for files that say that something need not be done again.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # The process id keeps two workers that redo the same thing out of each other's way.
    fresh = path.with_name(f".{path.name}.{os.getpid()}.new")
    try:
        with fresh.open("wb") as file:
            yield file
            file.flush()
            if synced:
                os.fsync(file.fileno())
        fresh.replace(path)
    finally:
        fresh.unlink(missing_ok=True)


def write_json(path: Path, document: Mapping[str, Any]) -> None:
    """Write a JSON file that is there whole or not at all."""
    with atomic_file(path) as file:
        file.write(json.dumps(document, separators=(",", ":")).encode())
