"""Labelled pictures on disk for tests: small synthetic faces, and real ones."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from models.pictures.picture import encode_jpeg
from tests.support.media import astronaut
from tests.support.tiny_faces import picture


def write_picture(path: Path, pixels: NDArray[np.uint8]) -> Path:
    """Write a picture as PNG, grey or RGB, and return its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    whole, data = cv2.imencode(".png", pixels if pixels.ndim == 2 else pixels[..., ::-1])
    assert whole
    path.write_bytes(data.tobytes())
    return path


def write_class_folders(folder: Path, classes: dict[str, int], each: int = 4, seed: int = 0) -> Path:
    """Write `each` synthetic 48-pixel crops into a folder for each name; its number is the emotion that they show."""
    rng = np.random.default_rng(seed)
    for name, emotion in classes.items():
        for number in range(each):
            write_picture(folder / name / f"{number}.png", picture(emotion, rng))
    return folder


def write_portraits(folder: Path) -> Path:
    """Write one real face in several lights and sizes as happy or sad, an empty wall, and a file that is no picture."""
    portrait = astronaut()
    for number, (side, light, name) in enumerate(
        ((512, 1.0, "Happy"), (400, 0.8, "Happy"), (320, 1.2, "Happy"), (512, 0.6, "sadness"), (256, 1.0, "uncertain"))
    ):
        pixels = cv2.resize(portrait, (side, side), interpolation=cv2.INTER_AREA)
        pixels = (pixels * light).clip(0, 255).astype(np.uint8)
        path = folder / name / f"{number}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encode_jpeg(np.asarray(pixels, np.uint8)))
    write_picture(folder / "sadness" / "wall.png", np.full((200, 200, 3), 120, np.uint8))
    (folder / "sadness" / "broken.jpg").write_bytes(b"\xff\xd8\xff broken")
    return folder
