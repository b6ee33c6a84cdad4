"""One video of a job: its input, its folder among the job's files, and the folder of its results."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mien.address import stem_of
from mien.errors import JobError
from mien.files import write_json
from mien.formats import Format, formats_of
from mien.inputs.input import Input
from mien.jobs.folder import Entry, Inputs, JobFolder
from mien.jobs.outputs import video_folder_name
from mien.jobs.videofiles import VideoFiles
from mien.types import BaselineUse
from models.video.plan import Ticks, VideoLayout, ended_at, read_plan, read_times, write_plan
from worker.jobs.video.found import Found
from worker.jobs.video.tracks import Seen, seen_in

if TYPE_CHECKING:
    from worker.reports.timeline.table import Sighting


@dataclass(slots=True)
class VideoFolder:
    """Everything about input `index` of a job."""

    job: JobFolder
    inputs: Inputs
    index: int
    item: Input
    _plan: VideoLayout | None = field(default=None, repr=False)

    @classmethod
    def of(cls, job: JobFolder, inputs: Inputs, index: int) -> VideoFolder:
        """Return the folder of an input; raises JobError when there is none of that number."""
        return cls(job, inputs, index, inputs.item(index))

    @property
    def path(self) -> Path:
        """Where the steps leave what they have finished."""
        return self.job.video(self.index)

    @property
    def files(self) -> VideoFiles:
        """What the steps have finished."""
        return VideoFiles(self.path)

    @property
    def source(self) -> Path:
        """The file of the video: where it lies, or where it was fetched to."""
        return self.item.address.path if self.item.address.is_path else self.files.source

    @property
    def every(self) -> int:
        """Every how many frames one is analysed."""
        every = self.inputs.options.get("every", 1)
        return max(1, every) if isinstance(every, int) else 1

    @property
    def baseline(self) -> BaselineUse:
        """Whether personal baselines are wanted."""
        return "auto" if self.inputs.options.get("baseline") == "auto" else "off"

    @property
    def formats(self) -> tuple[Format, ...]:
        """How the table is wanted."""
        return formats_of(self.inputs.kind, self.inputs.options)

    @property
    def name(self) -> str:
        """The name of the folder of results."""
        return video_folder_name(self.index, stem_of(self.item.label), len(self.inputs.items))

    @property
    def results(self) -> Path:
        """The folder of results."""
        return self.inputs.out / self.name

    @property
    def plan(self) -> VideoLayout:
        """The plan; raises JobError when there is none."""
        if self._plan is None:
            self._plan = read_plan(self.path)
        return self._plan

    @property
    def times(self) -> Ticks:
        """When each frame is shown."""
        return read_times(self.path)

    def end_at(self, number: int, reason: str) -> None:
        """Leave the frames from `number` on out of the plan."""
        self._plan = ended_at(self.plan, self.times, number, reason)
        write_plan(self.path, self._plan, self.times, render=self.inputs.annotate)

    @property
    def is_done(self) -> bool:
        """Whether the video has ended, well or not."""
        return self.files.done.exists()

    @property
    def entry(self) -> Entry:
        """What became of the video; raises JobError while it has not ended."""
        try:
            entry = json.loads(self.files.done.read_text())
            if isinstance(entry, dict) and "path" in entry:
                return entry
        except (OSError, ValueError):
            pass
        raise JobError(f"video {self.index} has not ended after all: retry the job")

    def end(self, entry: dict[str, Any]) -> None:
        """Store what became of the video, and remove what is not needed any more."""
        write_json(self.files.done, entry)
        self.clean()

    def clean(self) -> None:
        """Remove what only the steps needed."""
        self.files.clean()

    def found(self, segment: int) -> Found:
        """Return what was found in a segment; raises JobError when it is not analysed."""
        return Found.read(self.files.analysed(segment))

    def seen(self, segments: Sequence[int] | None = None) -> Iterator[Seen]:
        """Yield the analysed frames with their faces over time, of all or some segments."""
        return seen_in(self.path, self.plan, segments)

    def sightings(self, segments: Sequence[int] | None = None) -> Iterator[Sighting]:
        """Yield every face of every analysed frame, of all or some segments."""
        from worker.reports.timeline.table import Sighting

        for each in self.seen(segments):
            for face in each.faces:
                yield Sighting(each.number, each.seconds, face.track, face)
