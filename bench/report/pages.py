"""The tables of a page: what stands between the marks `<!-- bench: NAME -->` and `<!-- bench -->` is written anew."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from bench.report.machine import Spread
from bench.report.targets import rows

_MARKED = re.compile(r"(?s)(<!-- bench: ([a-z-]+) -->\n).*?(<!-- bench -->)")


def fill(page: str, results: Mapping[str, Any]) -> str:
    """Return a page with its marked tables written from results; those without results stay as they are."""

    def anew(found: re.Match[str]) -> str:
        try:
            table = TABLES[found[2]](results)
        except KeyError:
            return found[0]
        return f"{found[1]}{table}\n{found[3]}"

    return _MARKED.sub(anew, page)


def targets(results: Mapping[str, Any]) -> str:
    """Return the table of targets."""
    signs = {True: "✓", False: "✗", None: "–"}
    lines = ((row.what, row.target, row.measured, signs[row.kept]) for row in rows(results))
    return table(("what", "target", "measured", ""), lines)


def frame(results: Mapping[str, Any]) -> str:
    """Return times of one frame by faces and way."""
    lines = []
    for faces, kind in results["frame"]["faces"].items():
        for name, way in kind["ways"].items():
            ratio = kind.get(f"speedup_vs_{name}")
            times = "" if ratio is None else f"{Spread(**ratio['wall'])}"
            lines.append((faces, name, str(Spread(**way["ms"])), str(Spread(**way["cpu_ms"])), way["faces"], times))
    return table(("faces", "way", "ms", "CPU ms", "faces found", "mien is so many times faster"), lines)


def live(results: Mapping[str, Any]) -> str:
    """Return what became of frames, by cameras and codec."""
    runs = sorted(
        (run for name, run in results.items() if name.startswith("live_")),
        key=lambda run: (run["codec"], run["cameras"]),
    )
    if not runs:
        raise KeyError("live")
    lines = []
    for run in runs:
        latency, seen = run["latency_ms"] or {}, run["viewer_latency_ms"] or {}
        drops = ", ".join(f"{reason} {count}" for reason, count in run["dropped"].items() if count) or "none"
        levels = sorted({plan["level"] for plan in run["plans"]}, key=str)
        lines.append((
            run["cameras"], run["codec"], run["workers"], f"{100 * run['on_time_share']:.2f} %", drops,
            " / ".join(str(latency.get(each, "–")) for each in ("p50", "p95", "p99")),
            " / ".join(str(seen.get(each, "–")) for each in ("p50", "p95", "p99")),
            run["cpu_ms_a_frame"], run["cpu_share_all"], ", ".join(map(str, levels)),
        ))  # fmt: skip
    heads = (
        "cameras", "codec", "workers", "on time", "dropped", "capture → result, ms", "capture → viewer, ms",
        "CPU ms a frame", "cores used", "level",
    )  # fmt: skip
    return table(heads, lines)


def processes(results: Mapping[str, Any]) -> str:
    """Return memory and CPU of each process with four cameras."""
    run = results["live_4"]
    lines = [(name, f"{mib} MiB", f"{100 * run['cpu_share'][name]:.1f} %") for name, mib in run["rss_mib"].items()]
    return table(("process", "memory", "of a core"), lines)


def overhead(results: Mapping[str, Any]) -> str:
    """Return CPU time a frame of worker and kernels."""
    document = results["overhead"]
    rounds = {name: str(Spread(**spread)) for name, spread in document["rounds"].items()}
    stages = ", ".join(f"{stage} {each}" for stage, each in document["stages_ms"].items())
    lines = [("worker", rounds["worker_ms"]), (f"kernels ({stages})", rounds["kernels_ms"])]
    return table(("what", "CPU ms a frame"), [*lines, ("overhead", rounds["overhead_ms"])])


def scale(results: Mapping[str, Any]) -> str:
    """Return the pace by workers, and the cost by cameras."""
    document = results["scale"]
    lines = [
        (f"{workers}, {words}", f"{pace['fps']} frames/s", pace["cpu_ms"])
        for way, words in (("burn", "a stub that uses the CPU"), ("sleep", "a stub that waits"))
        for workers, pace in document[way].items()
    ]
    by_workers = table(("workers", "pace", "CPU ms a frame"), lines)
    return f"{by_workers}\n\n{table(('cameras', 'worker, CPU ms a frame'), document['cost_ms'].items())}"


def fanout(results: Mapping[str, Any]) -> str:
    """Return what many viewers of one camera get, and what that costs."""
    document = results["fanout"]
    ways = {"MJPEG": document, "one connection for all tiles": document["tiles"]}
    lines = [
        (words, document["viewers"], way["fps_min"], way["fps_median"], f"{100 * way['cpu_share']:.1f} %",
         " / ".join(str(way["age_ms"][each]) for each in ("p50", "p95")))
        for words, way in ways.items()
    ]  # fmt: skip
    heads = ("way", "viewers", "fps of the slowest", "median fps", "of a core", "age of a picture, ms (p50 / p95)")
    return table(heads, lines)


def agreement(results: Mapping[str, Any]) -> str:
    """Return what each saving gains, and how well it agrees with everything on every frame."""
    lines = []
    for name, clip in results["agreement"]["clips"].items():
        for way in clip["ways"]:
            lines.append((
                name, way["way"], way["cpu_ms"], way["gain"], f"{100 * way['label_share']:.1f} %",
                f"{100 * way['found_share']:.1f} %", way["iou"], way["new_face_ms"], "✓" if way["kept"] else "✗",
            ))  # fmt: skip
    heads = (
        "clip", "saving", "CPU ms a frame", "times faster", "same label", "faces found", "median IoU",
        "a new face is boxed later by, ms", "",
    )  # fmt: skip
    return table(heads, lines)


def start(results: Mapping[str, Any]) -> str:
    """Return when each process is ready."""
    document = results["start"]
    lines = [
        (name, str(Spread(**each)), str(Spread(**document["ready_cpu_s"][name])), document["rss_mib"][name])
        for name, each in document["ready_s"].items()
    ]
    return table(("process", "seconds until ready", "of CPU time", "MiB then"), lines)


def table(heads: Iterable[object], lines: Iterable[Iterable[object]]) -> str:
    """Return a table in Markdown."""
    first = list(heads)
    all_lines: list[list[object]] = [first, ["---"] * len(first), *(list(line) for line in lines)]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in all_lines)


TABLES: Mapping[str, Callable[[Mapping[str, Any]], str]] = {
    "targets": targets,
    "frame": frame,
    "live": live,
    "processes": processes,
    "overhead": overhead,
    "scale": scale,
    "start": start,
    "fanout": fanout,
    "agreement": agreement,
}
