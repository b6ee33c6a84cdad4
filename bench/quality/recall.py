"""`python -m bench recall [--json]`: how many faces does a detector find, by their size?

Real faces with some of their surroundings are pasted, edges blended, into frames of 1280×720 pixels without faces.
The size of a face is its height from forehead to chin. A face counts as found when a detection overlaps it
(intersection over union of at least 0.4: detectors differ in where a face ends).
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from bench.report.machine import describe
from mien.errors import MienError
from mien.limits import SMALLEST_FACE_PX
from mien.pixels import Rgb
from mien.types import Box
from models.detect.detector import Detector, open_detector
from models.detect.windows import overlap
from models.pictures.picture import decode, encode_jpeg
from tests.support.demo_media import DEFAULT_FOLDER, astronaut, clip_frame, demo_file, photo, texture

SIZES_PX = (32, 40, 48, 56, 64, 80, 100, 140, 200, 300)
SMOKE_SIZES_PX = (48, 64, 100, 300)
FRAME_WIDTH, FRAME_HEIGHT = 1280, 720
FOUND_IOU = 0.4

# File, frame (0 for photos), box from forehead to chin: found by YuNet at full size, each checked by eye.
_FACES: tuple[tuple[str, int, Box], ...] = (
    ("multi_face.jpg", 0, (531, 305, 100, 132)),
    ("multi_face.jpg", 0, (686, 289, 103, 135)),
    ("multi_face.jpg", 0, (435, 219, 80, 95)),
    ("multi_face.jpg", 0, (314, 236, 95, 123)),
    ("multi_face.jpg", 0, (216, 62, 90, 114)),
    ("single_face.jpg", 0, (191, 147, 182, 252)),
    ("45-m7-di-ph.jpg", 0, (47, 147, 225, 322)),
    ("15-f13-anc-ph.jpg", 0, (98, 126, 285, 352)),
    ("0-f15-hao-ph.jpg", 0, (105, 109, 281, 379)),
    ("0-f1-su-ph.jpg", 0, (119, 95, 284, 379)),
    ("BWPictureHuman.jpg", 0, (859, 365, 167, 244)),
    ("Image_with_alpha.png", 0, (592, 209, 346, 427)),
    ("face_noface.mov", 0, (336, 128, 216, 317)),
    ("face_noface.mov", 40, (329, 107, 223, 332)),
    ("single_face.mp4", 0, (223, 85, 145, 213)),
    ("single_face.mp4", 40, (219, 70, 149, 224)),
    ("WolfgangLanger_Pexels.mp4", 0, (327, 45, 212, 303)),
    ("WolfgangLanger_Pexels.mp4", 40, (367, 67, 208, 282)),
    ("WolfgangLanger_Pexels.mp4", 80, (316, 74, 209, 286)),
    ("WolfgangLanger_Pexels.mp4", 120, (346, 78, 209, 292)),
    ("WolfgangLanger_Pexels.mp4", 160, (327, 16, 214, 298)),
    ("WolfgangLanger_Pexels.mp4", 240, (341, 26, 205, 293)),
    ("WolfgangLanger_Pexels.mp4", 320, (334, 6, 223, 323)),
    ("WolfgangLanger_Pexels.mp4", 400, (318, 45, 225, 291)),
    ("WolfgangLanger_Pexels.mp4", 460, (355, 73, 239, 278)),
)
_ASTRONAUT_BOX: Box = (178, 63, 90, 113)
_FREE_FRAMES = (("face_noface.mov", 120), ("no_face.mp4", 80), ("free-mountain-vector-01.jpg", 0))
_TEXTURES = ("coffee", "rocket", "brick", "grass", "gravel")


@dataclass(frozen=True, slots=True)
class Source:
    """A real face: the picture it is in, and its box there."""

    picture: Rgb
    box: Box


@dataclass(frozen=True, slots=True)
class Scene:
    """A frame with pasted faces, as a camera would deliver it, and where they are."""

    picture: Rgb
    boxes: tuple[Box, ...]


@dataclass(frozen=True, slots=True)
class Recall:
    """What one detector found of the faces of one size; `extra` counts detections that are no pasted face."""

    size_px: int
    faces: int
    found: int
    extra: int
    frames: int
    cpu_ms: float

    @property
    def share(self) -> float:
        """Found faces of all faces."""
        return self.found / self.faces


def sources(media: Path) -> list[Source]:
    """Return the faces to paste; raises InputError when the media cannot be had."""
    cut = [Source(_picture(demo_file(name, media), frame), box) for name, frame, box in _FACES]
    return [*cut, Source(astronaut(), _ASTRONAUT_BOX)]


def backgrounds(media: Path) -> list[Rgb]:
    """Return frames without faces."""
    free = [_picture(demo_file(name, media), frame) for name, frame in _FREE_FRAMES]
    size = (FRAME_WIDTH, FRAME_HEIGHT)
    return [cv2.resize(picture, size) for picture in [*free, *map(texture, _TEXTURES)]]


def scenes(size_px: int, faces: Sequence[Source], free: Sequence[Rgb], count: int) -> Iterator[Scene]:
    """Yield scenes until `count` faces of one size are pasted: the same ones every time."""
    random = np.random.default_rng(size_px)
    cell = 2.05 * size_px
    columns, rows = min(3, max(1, int(FRAME_WIDTH // cell))), min(2, max(1, int(FRAME_HEIGHT // cell)))
    order = random.permutation(len(faces))
    pasted = number = 0
    while pasted < count:
        frame = free[number % len(free)].copy()
        boxes = []
        for place in range(columns * rows):
            source = _mirrored(faces[order[pasted % len(faces)]], bool(random.integers(2)))
            middle = _middle(place, columns, rows, cell, random)
            boxes.append(_paste(frame, source, size_px, middle))
            pasted += 1
        number += 1
        yield Scene(decode(encode_jpeg(frame, 85)), tuple(boxes))


def measure(detector: Detector, size_px: int, shown: Sequence[Scene]) -> Recall:
    """Return how many faces of the scenes a detector finds, and its median time on one core."""
    detector.detect(shown[0].picture)
    found = extra = 0
    times_ms = []
    for scene in shown:
        start = time.process_time()
        detections = [each.box for each in detector.detect(scene.picture)]
        times_ms.append(1000 * (time.process_time() - start))
        hits = {_best(box, detections) for box in scene.boxes} - {None}
        found += len(hits)
        extra += len(detections) - len(hits)
    faces = sum(len(scene.boxes) for scene in shown)
    return Recall(size_px, faces, found, extra, len(shown), statistics.median(times_ms))


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table, or one JSON document; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m bench recall", description="Recall of each detector by face size.")
    parser.add_argument("--json", action="store_true", help="print one JSON document and nothing else")
    parser.add_argument("--detectors", default="blazeface,yunet,haar", help="names, separated by commas")
    parser.add_argument("--media", type=Path, default=DEFAULT_FOLDER, help="folder of the demo media")
    parser.add_argument("--yunet", type=Path, default=os.environ.get("MIEN_YUNET"), help="file of YuNet")
    parser.add_argument("--precision", choices=("auto", "fp32", "bf16"), default="auto")
    parser.add_argument("--smallest", type=int, default=SMALLEST_FACE_PX, help="the setting smallest_face_px")
    parser.add_argument("--faces", type=int, default=104, help="faces of each size")
    parser.add_argument("--smoke", action="store_true", help="fewer sizes and faces")
    given = parser.parse_args(arguments)
    cv2.setNumThreads(1)
    sizes = SMOKE_SIZES_PX if given.smoke else SIZES_PX
    count = 26 if given.smoke else given.faces
    try:
        faces, free = sources(given.media), backgrounds(given.media)
        shown = {size: list(scenes(size, faces, free, count)) for size in sizes}
        rows = {}
        for name in given.detectors.split(","):
            if name == "yunet" and given.yunet is None:
                continue
            detector = open_detector(
                name, smallest_face_px=given.smallest, yunet=given.yunet, precision=given.precision
            )
            rows[name] = [measure(detector, size, shown[size]) for size in sizes]
    except MienError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    _print_json(rows) if given.json else _print_table(rows)
    return 0


def _print_json(rows: dict[str, list[Recall]]) -> None:
    detectors = {
        name: {
            "recall": {str(row.size_px): round(row.share, 4) for row in each},
            "extra_per_frame": round(sum(row.extra for row in each) / sum(row.frames for row in each), 4),
            "cpu_ms": round(statistics.median(row.cpu_ms for row in each), 2),
        }
        for name, each in rows.items()
    }
    print(json.dumps({"machine": f"{describe()}; one thread", "detectors": detectors}))


def _print_table(rows: dict[str, list[Recall]]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(title="Faces found by height in a 1280×720 frame", caption=f"{describe()}; one thread")
    table.add_column("detector")
    for row in next(iter(rows.values())):
        table.add_column(f"{row.size_px} px", justify="right")
    table.add_column("extra a frame", justify="right")
    table.add_column("CPU ms a frame", justify="right")
    for name, each in rows.items():
        shares = [f"{100 * row.share:.0f} %" for row in each]
        extra = sum(row.extra for row in each) / sum(row.frames for row in each)
        table.add_row(name, *shares, f"{extra:.2f}", f"{statistics.median(row.cpu_ms for row in each):.1f}")
    Console(width=max(120, Console().width)).print(table)


def _picture(path: Path, frame: int) -> Rgb:
    return clip_frame(path, frame) if path.suffix in (".mp4", ".mov", ".mkv") else photo(path)


def _mirrored(source: Source, mirror: bool) -> Source:
    if not mirror:
        return source
    x, y, width, height = source.box
    return Source(source.picture[:, ::-1], (source.picture.shape[1] - x - width, y, width, height))


def _middle(place: int, columns: int, rows: int, cell: float, random: np.random.Generator) -> tuple[float, float]:
    """Return a random spot for one face in its own part of the frame."""
    wide, high = FRAME_WIDTH / columns, FRAME_HEIGHT / rows
    free_x, free_y = max(0.0, wide - cell) / 2, max(0.0, high - cell) / 2
    x = (place % columns + 0.5) * wide + random.uniform(-free_x, free_x)
    return float(x), float((place // columns + 0.5) * high + random.uniform(-free_y, free_y))


def _paste(frame: Rgb, source: Source, size_px: int, middle: tuple[float, float]) -> Box:
    """Paste a face and its surroundings (one face height to each side) into `frame`; returns its box there."""
    x, y, width, height = source.box
    scale = size_px / height
    left, top = max(0, int(x + width / 2 - height)), max(0, int(y + height / 2 - height))
    cut = source.picture[top : int(y + 1.5 * height), left : int(x + width / 2 + height)]
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    patch = cv2.resize(np.ascontiguousarray(cut), None, fx=scale, fy=scale, interpolation=method)
    at_x = int(middle[0] - (x + width / 2 - left) * scale)
    at_y = int(middle[1] - (y + height / 2 - top) * scale)
    from_x, from_y = max(0, -at_x), max(0, -at_y)
    patch = patch[from_y : FRAME_HEIGHT - at_y, from_x : FRAME_WIDTH - at_x]
    alpha = _soft_edges(patch.shape[0], patch.shape[1], max(2, size_px // 4))
    start_x, start_y = max(0, at_x), max(0, at_y)
    part = frame[start_y : start_y + patch.shape[0], start_x : start_x + patch.shape[1]]
    part[:] = (part * (1 - alpha) + patch * alpha).astype(np.uint8)
    return at_x + (x - left) * scale, at_y + (y - top) * scale, width * scale, height * scale


def _soft_edges(height: int, width: int, edge: int) -> np.ndarray:
    rows = np.minimum(np.arange(1, height + 1), np.arange(height, 0, -1)) / edge
    columns = np.minimum(np.arange(1, width + 1), np.arange(width, 0, -1)) / edge
    soft: np.ndarray = (
        np.clip(rows, 0, 1)[:, np.newaxis, np.newaxis] * np.clip(columns, 0, 1)[np.newaxis, :, np.newaxis]
    )
    return soft


def _best(box: Box, detections: Sequence[Box]) -> int | None:
    """Return which detection overlaps a face best, None when none does so enough."""
    overlaps = [overlap(box, each) for each in detections]
    best = max(range(len(overlaps)), key=overlaps.__getitem__, default=None)
    return best if best is not None and overlaps[best] >= FOUND_IOU else None


if __name__ == "__main__":
    sys.exit(main())
