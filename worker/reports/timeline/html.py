"""A video's report as one HTML file: interactive, in light and dark, and opened without a network."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from importlib import resources
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from mien.errors import RuntimeMissing
from mien.files import atomic_file
from models.pages import render
from worker.reports.timeline.columns import Timeline
from worker.reports.timeline.curve import Curve, charted, curve_of, thinned
from worker.reports.timeline.palette import (
    AROUSAL,
    COLOURS,
    NOTICE,
    STACK,
    VA_WORDS,
    VALENCE,
    clock,
    described,
    percent,
)
from worker.reports.timeline.table import LABELS, Sighting, VideoFacts

POINTS = 1_500
"""Points over the whole video."""
MOST_TRACKS = 24
"""The tracks that were seen longest get a chart each: at about 100 KB a chart the file has at most 8 MB."""
MOST_ROWS = 200
"""Rows of the table of tracks; `summary.json` has all."""


def report_html(facts: VideoFacts, sightings: Iterable[Sighting], summary: Mapping[str, Any], path: Path) -> None:
    """Write the report; `summary` is what `worker.reports.timeline.summary.summary` says of the same sightings.

    Everything is inside the file, Plotly's script too, and its content security policy forbids it to load anything from
    anywhere or to run any other script. See `curve_of` for how points are thinned out. The file is there whole or not
    at all. Raises RuntimeMissing without plotly, OSError when the file cannot be written.
    """
    try:
        from plotly.offline import get_plotlyjs
    except ImportError as error:
        raise RuntimeMissing("the HTML report needs plotly: install mien[video]") from error
    timeline = Timeline.of(sightings)
    curves = [curve_of(track, facts, POINTS) for track in charted(timeline, facts, MOST_TRACKS)]
    plotly, script = get_plotlyjs(), _shipped("report.js")
    page = render(
        "worker.reports.timeline/report.html.j2",
        policy=_policy(plotly, script),
        name=PurePosixPath(facts.path).name or facts.path,
        path=facts.path,
        css=_shipped("report.css"),
        notice=NOTICE,
        va_words=VA_WORDS[facts.va_source],
        facts=_facts(facts, summary),
        left_out=_left_out(summary),
        most_rows=MOST_ROWS,
        rows=list(_rows(summary)),
        labels=LABELS,
        colours=COLOURS,
        charts=list(_charts(curves, summary)),
        thinned=thinned(facts, POINTS),
        data=_data(facts, curves),
        plotly=plotly,
        script=script,
    )
    with atomic_file(path) as file:
        file.write(page.encode("utf-8", "replace"))


def _shipped(name: str) -> str:
    return resources.files("worker.reports.timeline").joinpath(name).read_text("utf-8")


def _policy(*scripts: str) -> str:
    hashes = (base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in scripts)
    allowed = " ".join(f"'sha256-{each}'" for each in hashes)
    return (
        f"default-src 'none'; script-src {allowed}; style-src 'unsafe-inline'; img-src data: blob:; "
        "base-uri 'none'; form-action 'none'"
    )


def _facts(facts: VideoFacts, summary: Mapping[str, Any]) -> dict[str, str]:
    share = summary["no_face_share"]
    is_all = facts.analysed == facts.frames
    return {
        "Length": clock(facts.seconds),
        "Size": f"{facts.width} × {facts.height} px",
        "Frame rate": f"{facts.fps:.4g} fps",
        "Frames analysed": f"all {facts.frames:,}" if is_all else f"{facts.analysed:,} of {facts.frames:,}",
        "Tracks": f"{len(summary['tracks']):,}",
        "Most faces at once": f"{summary['most_faces_at_once']:,}",
        "No face in": "–" if share is None else f"{percent(share)} of frames",
    }


def _left_out(summary: Mapping[str, Any]) -> int:
    return max(0, len(summary["tracks"]) - MOST_ROWS)


def _rows(summary: Mapping[str, Any]) -> Iterable[dict[str, Any]]:
    tracks: Sequence[Mapping[str, Any]] = summary["tracks"]
    if len(tracks) > 1:
        yield _row("All faces", "", summary["overall"])
    for track in tracks[:MOST_ROWS]:
        seen = f"{clock(track['first_seconds'])} – {clock(track['last_seconds'])}"
        yield _row(f"Track {track['track']}", seen, track)


def _row(name: str, seen: str, figures: Mapping[str, Any]) -> dict[str, Any]:
    emotions = figures["emotions"]
    return {
        "name": name,
        "shares": [
            (each, f"{100 * emotions[each]:.2f}", percent(emotions[each]))
            for each in (*STACK, LABELS[-1])
            if emotions[each] > 0
        ],
        "emotion": figures["emotion"],
        "length": clock(figures["seconds"]),
        "seen": seen,
        "confidence": percent(figures["confidence"]),
        "valence": _signed(figures["valence"]),
        "arousal": _signed(figures["arousal"]),
        "changes": f"{figures['changes']:,}",
    }


def _signed(value: float) -> str:
    return f"{value:+.2f}".replace("-", "−")


def _charts(curves: Sequence[Curve], summary: Mapping[str, Any]) -> Iterable[tuple[str, str]]:
    """Yield the title of each chart and what it shows in words."""
    by_name = {track["track"]: track for track in summary["tracks"]}
    for curve in curves:
        title = f"Track {curve.name}" if curve.name else "All faces"
        yield title, described(by_name.get(curve.name, summary["overall"]))


def _data(facts: VideoFacts, curves: Sequence[Curve]) -> str:
    """The data as JSON that cannot end the element it stands in. Whole numbers, because they are short."""
    document = {
        "labels": LABELS,
        "stack": STACK,
        "colours": COLOURS,
        "valence": VALENCE,
        "arousal": AROUSAL,
        "end": round(1000 * max(facts.seconds, facts.period_s)),
        "tracks": [_track(curve) for curve in curves],
    }
    return json.dumps(document, separators=(",", ":")).replace("<", "\\u003c")


def _track(curve: Curve) -> dict[str, Any]:
    return {
        "name": curve.name,
        "starts": _whole(curve.starts_s, 1000),
        "ends": _whole(curve.ends_s, 1000),
        "runs": curve.runs.tolist(),
        "labels": curve.labels.tolist(),
        "confidences": _whole(curve.confidences, 1000),
        "probabilities": _whole(curve.probabilities, 1000),
        "valence": _whole(curve.valence, 100),
        "arousal": _whole(curve.arousal, 100),
        "stretches": [
            (
                round(1000 * each.start_s),
                round(1000 * each.end_s),
                LABELS.index(each.label),
                round(1000 * each.confidence),
            )
            for each in curve.stretches()
        ],
    }


def _whole(values: Any, scale: int) -> Any:
    return np.rint(values * scale).astype(np.int64).tolist()
