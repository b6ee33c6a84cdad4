"""What a training is made of, and what it tells while it runs: plain data, no Keras."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from mien.errors import SettingsError

TrainingPrecision = Literal["float32", "bfloat16", "float16"]
Keep = Literal["best", "last"]


@dataclass(frozen=True, slots=True)
class Augmentation:
    """How far and how often pictures are changed.

    `rotation_deg` and `shift` (of the side) are standard deviations of a normal, cut at twice that; `scale` is the
    widest zoom in and out; the rest are the chances of each change. `mixup` is the chance that a batch is blended with
    itself, pictures and targets alike (Zhang et al., 2018, with α = 0.2).
    """

    rotation_deg: float = 9.0
    shift: float = 0.05
    scale: float = 1.25
    shear: float = 0.08
    flip: float = 0.5
    light: float = 0.5
    degrade: float = 0.3
    cutout: float = 0.3
    mixup: float = 0.0


@dataclass(frozen=True, slots=True)
class Regularisation:
    """What is random in the net during training: the drop-path rate of the last block and the head's dropout.

    `layer_scale` is where layer scales start: 1e-6 is the paper's, for 300 epochs of ImageNet; a larger start learns
    sooner in short trainings from scratch.
    """

    drop_path: float = 0.1
    dropout: float = 0.1
    layer_scale: float = 0.1


@dataclass(frozen=True, slots=True)
class TrainingPlan:
    """A run. It ends after `epochs`, or after `minutes` of training time, whichever comes first.

    `balance` draws the pictures of a class of n with weights n^-balance: 0 takes them as they come, 1 makes all classes
    equally frequent. `class_weights` does the same to the loss instead. `precision` is that of the computation; weights
    and averages are kept in 32 bits. `distil` is the share of a teacher's opinion in the targets. `va_weight` is how
    much 1 - CCC of valence and arousal counts beside the cross-entropy of the emotions, in nets that measure the two.

    Transfer learning has two phases. While `head_share` of the run is not over, only the head learns, at
    `head_learning_rate`; then also the last `unfreeze` layers with weights of the backbone (None: all of them), the
    head going on from where it is. `patience` ends a run after so many epochs without a better validation accuracy.
    `keep` says which epoch's averaged weights a run ends with: the best on validation, or the last.

    Raises SettingsError when a value cannot be used.
    """

    regularisation: Regularisation = field(default_factory=Regularisation)
    augmentation: Augmentation = field(default_factory=Augmentation)
    epochs: int = 60
    minutes: float = math.inf
    batch: int = 128
    learning_rate: float = 2e-3
    weight_decay: float = 0.05
    warm_up_steps: int = 400
    ema: float = 0.998
    checkpoint_minutes: float = 3.0
    seed: int = 1
    balance: float = 0.0
    class_weights: float = 0.0
    distil: float = 0.7
    head_share: float = 0.0
    head_learning_rate: float = 1e-3
    unfreeze: int | None = None
    patience: int | None = None
    keep: Keep = "best"
    va_weight: float = 0.5
    precision: TrainingPrecision = "float32"

    def __post_init__(self) -> None:
        for name in ("epochs", "minutes", "batch", "learning_rate"):
            if not getattr(self, name) > 0:
                raise SettingsError(f"{name} of a training must be above 0, not {getattr(self, name)}")
        for name in ("distil", "head_share"):
            if not 0 <= getattr(self, name) < 1.000001:
                raise SettingsError(f"{name} of a training must be from 0 to 1, not {getattr(self, name)}")
        if not 0 <= self.va_weight < math.inf:
            raise SettingsError(f"va_weight of a training must be 0 or more, not {self.va_weight}")


@dataclass(frozen=True, slots=True)
class EpochReport:
    """One line of the log: figures on validation are those of the averaged weights.

    `ccc` is the mean concordance of valence and arousal, NaN for nets that do not measure them.
    """

    epoch: int
    step: int
    minutes: float
    learning_rate: float
    train_loss: float
    nll: float
    accuracy: float
    macro_f1: float
    samples_per_s: float
    ccc: float = math.nan


@dataclass(frozen=True, slots=True)
class Tick:
    """Progress within a run: `part` from 0 to 1 of the whole, and minutes trained so far, over all resumes."""

    part: float
    minutes: float
    epoch: int
    train_loss: float


Listener = Callable[[EpochReport | Tick], None]


def learning_rate(plan: TrainingPlan, step: int, part: float) -> float:
    """Return the rate at a step of a run that is done to `part`.

    That of the head while it learns alone; then a linear warm-up and half a cosine down to 1 % of the peak at the end.
    """
    if part < plan.head_share:
        return plan.head_learning_rate
    warm = min(1.0, (step + 1) / plan.warm_up_steps) if plan.warm_up_steps else 1.0
    rest = min(1.0, (part - plan.head_share) / (1 - plan.head_share))
    return plan.learning_rate * warm * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * rest)))
