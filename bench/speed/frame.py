"""`python -m bench frame [--rounds N] [--json]`: one 720p frame, ours against the classic way and against `fer`.

JPEGs of 1280×720 pixels with no face, one, two and five, made from the demo media. Each way decodes them, finds the
faces and reads their emotions, everything on every frame, in a process of its own, all on one and the same core, warm,
in turns: picture by picture, round by round. Ratios are taken picture by picture within a round; they compare the time
for the picture, whatever each way found in it. `make bench-setup` installs what the other two need.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from rich.console import Console
from rich.table import Table

from bench.report.machine import Spread, cores, describe, pinned, rss_mib
from bench.scene.clips import CYCLE_FRAMES, HEIGHT, WIDTH, side_by_side
from bench.scene.setup_baselines import CLASSIC_PYTHON, FER_PYTHON
from bench.scene.site import stopped_cleanly
from mien.errors import InputError
from mien.pixels import Rgb
from models.pictures.picture import encode_jpeg
from tests.support.demo_media import DEFAULT_FOLDER, astronaut, clip, demo_file, photo, texture
from tests.support.paths import ROOT

FACES = (0, 1, 2, 5)
TARGETS = {"classic": 100.0, "fer": 10.0}
BASELINES = ("classic", "fer")
_QUALITY = 88
_OURS_REPEATED = 5


@dataclass(frozen=True, slots=True)
class Took:
    """What one way took for one picture; `faces` is how many it found."""

    wall_ms: float
    cpu_ms: float
    faces: int


Measured = dict[int, dict[str, list[list[Took]]]]
"""By faces in the picture and by way: for each round, what each picture took."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3, help="of everything (3)")
    parser.add_argument("--pictures", type=int, default=2, help="with each number of faces (2)")
    parser.add_argument("--media", type=Path, default=DEFAULT_FOLDER, help="folder of the demo media")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    given = parser.parse_args(arguments)
    machine = describe()
    with stopped_cleanly(), tempfile.TemporaryDirectory(prefix="mien-bench-") as folder:
        pictures = write_pictures(Path(folder), given.pictures, given.media)
        measured, rss = measure(pictures, given.rounds)
    document = {"machine": machine, "rounds": given.rounds, **summary(measured), "rss_mib": rss}
    print(json.dumps(document)) if given.json else _print(document)


def write_pictures(folder: Path, count: int, media: Path = DEFAULT_FOLDER) -> dict[int, list[Path]]:
    """Write `count` pictures for each number of faces, and return their paths."""
    written: dict[int, list[Path]] = {}
    for faces in FACES:
        written[faces] = []
        for number, rgb in enumerate(_scenes(faces, count, media)):
            path = folder / f"{faces}-faces-{number}.jpg"
            path.write_bytes(encode_jpeg(rgb, _QUALITY))
            written[faces].append(path)
    return written


def measure(
    pictures: dict[int, list[Path]], rounds: int, baselines: Sequence[str] = BASELINES, backbone: str = "ConvNeXtXLarge"
) -> tuple[Measured, dict[str, int]]:
    """Return what every way took in every round, and the highest memory of each (MiB)."""
    core = cores()[-1]
    commands = {
        "mien": [sys.executable, "-m", "bench.scene.mien_loop"],
        "classic": [str(CLASSIC_PYTHON), "-m", "bench.scene.classic_loop", backbone],
        "fer": [str(FER_PYTHON), "-m", "bench.scene.fer_loop"],
    }
    measured: Measured = {faces: {} for faces in pictures}
    ways = {
        name: Way(command, core)
        for name, command in commands.items()
        if name == "mien" or (name in baselines and Path(command[0]).is_file())
    }
    try:
        for way in ways.values():
            way.wait()
            for paths in pictures.values():
                way.read(paths[0])
        for _ in range(rounds):
            for faces, paths in pictures.items():
                for name, way in ways.items():
                    measured[faces].setdefault(name, []).append([_read(name, way, path) for path in paths])
        rss = {name: way.highest_mib() for name, way in ways.items()}
    finally:
        for way in ways.values():
            way.close()
    return measured, rss


class Way:
    """A process that reads pictures when it is told to."""

    def __init__(self, command: Sequence[str], core: int) -> None:
        self._process = pinned(
            command, core, environment={"PYTHONPATH": str(ROOT)},
            stdin=subprocess.PIPE, output=subprocess.PIPE, errors=subprocess.DEVNULL,
        )  # fmt: skip
        self._name = " ".join(command[1:3])

    def wait(self) -> None:
        """Wait until it is ready."""
        self._answer()

    def read(self, path: Path) -> Took:
        """Let it read one picture."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{path}\n")
        self._process.stdin.flush()
        answer = self._answer()
        return Took(float(answer["wall_ms"]), float(answer["cpu_ms"]), int(answer["faces"]))

    def highest_mib(self) -> int:
        """Return the most memory that it had."""
        return round(rss_mib(self._process.pid, highest=True))

    def close(self) -> None:
        """End it."""
        self._process.terminate()
        self._process.communicate()

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if line.startswith("{"):
                answer: dict[str, Any] = json.loads(line)
                return answer
        raise SystemExit(f"{self._name} ended")


def summary(measured: Measured) -> dict[str, Any]:
    """Return medians and spread by faces and way, and how many times faster we are."""
    document: dict[str, Any] = {}
    for baseline in BASELINES:
        if baseline in measured.get(2, {}):
            document[f"speedup_vs_{baseline}"] = round(_speedup(measured[2], baseline, "wall_ms").median, 1)
    kinds: dict[str, Any] = {}
    for faces, ways in measured.items():
        kind: dict[str, Any] = {"ways": {name: _figures(rounds) for name, rounds in ways.items()}}
        for baseline in BASELINES:
            if baseline in ways:
                kind[f"speedup_vs_{baseline}"] = {
                    "wall": _speedup(ways, baseline, "wall_ms").to_dict(),
                    "cpu": _speedup(ways, baseline, "cpu_ms").to_dict(),
                }
        kinds[str(faces)] = kind
    return {**document, "faces": kinds}


def _read(name: str, way: Way, path: Path) -> Took:
    """Read one picture; ours a few times, since single milliseconds are easily disturbed."""
    takes = [way.read(path) for _ in range(_OURS_REPEATED if name == "mien" else 1)]
    return sorted(takes, key=lambda took: took.wall_ms)[len(takes) // 2]


def _figures(rounds: list[list[Took]]) -> dict[str, Any]:
    flat = [took for each in rounds for took in each]
    return {
        "ms": Spread.of([took.wall_ms for took in flat]).to_dict(),
        "cpu_ms": Spread.of([took.cpu_ms for took in flat]).to_dict(),
        "faces": round(statistics.mean(took.faces for took in flat), 2),
    }


def _speedup(ways: dict[str, list[list[Took]]], baseline: str, figure: str) -> Spread:
    pairs = zip(ways[baseline], ways["mien"], strict=True)
    return Spread.of([
        getattr(theirs, figure) / getattr(ours, figure)
        for round_theirs, round_ours in pairs
        for theirs, ours in zip(round_theirs, round_ours, strict=True)
    ])  # fmt: skip


def _scenes(faces: int, count: int, media: Path) -> Iterator[Rgb]:
    """Yield frames with so many faces, of different moments."""
    for number in range(count):
        if faces == 0:
            yield _filled(texture(("coffee", "rocket", "brick")[number % 3]))
        elif faces == 1:
            yield _filled(_moment(demo_clip(media), number * 40))
        elif faces == 2:
            yield _moment(side_by_side(media), number * CYCLE_FRAMES // 4)
        else:
            yield _darker(_filled(_group(media)), number)


def demo_clip(media: Path) -> Iterator[Rgb]:
    """Yield the frames of the demo clip, one person; without it a still picture of one."""
    try:
        return clip(demo_file("WolfgangLanger_Pexels.mp4", media))
    except InputError:
        return iter([astronaut()] * CYCLE_FRAMES)


def _group(media: Path) -> Rgb:
    try:
        return photo(demo_file("multi_face.jpg", media))
    except InputError:
        return np.ascontiguousarray(np.hstack([astronaut()] * 5))


def _moment(frames: Iterator[Rgb], number: int) -> Rgb:
    return next(islice(frames, number, None))


def _filled(rgb: Rgb) -> Rgb:
    """Return a picture scaled to fit into a frame, in its own proportions, before its blurred self."""
    height, width = rgb.shape[:2]
    scale = min(WIDTH / width, HEIGHT / height)
    scaled = cv2.resize(rgb, (round(width * scale), round(height * scale)), interpolation=cv2.INTER_CUBIC)
    frame = np.asarray(cv2.resize(cv2.resize(rgb, (16, 9), interpolation=cv2.INTER_AREA), (WIDTH, HEIGHT)), np.uint8)
    top, left = (HEIGHT - scaled.shape[0]) // 2, (WIDTH - scaled.shape[1]) // 2
    frame[top : top + scaled.shape[0], left : left + scaled.shape[1]] = scaled
    return frame


def _darker(rgb: Rgb, number: int) -> Rgb:
    return np.asarray(cv2.convertScaleAbs(rgb, alpha=1 - 0.05 * number), np.uint8)


def _print(document: dict[str, Any]) -> None:
    console = Console()
    table = Table("faces", "way", "ms a picture", "CPU ms", "faces found", "times slower than mien (wall)")
    table.caption = f"{document['machine']}; one core, {document['rounds']} rounds: median (range)"
    for faces, kind in document["faces"].items():
        for name, way in kind["ways"].items():
            ratio = kind.get(f"speedup_vs_{name}")
            times = str(Spread(**ratio["wall"])) if ratio else ""
            table.add_row(faces, name, str(Spread(**way["ms"])), str(Spread(**way["cpu_ms"])), str(way["faces"]), times)
    console.print(table)
    for baseline, target in TARGETS.items():
        if f"speedup_vs_{baseline}" in document:
            speedup = document[f"speedup_vs_{baseline}"]
            console.print(f"two faces, against {baseline}: {speedup} times faster (target {target:g})")
    console.print(f"highest memory, MiB: {document['rss_mib']}", highlight=False)


if __name__ == "__main__":
    main()
