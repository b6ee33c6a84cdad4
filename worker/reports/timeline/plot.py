"""A video's apparent emotions over time as a PNG, for papers and slides."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from mien.errors import RuntimeMissing
from mien.files import atomic_file
from mien.types import EMOTIONS
from worker.reports.timeline.columns import Timeline
from worker.reports.timeline.curve import Curve, charted, curve_of, thinned
from worker.reports.timeline.font import printable, shortened
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
from worker.reports.timeline.summary import summary
from worker.reports.timeline.table import LABELS, Sighting, VideoFacts

DPI = 200
POINTS = 1_200
"""Points over the whole video: what a chart 1,500 pixels wide can show."""
MOST_TRACKS = 6
"""The tracks that were seen longest get a chart each; the others count in the chart of all faces."""

_INK, _SOFT, _LINE, _SUNKEN = "#17211F", "#56635F", "#C9D1CE", "#F1F4F3"
# The page, in inches.
_WIDTH, _LEFT, _MAIN, _GUTTER, _SHARES = 10.0, 0.62, 7.0, 0.8, 1.1
_HEAD, _FOOT, _TITLE, _BETWEEN = 0.78, 0.86, 0.27, 0.34
_BANDS, _STRIP, _PLANE, _SPACE = 1.15, 0.13, 0.58, 0.05
_ROW = _TITLE + _BANDS + _STRIP + _PLANE + 2 * _SPACE
_STEPS_S = (0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 21600)


def plot_png(facts: VideoFacts, sightings: Iterable[Sighting], path: Path) -> None:
    """Draw the timeline: for all faces and each track, probabilities, label, valence and arousal, and shares of time.

    The picture is 2,000 pixels wide and at most seven charts high, however long the video is and however many faces it
    shows: see `curve_of` for how points are thinned out. It is there whole or not at all. Raises RuntimeMissing without
    matplotlib, OSError when the file cannot be written.
    """
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        raise RuntimeMissing("plots need matplotlib: install mien[video]") from error
    timeline = Timeline.of(sightings)
    figures = summary(facts, timeline)
    by_name = {each["track"]: each for each in figures["tracks"]}
    tracks = charted(timeline, facts, MOST_TRACKS)
    height = _HEAD + len(tracks) * _ROW + (len(tracks) - 1) * _BETWEEN + _FOOT
    figure = Figure(figsize=(_WIDTH, height), dpi=DPI, facecolor="white")
    FigureCanvasAgg(figure)  # draws without a screen, and without pyplot's list of open figures
    page = _Page(figure, height, facts)
    page.head(figures, others=len(by_name) - sum(1 for track in tracks if track.name))
    for number, track in enumerate(tracks):
        top = _HEAD + number * (_ROW + _BETWEEN)
        curve = curve_of(track, facts, POINTS)
        page.chart(top, curve, by_name.get(track.name, figures["overall"]), is_last=number == len(tracks) - 1)
    page.foot()
    with atomic_file(path) as file:
        figure.savefig(file, format="png", metadata={"Title": "Apparent emotion over time", "Software": "mien"})


class _Page:
    """One figure; places are inches from its upper left corner."""

    def __init__(self, figure: Any, height: float, facts: VideoFacts) -> None:
        self._figure = figure
        self._height = height
        self._facts = facts
        self._end_s = max(facts.seconds, facts.period_s)

    def head(self, figures: Mapping[str, Any], *, others: int) -> None:
        """Write what this is, and what of."""
        facts = self._facts
        count = len(figures["tracks"])
        said = [
            f"{facts.width} × {facts.height} px",
            clock(facts.seconds),
            f"{facts.fps:.4g} fps",
            f"{facts.analysed:,} of {facts.frames:,} frames analysed",
            f"{count} track{'' if count == 1 else 's'}" + (f", {count - others} charted" if others else ""),
        ]
        if figures["no_face_share"]:
            said.append(f"no face in {percent(figures['no_face_share'])} of them")
        self._text(_LEFT, 0.3, "Apparent emotion over time", size=13, weight="bold")
        name = printable(shortened(PurePosixPath(facts.path).name or facts.path, 60))
        self._text(_LEFT, 0.53, "  ·  ".join([name, *said]), size=7.5, color=_SOFT)

    def foot(self) -> None:
        """Write what the figure does not say."""
        words = VA_WORDS[self._facts.va_source]
        said = f"{words} Where a chart is empty, the face was not seen. {thinned(self._facts, POINTS)}"
        self._text(_LEFT, self._height - 0.28, NOTICE, size=7, color=_SOFT)
        self._text(_LEFT, self._height - 0.13, said.rstrip(), size=7, color=_SOFT)

    def chart(self, top: float, curve: Curve, figures: Mapping[str, Any], *, is_last: bool) -> None:
        """Draw one row: bands, label, valence and arousal below each other, shares of time beside them."""
        title = f"Track {curve.name}" if curve.name else "All faces"
        self._text(_LEFT, top + 0.13, title, size=9.5, weight="bold")
        self._text(_LEFT + _MAIN, top + 0.13, described(figures), size=7.5, color=_SOFT, ha="right")
        top += _TITLE
        bands = self._axes(_LEFT, top, _MAIN, _BANDS)
        strip = self._axes(_LEFT, top + _BANDS + _SPACE, _MAIN, _STRIP)
        plane = self._axes(_LEFT, top + _BANDS + _STRIP + 2 * _SPACE, _MAIN, _PLANE)
        self._bands(bands, curve)
        _strip(strip, curve)
        _plane(plane, curve)
        for axes in (bands, strip, plane):
            self._times(axes, is_labelled=is_last and axes is plane)
        if figures["emotions"]:
            _shares(self._axes(_LEFT + _MAIN + _GUTTER, top, _SHARES, _BANDS + _SPACE + _STRIP), figures["emotions"])

    def _bands(self, axes: Any, curve: Curve) -> None:
        for part in curve.parts():
            seconds = _edges(curve, part)
            shares = curve.probabilities[part].T
            stack = [_padded(shares[EMOTIONS.index(name)]) for name in STACK]
            axes.stackplot(seconds, stack, colors=[COLOURS[name] for name in STACK], linewidth=0, antialiased=True)
        axes.set_ylim(0, 1)
        axes.set_yticks([0, 0.5, 1], ["0", "50", "100 %"])
        axes.set_ylabel("probability", fontsize=7, color=_SOFT)

    def _times(self, axes: Any, *, is_labelled: bool) -> None:
        step = next((step for step in _STEPS_S if self._end_s / step <= 10), 86_400)
        ticks = np.arange(0, self._end_s + step / 100, step)
        axes.set_xlim(0, self._end_s)
        axes.set_xticks(ticks, [_time(tick, step) for tick in ticks] if is_labelled else [])
        if is_labelled:
            axes.set_xlabel("time in the video" + (" (s)" if step < 15 else ""), fontsize=7.5, color=_SOFT, labelpad=3)

    def _axes(self, left: float, top: float, width: float, height: float) -> Any:
        place = (left / _WIDTH, 1 - (top + height) / self._height, width / _WIDTH, height / self._height)
        axes = self._figure.add_axes(place, facecolor=_SUNKEN)
        axes.tick_params(labelsize=7, labelcolor=_SOFT, color=_LINE, length=2.5, width=0.6, pad=2)
        for spine in axes.spines.values():
            spine.set(color=_LINE, linewidth=0.6)
        return axes

    def _text(self, left: float, baseline: float, text: str, **style: Any) -> None:
        style.setdefault("color", _INK)
        self._figure.text(left / _WIDTH, 1 - baseline / self._height, text, parse_math=False, va="baseline", **style)


def _strip(axes: Any, curve: Curve) -> None:
    stretches = curve.stretches()
    for name in LABELS:
        spans = [(each.start_s, each.end_s - each.start_s) for each in stretches if each.label == name]
        if spans:
            axes.broken_barh(spans, (0, 1), facecolors=COLOURS[name], linewidth=0)
    axes.set_ylim(0, 1)
    axes.set_yticks([0.5], ["label"])
    axes.tick_params(axis="y", length=0)


def _plane(axes: Any, curve: Curve) -> None:
    axes.axhline(0, color=_LINE, linewidth=0.6)
    for values, colour, name, dashes in (
        (curve.valence, VALENCE, "valence", "-"),
        (curve.arousal, AROUSAL, "arousal", (0, (4, 1.5))),
    ):
        for number, part in enumerate(curve.parts()):
            label = name if number == 0 else None
            seconds = _edges(curve, part)
            axes.plot(seconds, _padded(values[part]), color=colour, linewidth=1.1, linestyle=dashes, label=label)
    axes.set_ylim(-1.05, 1.05)
    axes.set_yticks([-1, 0, 1], ["−1", "0", "1"])
    if len(curve):
        legend = axes.legend(
            loc="center left", bbox_to_anchor=(1.005, 0.5), frameon=False, fontsize=7, handlelength=1.6, borderpad=0
        )
        for text in legend.get_texts():
            text.set_color(_SOFT)


def _shares(axes: Any, emotions: Mapping[str, float]) -> None:
    """Bars from above in the order of the bands, so that this is their legend too."""
    names = [*reversed(STACK), LABELS[-1]]
    places = np.arange(len(names))
    shares = [emotions[name] for name in names]
    axes.barh(places, shares, height=0.66, color=[COLOURS[name] for name in names], linewidth=0)
    # A name without a share keeps its colour in sight: this is the legend.
    axes.barh(places, [-0.035] * len(names), height=0.66, color=[COLOURS[name] for name in names], linewidth=0)
    for place, share in zip(places, shares, strict=True):
        axes.text(share + 0.03, place, percent(share), va="center", fontsize=7, color=_INK if share else _SOFT)
    axes.set_xlim(-0.035, 1)
    axes.set_ylim(len(names) - 0.45, -0.55)
    axes.set_yticks(places, names)
    axes.set_xticks([])
    axes.tick_params(axis="y", length=0, pad=3, labelcolor=_INK)
    axes.set_facecolor("none")
    for spine in axes.spines.values():
        spine.set_visible(False)
    axes.set_title("share of time", fontsize=7.5, color=_SOFT, loc="left", pad=4)


def _edges(curve: Curve, part: slice) -> Sequence[float]:
    """The middles of the points of a run, and its very start and end, so that one of a single frame is seen too."""
    return [curve.starts_s[part][0], *curve.middles_s[part], curve.ends_s[part][-1]]


def _padded(values: Any) -> Any:
    return np.concatenate((values[:1], values, values[-1:]))


def _time(seconds: float, step_s: float) -> str:
    if step_s < 15:
        return f"{seconds:g}" if step_s >= 1 else f"{seconds:.1f}"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
