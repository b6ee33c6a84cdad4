"""A tiny synthetic stand-in for FER+: smooth random pictures whose brightness pattern tells the emotion."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from mien.types import EMOTIONS
from models.labelled.ferplus import VOTE_COLUMNS


def picture(emotion: int, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Return a 48×48 picture; a bright patch lies where the emotion says."""
    noise = cv2.GaussianBlur(rng.uniform(0, 255, (48, 48)).astype(np.float32), (0, 0), 3)
    patch = np.zeros((48, 48), np.float32)
    top, left = divmod(emotion, 3)
    patch[2 + 15 * top : 14 + 15 * top, 2 + 15 * left : 14 + 15 * left] = 120
    return np.asarray((noise + patch).clip(0, 255), np.uint8)


def votes_for(name: str, count: int = 8, other: str = "unknown", other_count: int = 0) -> list[int]:
    """Return ten counts: `count` for one column, `other_count` for another."""
    row = [0] * len(VOTE_COLUMNS)
    row[VOTE_COLUMNS.index(name)] = count
    row[VOTE_COLUMNS.index(other)] += other_count
    return row


def write_npz(path: Path, per_split: tuple[int, int, int] = (96, 24, 24), seed: int = 0) -> Path:
    """Write an npz as `mien train` takes it, emotions in turn."""
    rng = np.random.default_rng(seed)
    pictures, votes, split = [], [], []
    for number, count in enumerate(per_split):
        for index in range(count):
            emotion = index % len(EMOTIONS)
            pictures.append(picture(emotion, rng))
            votes.append(votes_for(EMOTIONS[emotion]))
            split.append(number)
    names = np.array([f"fer{index:07d}.png" for index in range(len(pictures))])
    np.savez(path, images=np.stack(pictures), votes=np.array(votes), split=np.array(split), name=names)
    return path
