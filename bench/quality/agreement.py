"""`python -m bench agreement [--media DIR] [--json]`: what does each saving gain, and what does it change?

Clips of moving people go through a live worker's analysis at 25 fps, frame by frame under every plan in turn, so that
times are compared side by side; everything on every frame is what the others are compared with. The demo clip is
always read; `one_by_one.mp4` and `two_faces.gif` when they are in the folder that `--media` or MIEN_TEST_MEDIA names.
Times are CPU times: on a machine that is not quiet, only these count.

The targets are for steady faces, which everything on every frame finds in at least half of the frames within half a
second before and after, and which are not smaller than what the detector promises to find. The others, seen for a frame
or two, are hair, hands and shoes more often than faces: windows that see them larger deny most of them. How all faces
fare is measured too.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import time
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import track
from rich.table import Table

from bench.report.machine import describe
from mien.bus.plan import EVERYTHING, SavingsPlan
from mien.limits import SMALLEST_FACE_PX
from mien.logs import configure_logs
from mien.settings import Settings
from mien.types import Face, Frame
from models.analyzer import open_analyzer
from models.detect.windows import overlap
from models.pictures.picture import encode_jpeg, read_header
from tests.support.demo_media import DEFAULT_FOLDER, clip, demo_file
from worker.analyzer import LiveAnalyzer
from worker.live.analyse import BatchAnalysis

FPS = 25
JPEG_QUALITY = 88
DEMO_CLIP = "WolfgangLanger_Pexels.mp4"
EXTRA_CLIPS = ("one_by_one.mp4", "two_faces.gif")
MEDIA_VARIABLE = "MIEN_TEST_MEDIA"

SAME_FACE_IOU = 0.3
"""Least overlap of two boxes of one face; how well they fit is measured apart."""

STEADY_FRAMES = FPS // 2
STEADY_SHARE = 0.5
"""A face is steady in a frame when its track was found in this share of the frames around, so many on each side."""

BOX_OF_FACE = 0.75
"""A box from brows to chin has about this share of a face's height, which is what the smallest face is given in."""

PROMISED_CLASSIFY_MS = 120.0

NEW_FRAMES = 3
"""A new face may be boxed so many frames late (120 ms): that is measured apart."""

_STEP_NS = 1_000_000_000 // FPS
_START_NS = 1_000_000_000_000


@dataclass(frozen=True, slots=True)
class Targets:
    """What every plan must keep, on every clip."""

    label_share: float = 0.98
    found_share: float = 0.98
    iou: float = 0.8
    new_face_ms: float = 120.0


@dataclass(frozen=True, slots=True)
class Way:
    """A way to read a clip: its name, its plan, whether somebody watches, and how often each frame comes."""

    name: str
    plan: SavingsPlan
    is_watched: bool = True
    times: int = 1

    @property
    def is_promised(self) -> bool:
        """Whether the targets hold for it: for plans that a worker chooses before it detects only larger faces."""
        return self.plan.smallest_face_px <= SMALLEST_FACE_PX and self.plan.classify_ms <= PROMISED_CLASSIFY_MS


SAVINGS = (
    Way("detect every 80 ms", SavingsPlan(scan_ms=80)),
    Way("detect every 120 ms", SavingsPlan(scan_ms=120)),
    Way("detect every 160 ms", SavingsPlan(scan_ms=160)),
    Way("… and nobody watches", SavingsPlan(scan_ms=160), is_watched=False),
    Way("classify every 80 ms", SavingsPlan(classify_ms=80)),
    Way("classify every 120 ms", SavingsPlan(classify_ms=120)),
    Way("classify every 200 ms", SavingsPlan(classify_ms=200)),
    Way("faces from 64 px", SavingsPlan(smallest_face_px=64)),
    Way("faces from 96 px", SavingsPlan(smallest_face_px=96)),
    Way("detect 80", SavingsPlan(80, 80)),
    Way("detect 120", SavingsPlan(120, 120)),
    Way("detect 160, classify 120", SavingsPlan(160, 120)),
    Way("… and nobody watches", SavingsPlan(160, 120), is_watched=False),
    Way("detect 160, classify 200", SavingsPlan(160, 200)),
    Way("detect 160, classify 120, from 64 px", SavingsPlan(160, 120, 64)),
    Way("detect 160, classify 120, from 96 px", SavingsPlan(160, 120, 96)),
)
"""Each saving alone, then together. Detecting only larger faces misses small ones, so it comes with no promise."""

TWICE = (Way("everything", EVERYTHING, times=2), Way("identical frames", SavingsPlan(classify_ms=1), times=2))
"""Every frame comes twice, as from a camera that shows 12.5 pictures a second at 25 fps."""


@dataclass(frozen=True, slots=True)
class Clip:
    """Some frames as JPEG."""

    name: str
    jpegs: tuple[bytes, ...] = field(repr=False)

    @property
    def least_px(self) -> float:
        """Longer side of the box of the smallest face that the detector promises to find."""
        header = read_header(self.jpegs[0])
        return BOX_OF_FACE * SMALLEST_FACE_PX * min(header.width, header.height) / 720


@dataclass(slots=True)
class Read:
    """What a way of reading gave: the faces of each frame, and its CPU time."""

    way: Way
    faces: list[tuple[Face, ...]] = field(default_factory=list)
    cpu_s: float = 0.0

    @property
    def cpu_ms(self) -> float:
        """CPU milliseconds a frame."""
        return 1000 * self.cpu_s / len(self.faces)


@dataclass(frozen=True, slots=True)
class Agreement:
    """How far a way of reading agrees with everything on every frame; shares are of its faces, over all frames.

    `label_share` and `found_share` are of the `steady` ones, without the first 120 ms of each. `new_face_ms`: the
    longest time until a new face was boxed, steady or not. `extra_share`: faces that everything on every frame did not
    find.
    """

    faces: int
    steady: int
    label_share: float
    found_share: float
    all_label_share: float
    all_found_share: float
    iou: float
    new_face_ms: float
    extra_share: float

    def keeps(self, targets: Targets) -> bool:
        """Return whether it is as close as it must be."""
        return (
            self.label_share >= targets.label_share
            and self.found_share >= targets.found_share
            and self.iou >= targets.iou
            and self.new_face_ms <= targets.new_face_ms
        )

    def to_dict(self) -> dict[str, float]:
        """Return it as JSON types."""
        return {
            "faces": self.faces,
            "steady": self.steady,
            "label_share": round(self.label_share, 4),
            "found_share": round(self.found_share, 4),
            "all_label_share": round(self.all_label_share, 4),
            "all_found_share": round(self.all_found_share, 4),
            "iou": round(self.iou, 3),
            "new_face_ms": round(self.new_face_ms),
            "extra_share": round(self.extra_share, 4),
        }


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--media", type=Path, default=os.environ.get(MEDIA_VARIABLE), help="folder of more clips")
    parser.add_argument("--demo-media", type=Path, default=DEFAULT_FOLDER, help="folder of the demo media")
    parser.add_argument("--frames", type=int, default=500, help="of each clip, at most (500)")
    parser.add_argument("--smoke", action="store_true", help="the demo clip only, the strongest plan")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    given = parser.parse_args(arguments)
    configure_logs("warning")
    machine = describe()
    clips = load_clips(given.demo_media, None if given.smoke else given.media, given.frames)
    ways = (Way("detect 160, classify 120", SavingsPlan(160, 120)),) if given.smoke else SAVINGS
    analyzer = open_analyzer(Settings())
    document: dict[str, Any] = {"machine": machine, "fps": FPS, "clips": {}}
    console = Console(stderr=given.json, width=None if sys.stdout.isatty() else 140)
    for each in clips:
        rows = measure(analyzer, each, ways, console)
        document["clips"][each.name] = {"frames": len(each.jpegs), "ways": rows}
        if not given.json:
            _print(each, rows, console)
    document["kept"] = all(
        row["kept"] for each in document["clips"].values() for row in each["ways"] if row["promised"]
    )
    if given.json:
        print(json.dumps(document))


def load_clips(demo_media: Path = DEFAULT_FOLDER, media: Path | None = None, frames: int | None = None) -> list[Clip]:
    """Return the clips that there are, their frames made JPEGs once."""
    paths = [demo_file(DEMO_CLIP, demo_media)]
    paths += [media / name for name in EXTRA_CLIPS if media is not None and (media / name).is_file()]
    return [
        Clip(path.name, tuple(encode_jpeg(rgb, JPEG_QUALITY) for rgb in islice(clip(path), frames))) for path in paths
    ]


def measure(
    analyzer: LiveAnalyzer, of: Clip, ways: Sequence[Way], console: Console | None = None
) -> list[dict[str, Any]]:
    """Return a row for each way to read a clip: plan, CPU time, gain and agreement."""
    once = [Way("everything", EVERYTHING), *ways]
    rows = []
    for group in (once, TWICE):
        reads = read_clip(analyzer, of, group, console)
        rows += [_row(reads[0], each, of.least_px) for each in reads]
    return rows


def read_clip(analyzer: LiveAnalyzer, of: Clip, ways: Sequence[Way], console: Console | None = None) -> list[Read]:
    """Read a clip in several ways, which must have each frame come equally often, frame by frame side by side."""
    reads = [Read(way) for way in ways]
    analyses = [BatchAnalysis(analyzer) for _ in ways]
    jpegs = [jpeg for jpeg in of.jpegs for _ in range(ways[0].times)]
    for number, frame in enumerate(track(list(_frames(jpegs)), of.name, console=console, disable=console is None)):
        # Who comes first reads the bytes into the processor's caches: everyone does at times.
        for turn in range(len(ways)):
            place = (number + turn) % len(ways)
            way, read = ways[place], reads[place]
            watched = frozenset([frame.camera]) if way.is_watched else frozenset()
            started_s = time.process_time()
            analysed, drops = analyses[place].run([frame], frame.captured_ns, way.plan, watched)
            read.cpu_s += time.process_time() - started_s
            if drops:
                raise SystemExit(f"frame {number} of {of.name} could not be read: {drops}")
            read.faces.append(analysed[0].faces)
    return reads


def compare(
    everything: Sequence[tuple[Face, ...]], other: Sequence[tuple[Face, ...]], least_px: float = 0.0
) -> Agreement:
    """Return how far the faces of two readings of one clip agree; those with a box below `least_px` are not steady."""
    pairs = [match(expected, found) for expected, found in zip(everything, other, strict=True)]
    matched = [pair for frame in pairs for pair in frame]
    steady = steady_faces(everything, least_px)
    steadily = [pair for number, frame in enumerate(pairs) for pair in frame if (number, pair[0].track) in steady]
    faces, found = sum(map(len, everything)), sum(map(len, other))
    return Agreement(
        faces=faces,
        steady=len(steady),
        label_share=_same_labels(steadily),
        found_share=len(steadily) / len(steady) if steady else 1.0,
        all_label_share=_same_labels(matched),
        all_found_share=len(matched) / faces if faces else 1.0,
        iou=statistics.median(overlap(one.box, two.box) for one, two in matched) if matched else 1.0,
        new_face_ms=1000 / FPS * max(_delays(everything, pairs), default=0),
        extra_share=(found - len(matched)) / faces if faces else float(found),
    )


def steady_faces(frames: Sequence[tuple[Face, ...]], least_px: float = 0.0) -> frozenset[tuple[int, str]]:
    """Return frame number and track of each face that is there to stay, and was there for 120 ms."""
    seen: dict[str, list[int]] = {}
    for number, faces in enumerate(frames):
        for face in faces:
            if max(face.box[2:]) >= least_px:
                seen.setdefault(face.track, []).append(number)
    steady = set()
    for name, numbers in seen.items():
        for number in numbers:
            first, last = max(0, number - STEADY_FRAMES), min(len(frames) - 1, number + STEADY_FRAMES)
            around = bisect_right(numbers, last) - bisect_left(numbers, first)
            is_new = numbers[0] > 0 and number < numbers[0] + NEW_FRAMES
            if around >= STEADY_SHARE * (last - first + 1) and not is_new:
                steady.add((number, name))
    return frozenset(steady)


def match(expected: Sequence[Face], found: Sequence[Face]) -> list[tuple[Face, Face]]:
    """Return the pairs of one frame that are the same face, best overlap first, no face in two pairs."""
    candidates = [(overlap(one.box, two.box), i, k) for i, one in enumerate(expected) for k, two in enumerate(found)]
    pairs: dict[int, int] = {}
    for iou, i, k in sorted(candidates, reverse=True):
        if iou >= SAME_FACE_IOU and i not in pairs and k not in pairs.values():
            pairs[i] = k
    return [(expected[i], found[k]) for i, k in pairs.items()]


def _same_labels(pairs: Sequence[tuple[Face, Face]]) -> float:
    return sum(one.label == two.label for one, two in pairs) / len(pairs) if pairs else 1.0


def _delays(everything: Sequence[tuple[Face, ...]], pairs: Sequence[Sequence[tuple[Face, Face]]]) -> Iterator[int]:
    """Yield for each face how many frames later than everything the other reading boxes it.

    A face that is gone again before counts with the frames that it was there.
    """
    since: dict[str, int] = {}
    done: set[str] = set()
    for number, (expected, matched) in enumerate(zip(everything, pairs, strict=True)):
        here, boxed = {face.track for face in expected}, {one.track for one, _ in matched}
        for name in here:
            since.setdefault(name, number)
        for name in [name for name in since if name not in done and (name in boxed or name not in here)]:
            done.add(name)
            yield number - since[name]


def _frames(jpegs: Sequence[bytes]) -> Iterator[Frame]:
    for number, jpeg in enumerate(jpegs):
        header = read_header(jpeg)
        yield Frame(
            "clip", number, _START_NS + number * _STEP_NS, header.width, header.height, jpeg, frame_id=f"{number}"
        )


def _row(everything: Read, read: Read, least_px: float) -> dict[str, Any]:
    agreement = compare(everything.faces, read.faces, least_px)
    return {
        "way": read.way.name,
        "plan": read.way.plan.to_dict(),
        "watched": read.way.is_watched,
        "promised": read.way.is_promised,
        "each_frame_comes": read.way.times,
        "cpu_ms": round(read.cpu_ms, 2),
        "gain": round(everything.cpu_ms / read.cpu_ms, 2),
        **agreement.to_dict(),
        "kept": agreement.keeps(Targets()),
    }


def _print(of: Clip, rows: Sequence[Mapping[str, Any]], console: Console) -> None:
    targets = Targets()
    faces = f"{rows[0]['faces']} faces, {rows[0]['steady']} steady"
    table = Table(title=f"{of.name}, {len(of.jpegs)} frames at {FPS} fps, {faces}", title_justify="left")
    for name in ("", "CPU ms", "gain", f"labels ≥ {targets.label_share:.0%}", f"found ≥ {targets.found_share:.0%}"):
        table.add_column(name, justify="right" if name else "left")
    for name in ("of all", f"IoU ≥ {targets.iou}", f"new face ≤ {targets.new_face_ms:g} ms", "extra", "kept"):
        table.add_column(name, justify="right")
    for row in rows:
        table.add_row(
            row["way"] + (", frames twice" if row["each_frame_comes"] == 2 else ""),
            f"{row['cpu_ms']:.1f}",
            f"{row['gain']:.1f}",
            f"{row['label_share']:.1%}",
            f"{row['found_share']:.1%}",
            f"{row['all_label_share']:.1%}, {row['all_found_share']:.1%}",
            f"{row['iou']:.3f}",
            f"{row['new_face_ms']:.0f}",
            f"{row['extra_share']:.1%}",
            "yes" if row["kept"] else "NO" if row["promised"] else "no",
        )
    console.print(table)


if __name__ == "__main__":
    main()
