"""A video's report as one HTML file: interactive, in light and dark, and opened without a network."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from importlib import resources
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from mien.errors import RuntimeMissing
from mien.files import atomic_file
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

_PAGE = """<!DOCTYPE html>
<html lang="en" data-theme="light">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<title>Apparent emotion over time: {name}</title>
<link rel="icon" href="data:,">
<style>{css}</style>
</head>
<body>
<header>
<div><h1>Apparent emotion over time</h1><p class="file">{path}</p></div>
<button id="theme" type="button" title="Change the colours of the page">Dark</button>
</header>
<p class="notice"><strong>{notice}</strong> <span>{va_words}</span></p>
<dl class="facts">{facts}</dl>
<noscript><p class="notice">The charts need JavaScript; the table below does not.</p></noscript>
<section class="card"><h2>Share of time</h2><p>By the label over time, of the time each face was seen.{left_out}</p>
<div class="scroll"><table>
<thead><tr><th>Track</th><th>Shares</th><th>Mostly</th><th class="number">Seen for</th><th>From – to</th>
<th class="number">Confidence</th><th class="number">Valence</th><th class="number">Arousal</th>
<th class="number">Changes</th></tr></thead>
<tbody>{rows}</tbody></table></div></section>
<div class="keys" role="group" aria-label="Show one emotion in colour">{keys}</div>
{charts}
<footer><p>Where a chart is empty, the face was not seen. {thinned} A track is one face over time in this video, and
never an identity. Drag to zoom, double-click to see all; all charts show the same time.</p></footer>
<script type="application/json" id="data">{data}</script>
<script>{plotly}</script>
<script>{script}</script>
</body>
</html>
"""


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
    page = _PAGE.format(
        policy=_policy(plotly, script),
        name=escape(PurePosixPath(facts.path).name or facts.path),
        path=escape(facts.path),
        css=_shipped("report.css"),
        notice=escape(NOTICE),
        va_words=escape(VA_WORDS[facts.va_source]),
        facts=_facts(facts, summary),
        left_out=_left_out(summary),
        rows="".join(_rows(summary)),
        keys="".join(_key(name) for name in LABELS),
        charts="\n".join(_charts(curves, summary)),
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


def _facts(facts: VideoFacts, summary: Mapping[str, Any]) -> str:
    share = summary["no_face_share"]
    is_all = facts.analysed == facts.frames
    said = {
        "Length": clock(facts.seconds),
        "Size": f"{facts.width} × {facts.height} px",
        "Frame rate": f"{facts.fps:.4g} fps",
        "Frames analysed": f"all {facts.frames:,}" if is_all else f"{facts.analysed:,} of {facts.frames:,}",
        "Tracks": f"{len(summary['tracks']):,}",
        "Most faces at once": f"{summary['most_faces_at_once']:,}",
        "No face in": "–" if share is None else f"{percent(share)} of frames",
    }
    return "".join(f"<div><dt>{name}</dt><dd>{escape(value)}</dd></div>" for name, value in said.items())


def _left_out(summary: Mapping[str, Any]) -> str:
    more = len(summary["tracks"]) - MOST_ROWS
    return f" The first {MOST_ROWS} tracks; {more:,} more are in the summary." if more > 0 else ""


def _rows(summary: Mapping[str, Any]) -> Iterable[str]:
    tracks: Sequence[Mapping[str, Any]] = summary["tracks"]
    if not tracks:
        yield '<tr><td colspan="9">No face was found in any frame.</td></tr>'
        return
    if len(tracks) > 1:
        yield _row("All faces", "", summary["overall"])
    for track in tracks[:MOST_ROWS]:
        seen = f"{clock(track['first_seconds'])} – {clock(track['last_seconds'])}"
        yield _row(f"Track {track['track']}", seen, track)


def _row(name: str, seen: str, figures: Mapping[str, Any]) -> str:
    cells = (
        f'<td><strong>{escape(name)}</strong></td><td class="share">{_bar(figures["emotions"])}</td>',
        f"<td>{escape(figures['emotion'])}</td>",
        f'<td class="number">{clock(figures["seconds"])}</td><td>{escape(seen)}</td>',
        f'<td class="number">{percent(figures["confidence"])}</td>',
        f'<td class="number">{_signed(figures["valence"])}</td><td class="number">{_signed(figures["arousal"])}</td>',
        f'<td class="number">{figures["changes"]:,}</td>',
    )
    return f"<tr>{''.join(cells)}</tr>"


def _signed(value: float) -> str:
    return f"{value:+.2f}".replace("-", "−")


def _bar(emotions: Mapping[str, float]) -> str:
    parts = [(name, emotions[name]) for name in (*STACK, LABELS[-1]) if emotions[name] > 0]
    said = ", ".join(f"{name} {percent(share)}" for name, share in parts)
    filled = "".join(
        f'<i style="width:{100 * share:.2f}%;background:{COLOURS[name]}" title="{name} {percent(share)}"></i>'
        for name, share in parts
    )
    return f'<div class="bar" role="img" aria-label="{said}">{filled}</div>'


def _key(name: str) -> str:
    swatch = f'<span class="swatch" style="background:{COLOURS[name]}"></span>'
    return f'<button type="button" aria-pressed="false" data-name="{name}">{swatch}{name}</button>'


def _charts(curves: Sequence[Curve], summary: Mapping[str, Any]) -> Iterable[str]:
    by_name = {track["track"]: track for track in summary["tracks"]}
    for number, curve in enumerate(curves):
        title = f"Track {curve.name}" if curve.name else "All faces"
        figures = by_name.get(curve.name, summary["overall"])
        yield (
            f'<section class="card"><h2>{escape(title)}</h2><p>{escape(described(figures))}</p>'
            f'<div class="chart" data-track="{number}" role="img" '
            f'aria-label="{escape(title)}: probabilities, label, valence and arousal over time"></div></section>'
        )


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
