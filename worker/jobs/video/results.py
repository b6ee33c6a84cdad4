"""What a person gets of a video: tables, plot, report, contact sheet, summary; and one overview of a job's videos."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mien.files import atomic_file, remove_leftovers, write_json
from mien.jobs.folder import Entry
from mien.jobs.outputs import CONTACT_SHEET, REPORT, SUMMARY, TIMELINE_PLOT, table_name, timeline_name
from mien.jobs.view import Tally
from worker.jobs.video import moments
from worker.jobs.video.folder import VideoFolder
from worker.reports.rows import write_csv

if TYPE_CHECKING:
    from worker.reports.timeline.contact import Moment
    from worker.reports.timeline.table import Sighting, VideoFacts

COLUMNS = ("path", "seconds", "frames", "missing", "analysed", "tracks", "faces", "folder", "reason")
"""A row for each video of a job: `faces` are sightings, a face in a frame each; `missing` frames cannot be decoded."""


def choose_moments(video: VideoFolder) -> None:
    """Choose the faces for the contact sheet, from what all segments hold."""
    from worker.reports.timeline.contact import clearest

    moments.choose(video.path, clearest(video.sightings(), moments.CANDIDATES))


def wanted_in(video: VideoFolder, segment: int, wanted: set[tuple[int, str]]) -> dict[int, list[Sighting]]:
    """Return the sightings of a segment whose pixels are wanted, by the number of their frame."""
    found: dict[int, list[Sighting]] = {}
    part = video.plan.segments[segment]
    if any(part.first <= frame < part.first + part.frames for frame, _ in wanted):
        for sighting in video.sightings([segment]):
            if (sighting.frame, sighting.track) in wanted:
                found.setdefault(sighting.frame, []).append(sighting)
    return found


def write_reports(video: VideoFolder, facts: VideoFacts) -> dict[str, object]:
    """Write everything but the annotated video; return the names of the files, below the job's results.

    Raises RuntimeMissing without a package that a format needs, OSError when a file cannot be written.
    """
    from worker.reports.timeline.columns import Timeline
    from worker.reports.timeline.contact import contact_sheet, sharpest
    from worker.reports.timeline.html import report_html
    from worker.reports.timeline.plot import plot_png
    from worker.reports.timeline.summary import summary
    from worker.reports.timeline.table import write_table

    out = video.results
    out.mkdir(parents=True, exist_ok=True)
    remove_leftovers(out)
    tables = [out / timeline_name(form) for form in video.formats]
    for table in tables:
        write_table(video.sightings(), table)
    timeline = Timeline.of(video.sightings())
    figures = summary(facts, timeline)
    plot_png(facts, timeline, out / TIMELINE_PLOT)
    report_html(facts, timeline, figures, out / REPORT)
    contact_sheet(facts, sharpest(list(_moments(video))), out / CONTACT_SHEET)
    write_json(out / SUMMARY, figures)
    return {
        "timeline": [_below(video, table) for table in tables],
        "plot": _below(video, out / TIMELINE_PLOT),
        "report": _below(video, out / REPORT),
        "contact": _below(video, out / CONTACT_SHEET),
        "summary": _below(video, out / SUMMARY),
    }


def write_overview(job_id: str, out: Path, total: Tally, entries: Sequence[Entry]) -> None:
    """Write `results.json` and `results.csv`: every video once, and why some failed."""
    with atomic_file(out / table_name("csv")) as file:
        write_csv(file, COLUMNS, ([entry.get(name, "") for name in COLUMNS] for entry in entries))
    document = {
        **total.to_report(job_id),
        "videos": [entry for entry in entries if "folder" in entry],
    }
    with atomic_file(out / table_name("json")) as file:
        file.write(json.dumps(document, indent=1).encode() + b"\n")


def _moments(video: VideoFolder) -> Iterator[Moment]:
    from worker.reports.timeline.contact import Moment

    wanted = moments.wanted(video.path)
    for number, segment in enumerate(video.plan.segments):
        sightings = wanted_in(video, number, wanted)
        if not sightings:
            continue
        path = video.files.moments(number)
        if not path.exists():  # nothing was rendered
            moments.cut_segment(video.source, video.plan, video.times, segment, sightings, path)
        by_place = {(each.frame, each.track): each for each in _flat(sightings.values())}
        for frame, track, crop in moments.read_crops(path):
            yield Moment(by_place[frame, track], crop)


def _flat(groups: Iterable[Iterable[Sighting]]) -> Iterator[Sighting]:
    for group in groups:
        yield from group


def _below(video: VideoFolder, path: Path) -> str:
    return path.relative_to(video.inputs.out).as_posix()
