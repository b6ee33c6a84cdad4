"""`python -m bench transfer FERPLUS.npz`: is a face in a frame read as well as the 48-pixel crop that it came from?

Pictures of FER+ (validation) are put into colour frames of 1280×720 pixels: scaled to a size, tinted, edges blended
into a background, tilted, lit, and packed as JPEG. Then they are what a camera delivers: the detector must find the
face, its eyes decide the crop, and the net reads that. Of the faces found, the labels read this way are compared with
the true ones, and so are those of the very same pictures taken as crops: the difference is what the way through a
frame costs. Sizes are those of the picture's side, which shows a face from forehead to chin or less.

How many are found says little about real faces: these have no hair, neck or ears, and their edges are soft.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track
from rich.table import Table

from bench.report.machine import describe
from mien.errors import MienError
from mien.logs import configure_logs
from mien.pixels import Grey, Rgb
from mien.settings import Settings
from models.classifier import Classifier
from models.detect.detector import detector_of
from models.evaluation.predictions import Predictions, Predictor
from models.labelled.data import LabelledData, Pictures, part_of, read_labelled
from models.nets import weights as weights_file
from models.nets.weights import Weights
from models.pictures.picture import decode, encode_jpeg
from models.runtimes.choose import open_runtime
from tests.support.demo_media import texture

FRAME_WIDTH, FRAME_HEIGHT = 1280, 720
TEXTURES = ("coffee", "rocket", "brick", "gravel")
SOFT_EDGE = 0.12
"""The part of a face's side over which it fades into the background."""


@dataclass(frozen=True, slots=True)
class Scene:
    """How faces are shown: side in pixels, tilt in degrees at most, light, noise (grey levels) and JPEG quality.

    `light` is a factor on all pixels; with `from_side` it falls to half of that from one side of the face to the other.
    """

    name: str
    size_px: int
    tilt_deg: float = 5.0
    light: float = 1.0
    from_side: bool = False
    noise: float = 2.0
    quality: int = 85


SCENES = (
    *(Scene(f"{size} px", size) for size in (30, 36, 48, 64, 100, 200, 300)),
    Scene("100 px, tilted up to 20°", 100, tilt_deg=20),
    Scene("100 px, a third of the light", 100, light=0.33, noise=8),
    Scene("100 px, too bright by half", 100, light=1.5),
    Scene("100 px, light from one side", 100, from_side=True),
    Scene("100 px, JPEG quality 30", 100, quality=30),
)


@dataclass(frozen=True, slots=True)
class Framed:
    """Pictures of faces put into frames, made when they are read: the same ones every time."""

    faces: Pictures
    scene: Scene
    backgrounds: tuple[Rgb, ...] = field(repr=False)

    def __len__(self) -> int:
        return len(self.faces)

    def name(self, row: int) -> str:
        """Return the name of the face's picture."""
        return self.faces.name(row)

    def take(self, rows: NDArray[np.int64]) -> Framed:
        """Return frames of some of the faces."""
        return Framed(self.faces.take(rows), self.scene, self.backgrounds)

    def read(self, row: int) -> Rgb:
        """Return the frame of a face, 1280×720."""
        random = np.random.default_rng([self.scene.size_px, row])
        frame = self.backgrounds[row % len(self.backgrounds)].astype(np.float32)
        _paste(frame, _tinted(self.faces.read(row), random), self.scene, random)
        frame += random.normal(0, self.scene.noise, (FRAME_HEIGHT, FRAME_WIDTH, 1))
        return decode(encode_jpeg(frame.clip(0, 255).astype(np.uint8), self.scene.quality))


@dataclass(frozen=True, slots=True)
class Row:
    """One scene: of `n` faces the share found; how right the found ones are, and how right the same ones are as crops.

    `cost` is the difference in points; `same` the share that is read alike both ways.
    """

    scene: str
    n: int
    found: float
    accuracy: float
    as_crops: float
    cost: float
    same: float


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table, or one JSON document; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="the npz of FER+")
    parser.add_argument("--weights", type=Path, help="a set of weights; without it, those that mien ships")
    parser.add_argument("--faces", type=int, default=1000, help="faces of each scene, drawn at random (1000)")
    parser.add_argument("--json", action="store_true", help="print one JSON document and nothing else")
    given = parser.parse_args(arguments)
    configure_logs("warning")
    cv2.setNumThreads(1)
    try:
        rows = list(measure(given.data, weights_file.load(given.weights), given.faces))
    except MienError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    if given.json:
        print(json.dumps({"machine": describe(), "scenes": [asdict(row) for row in rows]}))
    else:
        _print(rows)
    return 0


def measure(path: Path, weights: Weights, faces: int, scenes: Sequence[Scene] = SCENES) -> Iterator[Row]:
    """Yield a row for each scene. Raises InputError when the data cannot be used."""
    data = _some(part_of(read_labelled(path), "validation"), faces)
    backgrounds = tuple(cv2.resize(texture(name), (FRAME_WIDTH, FRAME_HEIGHT)) for name in TEXTURES)
    classifier = Classifier(weights, open_runtime(weights, "auto", threads=1))
    crops = Predictor(classifier, None).predict(data.pictures).probabilities[0].argmax(axis=1)
    predictor = Predictor(classifier, detector_of(Settings()))
    for scene in track(scenes, "scenes", console=Console(stderr=True)):
        yield compare(scene, predictor.predict(Framed(data.pictures, scene, backgrounds)), crops, data.labels)


def compare(scene: Scene, predictions: Predictions, crops: NDArray[np.int64], labels: NDArray[np.int64]) -> Row:
    """Return how what was predicted in frames compares with what was predicted in crops [N] and with the labels [N]."""
    found = ~np.isnan(predictions.boxes[:, 0])
    predicted = predictions.probabilities[0][found].argmax(axis=1)
    truth, cropped = labels[found], crops[found]
    accuracy, as_crops = _share(predicted == truth), _share(cropped == truth)
    return Row(
        scene=scene.name,
        n=len(labels),
        found=float(found.mean()),
        accuracy=accuracy,
        as_crops=as_crops,
        cost=100 * (as_crops - accuracy),
        same=_share(predicted == cropped),
    )


def _share(right: NDArray[np.bool_]) -> float:
    return float(right.mean()) if len(right) else 0.0


def _some(data: LabelledData, count: int) -> LabelledData:
    clear = np.flatnonzero(data.clear)
    return data.take(np.sort(np.random.default_rng(0).permutation(clear)[:count]))


def _tinted(grey: Grey, random: np.random.Generator) -> NDArray[np.float32]:
    """Return a grey face in the colours of some skin and light, float32 [H, W, 3], as bright as before."""
    tint = np.array([1.15, 0.97, 0.85]) + random.uniform(-0.08, 0.08, 3)
    tint /= tint @ (0.299, 0.587, 0.114)  # weights of red, green and blue in luma (ITU-R BT.601)
    return (grey[:, :, np.newaxis] * tint).astype(np.float32)


def _paste(frame: NDArray[np.float32], face: NDArray[np.float32], scene: Scene, random: np.random.Generator) -> None:
    """Put a face somewhere into a frame, tilted and lit, its edges fading."""
    side, size = face.shape[0], scene.size_px
    if size < side:
        face, side = cv2.resize(face, (size, size), interpolation=cv2.INTER_AREA), size
    face = face * scene.light
    if scene.from_side:
        face = face * np.linspace(1.0, 0.5, side, dtype=np.float32)[np.newaxis, :, np.newaxis]
    ramp = np.minimum(np.arange(1, side + 1), np.arange(side, 0, -1)) / (SOFT_EDGE * side)
    alpha = np.outer(ramp.clip(0, 1), ramp.clip(0, 1)).astype(np.float32)
    room = 0.75 * size
    centre = (random.uniform(room, FRAME_WIDTH - room), random.uniform(room, FRAME_HEIGHT - room))
    matrix = cv2.getRotationMatrix2D(
        ((side - 1) / 2, (side - 1) / 2), random.uniform(-scene.tilt_deg, scene.tilt_deg), size / side
    )
    matrix[:, 2] += np.array(centre) - (side - 1) / 2
    put = cv2.warpAffine(np.dstack([face, alpha]), matrix, (FRAME_WIDTH, FRAME_HEIGHT), flags=cv2.INTER_CUBIC)
    share = put[:, :, 3:].clip(0, 1)
    frame *= 1 - share
    frame += put[:, :, :3] * share


def _print(rows: Sequence[Row]) -> None:
    table = Table("faces in frames", "found", "accuracy", "as crops", "cost", "read alike", caption=describe())
    for row in rows:
        table.add_row(
            row.scene, f"{row.found:.1%}", f"{row.accuracy:.1%}", f"{row.as_crops:.1%}", f"{row.cost:+.1f}",
            f"{row.same:.1%}",
        )  # fmt: skip
    Console().print(table)


if __name__ == "__main__":
    sys.exit(main())
