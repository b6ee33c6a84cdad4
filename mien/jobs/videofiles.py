"""The files that the steps of a video leave for each other, and for whoever asks how far it is.

source                the video, where it had to be fetched
frames.npy            when each frame is shown
plan.json             size, time base, segments; written after frames.npy: the planning is finished
analysed/<k>.npz      the faces of segment k
followed/<k>.npz      their tracks and labels over time
moments.json          which faces the contact sheet may show
tracks.json           the following is finished
moments/<k>.npz       the pixels of these faces, of segment k
rendered/<k>.mp4      segment k of the annotated video
late/<step>.json      a step took too long once
done.json             what became of the video; what only the steps needed is removed then
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mien.files import numbered

MOST_SEGMENTS = 100_000


@dataclass(frozen=True, slots=True)
class VideoFiles:
    """The files of one input of a video job, in the folder `path`."""

    path: Path

    @property
    def source(self) -> Path:
        """The video, where it was fetched to."""
        return self.path / "source"

    @property
    def frames(self) -> Path:
        """When each frame is shown."""
        return self.path / "frames.npy"

    @property
    def plan(self) -> Path:
        """The plan, which says that the planning is finished."""
        return self.path / "plan.json"

    @property
    def wanted_moments(self) -> Path:
        """Which faces the contact sheet may show."""
        return self.path / "moments.json"

    @property
    def tracks(self) -> Path:
        """The file that says that the following is finished."""
        return self.path / "tracks.json"

    @property
    def done(self) -> Path:
        """What became of the video."""
        return self.path / "done.json"

    def analysed(self, segment: int) -> Path:
        """The faces of a segment."""
        return self.path / "analysed" / f"{segment}.npz"

    def followed(self, segment: int) -> Path:
        """The tracks of a segment's faces, and their labels over time."""
        return self.path / "followed" / f"{segment}.npz"

    def moments(self, segment: int) -> Path:
        """The pixels of the moments of a segment."""
        return self.path / "moments" / f"{segment}.npz"

    def rendered(self, segment: int) -> Path:
        """A segment of the annotated video."""
        return self.path / "rendered" / f"{segment}.mp4"

    def late(self, step: str) -> Path:
        """The file that says that a step took too long once."""
        return self.path / "late" / f"{step}.json"

    def analysed_segments(self) -> set[int]:
        """Return the numbers of the segments that are analysed."""
        return numbered(self.path / "analysed", (".npz", ".json"))

    def rendered_segments(self) -> set[int]:
        """Return the numbers of the segments that are drawn."""
        return numbered(self.path / "rendered", (".mp4",))

    def read_plan(self) -> Mapping[str, Any] | None:
        """Return the plan, whose `segments` are their number; None when there is none, or none that can be used."""
        try:
            plan = json.loads(self.plan.read_text())
        except (OSError, ValueError):
            return None
        segments = plan.get("segments") if isinstance(plan, dict) else None
        usable = isinstance(segments, int) and not isinstance(segments, bool) and 0 <= segments <= MOST_SEGMENTS
        return plan if usable else None

    def clean(self) -> None:
        """Remove what only the steps needed."""
        for folder in ("analysed", "followed", "rendered", "moments", "late"):
            shutil.rmtree(self.path / folder, ignore_errors=True)
        for file in (self.source, self.frames, self.wanted_moments):
            file.unlink(missing_ok=True)
