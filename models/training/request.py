"""What is asked of a training: which net, from which weights, with what."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from models.nets.heads import EMOTION, Heads

Backend = Literal["tensorflow", "torch", "jax"]


@dataclass(frozen=True, slots=True)
class TrainingRequest:
    """What to train, and from where: `start` is `none`, `imagenet`, or a file (.zip, a run's best.npz, or .pth), or
    several, whose mean it starts from.

    `crops` says that the pictures of a folder or CSV are faces cut out already. `take`, when not 0, is how many of the
    training faces are used, drawn at random: for a try. `heads`: what the net says of a face.
    """

    backbone: str = "convnext-atto"
    stem: str = ""
    size: int = 0
    start: tuple[str, ...] = ("none",)
    teachers: tuple[Path, ...] = ()
    backend: Backend = "tensorflow"
    crops: bool = False
    take: int = 0
    heads: Heads = EMOTION
