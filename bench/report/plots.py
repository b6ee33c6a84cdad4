"""`python -m bench plots [--results FILE] [--into FOLDER]`: draw what was measured, as `bench table` does."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl

from tests.support.paths import ROOT

mpl.use("Agg")
import matplotlib.pyplot as plt
from matplotlib.axes import Axes

from mien.bus.budget import STAGES

BUDGET_MS = 40.0
_CODECS = (("", "H.264", "#2563eb"), ("_mjpeg", "MJPEG", "#ea580c"))
_STAGE_COLOURS = dict(zip(STAGES, plt.get_cmap("tab10").colors, strict=False))
_GREY = "#9ca3af"
_OVERHEAD = "#1f2937"


def main(arguments: Sequence[str] | None = None) -> None:
    """Draw from a file of results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--results", type=Path, default=ROOT / ".mien/bench/results.json")
    parser.add_argument("--into", type=Path, default=ROOT / "docs/images")
    given = parser.parse_args(arguments)
    for path in draw(json.loads(given.results.read_text()), given.into):
        print(path)


def draw(results: Mapping[str, Any], folder: Path) -> list[Path]:
    """Draw what there are results for, and return the files."""
    folder.mkdir(parents=True, exist_ok=True)
    drawn = []
    for name, picture in (("cameras", _cameras), ("frame-time", _frame_time), ("speed-ups", _speed_ups)):
        figure = picture(results)
        if figure is None:
            continue
        path = folder / f"performance-{name}.png"
        figure.savefig(path, dpi=110, metadata={"Software": None})
        plt.close(figure)
        drawn.append(path)
    return drawn


def _cameras(results: Mapping[str, Any]) -> Any:
    """On-time share, and latency, by cameras."""
    found = {suffix: _live(results, suffix) for suffix, _, _ in _CODECS}
    if not any(found.values()):
        return None
    figure, (share, latency) = plt.subplots(1, 2, figsize=(10, 3.8), layout="constrained")
    for suffix, words, colour in _CODECS:
        numbers = sorted(found[suffix])
        runs = [found[suffix][number] for number in numbers]
        share.plot(numbers, [100 * run["on_time_share"] for run in runs], "o-", color=colour, label=words)
        with_results = [
            (number, run["latency_ms"]) for number, run in zip(numbers, runs, strict=True) if run["latency_ms"]
        ]
        for quantile, line in (("p50", "-"), ("p99", ":")):
            latency.plot(
                [number for number, _ in with_results], [each[quantile] for _, each in with_results],
                f"o{line}", color=colour, label=f"{words}, {quantile}",
            )  # fmt: skip
    share.axhline(99, color=_GREY, linestyle="--", label="target")
    latency.axhline(BUDGET_MS, color=_GREY, linestyle="--", label="budget")
    _label(share, "frames on time", "cameras (720p, 25 fps, two faces)", "% of captured frames")
    _label(latency, "capture → result", "cameras (720p, 25 fps, two faces)", "ms")
    share.set_ylim(bottom=min(90.0, share.get_ylim()[0]), top=101)
    latency.set_ylim(bottom=0)
    return figure


def _frame_time(results: Mapping[str, Any]) -> Any:
    """Where the time of a frame goes: kernels and overhead in CPU time, and a live frame's stages."""
    bars: dict[str, Mapping[str, float]] = {}
    if "overhead" in results:
        overhead = results["overhead"]
        bars["everything, CPU"] = {**overhead["stages_ms"], "overhead": max(0.0, overhead["overhead_ms"])}
    for number, run in sorted(_live(results, "").items()):
        means = {stage: spread["mean"] for stage, spread in run["stages_ms"].items() if spread}
        bars[f"{number} cameras live" if number > 1 else "1 camera live"] = means
    if not bars:
        return None
    figure, axes = plt.subplots(figsize=(10, 1.2 + 0.5 * len(bars)), layout="constrained")
    stages = [*STAGES, "overhead"]
    for row, parts in enumerate(bars.values()):
        left = 0.0
        for stage in stages:
            axes.barh(
                row, parts.get(stage, 0.0), left=left, height=0.65, color=_STAGE_COLOURS.get(stage, _OVERHEAD),
                label=stage if row == 0 else None,
            )  # fmt: skip
            left += parts.get(stage, 0.0)
    axes.set_yticks(range(len(bars)), list(bars))
    axes.invert_yaxis()
    axes.axvline(BUDGET_MS, color=_GREY, linestyle="--")
    _label(axes, "where a frame's time goes (means; live: wall time, a batch's for all of its frames)", "ms", "")
    axes.legend(ncols=9, loc="upper center", bbox_to_anchor=(0.5, -0.25), fontsize=8, frameon=False)
    return figure


def _speed_ups(results: Mapping[str, Any]) -> Any:
    """How many times faster than the classic way and than fer, by faces."""
    if "frame" not in results:
        return None
    kinds = results["frame"]["faces"]
    figure, axes = plt.subplots(figsize=(10, 3.6), layout="constrained")
    for place, (baseline, words, target, colour) in enumerate(
        (("classic", "the classic way", 100, "#7c3aed"), ("fer", "fer", 10, "#059669"))
    ):
        rows = [(number, kind.get(f"speedup_vs_{baseline}")) for number, kind in enumerate(kinds.values())]
        known = [(number, ratio["wall"]) for number, ratio in rows if ratio]
        middles = [wall["median"] for _, wall in known]
        spread = [
            [wall["median"] - wall["low"] for _, wall in known],
            [wall["high"] - wall["median"] for _, wall in known],
        ]
        positions = [number + 0.38 * place - 0.19 for number, _ in known]
        axes.bar(
            positions, middles, 0.36, yerr=spread, color=colour, ecolor="#374151", capsize=3, label=f"over {words}"
        )
        axes.axhline(target, color=colour, linestyle="--", linewidth=1)
    axes.set_yscale("log")
    axes.set_ylim(bottom=1)
    axes.set_xticks(range(len(kinds)), [f"{faces} face{'s' * (faces != '1')}" for faces in kinds])
    _label(axes, "times faster, one core (dashed: target at two faces)", "", "times")
    axes.legend(fontsize=8, frameon=False, loc="upper left", bbox_to_anchor=(1.0, 1.0))
    return figure


def _live(results: Mapping[str, Any], suffix: str) -> dict[int, Mapping[str, Any]]:
    codec = "mjpeg" if suffix else "h264"
    runs = [run for name, run in results.items() if name.startswith("live_") and run["codec"] == codec]
    return {int(run["cameras"]): run for run in runs}


def _label(axes: Axes, title: str, below: str, left: str) -> None:
    axes.set_title(title, fontsize=11)
    axes.set_xlabel(below)
    axes.set_ylabel(left)
    axes.grid(alpha=0.25)
    if axes.get_legend_handles_labels()[0]:
        axes.legend(fontsize=8, frameon=False)
    axes.spines[["top", "right"]].set_visible(False)


if __name__ == "__main__":
    main()
