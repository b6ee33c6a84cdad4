"""The folder of a job: its inputs, what its chunks have finished, and where its results go.

    <data_dir>/jobs/<id>/inputs.json           what to do, written once when the job is queued (and items.*: its inputs)
    <data_dir>/jobs/<id>/uploads/              files that came through the dashboard
    <data_dir>/jobs/<id>/parts/<k>.json        everything of chunk k, there only when the chunk is finished
    <data_dir>/jobs/<id>/parts/<k>.partial     what chunk k has so far, for whoever goes on with it
    <data_dir>/jobs/<id>/parts/<k>.reading     which picture of chunk k is being read, after workers died over it
    <data_dir>/jobs/<id>/videos/<i>/           what is finished of input i of a video job (see `mien.jobs.videofiles`)
    <data_dir>/jobs/<id>/out/                  results, unless the job names another folder

Each file appears whole or not at all.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from mien.errors import JobError
from mien.files import atomic_file, numbered, write_json
from mien.jobs.request import Inputs, inputs_from, lines_of
from mien.jobs.videofiles import VideoFiles
from mien.private import make_private

__all__ = ["Entry", "Inputs", "JobFolder"]

Entry = dict[str, Any]
"""The outcome of one input: `path` and its results, or `path` and the `reason` why there are none."""

_JOB_ID = re.compile(r"[0-9a-f]{8,64}")


class JobFolder:
    """The files of one job. Raises JobError for a text that cannot be the id of a job."""

    def __init__(self, data_dir: Path, job_id: str) -> None:
        if not _JOB_ID.fullmatch(job_id):
            raise JobError(f"there is no job {job_id!r}: `mien jobs list` shows them")
        self.path = data_dir.absolute() / "jobs" / job_id

    def make(self) -> None:
        """Make the folder, and those above it up to the data folder, for this user alone; raises OSError."""
        for place in (self.path.parent.parent, self.path.parent, self.path):
            make_private(place)

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

    def video(self, index: int) -> Path:
        """The folder of what is finished of one input of a video job."""
        return self.path / "videos" / str(index)

    def reading(self, chunk: int) -> Path:
        """The file that says which picture is being read, after workers have died over a chunk."""
        return self.path / "parts" / f"{chunk}.reading"

    def finished_chunks(self) -> set[int]:
        """Return the numbers of the chunks that are finished."""
        return numbered(self.path / "parts", (".json",))

    def read_part(self, path: Path) -> dict[int, Entry]:
        """Return what a chunk has finished, by index of the input; nothing when the file is not there."""
        try:
            return {int(index): entry for index, entry in json.loads(path.read_text())["entries"].items()}
        except FileNotFoundError:
            return {}
        except (ValueError, KeyError, AttributeError):  # written by another program, or lost by the disk: do it again
            return {}

    def write_part(self, path: Path, entries: Mapping[int, Entry], *, synced: bool = True) -> None:
        """Store what a chunk has finished; `synced` as in `mien.files.atomic_path`."""
        write_json(
            path, {"entries": {str(index): entries[index] for index in sorted(entries)}}, synced=synced, mode=0o600
        )

    def forget_failures(self) -> None:
        """Make every chunk and every video with failures unfinished, so that these are read again and no others."""
        for chunk in self.finished_chunks():
            entries = self.read_part(self.part(chunk))
            kept = {index: entry for index, entry in entries.items() if "reason" not in entry}
            if len(kept) < len(entries):
                self.write_part(self.partial(chunk), kept)
                self.part(chunk).unlink()
        for video in (self.path / "videos").glob("[0-9]*"):
            if "reason" in self.read_done(video):
                # The file may have changed by now, so what was found in it before cannot be used.
                VideoFiles(video).done.unlink(missing_ok=True)
                shutil.rmtree(video, ignore_errors=True)

    def read_done(self, video: Path) -> Entry:
        """Return the entry of a video that has ended; an empty one when it has not."""
        try:
            entry = json.loads(VideoFiles(video).done.read_text())
        except (FileNotFoundError, ValueError):
            return {}
        return entry if isinstance(entry, dict) else {}

    def entries(self) -> Iterator[Entry]:
        """Yield what became of each input so far, in the order of the inputs, a chunk at a time."""
        for chunk in sorted(self.finished_chunks()):
            yield from self.read_part(self.part(chunk)).values()
        for video in sorted((self.path / "videos").glob("[0-9]*"), key=lambda video: int(video.name)):
            entry = self.read_done(video)
            if entry:
                yield entry

    def write_inputs(self, inputs: Inputs) -> None:
        """Store what the job is to do."""
        lines, offsets = lines_of(inputs.items)
        document = {
            "kind": inputs.kind,
            "out": str(inputs.out),
            "options": dict(inputs.options),
            "chunk_size": inputs.chunk_size,
            "count": len(lines),
            "webhook": inputs.webhook,
        }
        with atomic_file(self.path / "items.jsonl", mode=0o600) as file:
            file.writelines(lines)
        with atomic_file(self.path / "items.idx", mode=0o600) as file:
            file.write(offsets)
        write_json(self.path / "inputs.json", document, mode=0o600)

    def set_webhook(self, webhook: str) -> None:
        """Change the address that is called when the job has ended."""
        path = self.path / "inputs.json"
        write_json(path, {**json.loads(path.read_text()), "webhook": webhook}, mode=0o600)

    def read_inputs(self) -> Inputs:
        """Return what the job is to do; raises JobError when the file is missing or cannot be read."""
        try:
            return inputs_from(json.loads((self.path / "inputs.json").read_text()), self.path)
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise JobError(
                f"the list of inputs in {self.path} cannot be read ({error}): queue the job again"
            ) from error
