"""The prior: how often each emotion is expected to be shown, before a face is seen.

A net is trained on some mixture of emotions and leans towards what was frequent there. Its logits are moved by the
difference of two priors, of that mixture and of the faces at hand, before they are calibrated (Menon et al.,
"Long-tail learning via logit adjustment", 2021).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Literal

from mien.errors import SettingsError
from mien.types import EMOTIONS

PriorName = Literal["balanced", "everyday"]

Prior = PriorName | Mapping[str, float]
"""A prior as people write it: a name, or a share for each emotion."""

Shares = tuple[float, ...]
"""[8] in the order of `EMOTIONS`, above 0, of sum 1."""

NO_SHIFT: Shares = (0.0,) * len(EMOTIONS)
"""What `shift` returns for two priors that are the same."""

LEAST_SHARE = 1e-6
"""What an emotion of share 0 gets instead: 0 has no logarithm."""

# Shares of FER+'s training votes: faces from the web, most of them neutral or happy. Measured with
# `models.labelled.ferplus.training_set`: the mean of its targets.
_FERPLUS = {
    "anger": 0.0859,
    "contempt": 0.0104,
    "disgust": 0.0095,
    "fear": 0.0298,
    "happy": 0.2687,
    "neutral": 0.3376,
    "sad": 0.1417,
    "surprise": 0.1164,
}

NAMED: Mapping[PriorName, Shares] = {
    "balanced": (1 / len(EMOTIONS),) * len(EMOTIONS),
    "everyday": tuple(_FERPLUS[name] / sum(_FERPLUS.values()) for name in EMOTIONS),
}
"""`balanced`: every emotion as often as any other, as in the pictures that researchers show. `everyday`: mostly neutral
and happy faces, as cameras see them."""


def shares_of(prior: Prior) -> Shares:
    """Return the shares that a prior means. Raises SettingsError for anything else."""
    if isinstance(prior, str):
        if prior not in NAMED:
            raise SettingsError(
                f"the prior {prior[:40]!r} is not known: {', '.join(NAMED)}, or a share of each emotion"
            )
        return NAMED[prior]
    unknown = [name for name in prior if name not in EMOTIONS]
    missing = [name for name in EMOTIONS if name not in prior]
    if unknown:
        raise SettingsError(f"a prior has no emotion {str(unknown[0])[:40]!r}: {', '.join(EMOTIONS)} are its emotions")
    if missing:
        raise SettingsError(f"the prior lacks a share of {', '.join(missing)}: give one for each emotion, 0 is allowed")
    shares = [float(prior[name]) for name in EMOTIONS]
    wrong = [name for name, share in zip(EMOTIONS, shares, strict=True) if not (math.isfinite(share) and share >= 0)]
    if wrong:
        raise SettingsError(f"the share of {wrong[0]} in a prior must be 0 or more, not {prior[wrong[0]]}")
    if not sum(shares) > 0:
        raise SettingsError("the shares of a prior sum to 0: give at least one emotion more than 0")
    raised = [max(share / sum(shares), LEAST_SHARE) for share in shares]
    return tuple(share / sum(raised) for share in raised)


def parsed(text: str) -> Prior:
    """Return the prior that a person wrote: `balanced`, `everyday`, or `happy=0.5,neutral=0.5,…` with all emotions.

    Raises SettingsError for anything else.
    """
    if "=" not in text:
        shares_of(text)  # type: ignore[arg-type]  # checked there
        return text  # type: ignore[return-value]
    prior = {}
    for part in text.split(","):
        name, _, share = part.partition("=")
        try:
            prior[name.strip()] = float(share)
        except ValueError:
            raise SettingsError(
                f"{part.strip()[:40]!r} is no share of a prior: write, for example, happy=0.2"
            ) from None
    shares_of(prior)
    return prior


def shift(assumed: Shares, wanted: Shares) -> Shares:
    """Return what to add to logits [8] that assume one prior to make them assume another."""
    return tuple(math.log(to) - math.log(of) for of, to in zip(assumed, wanted, strict=True))
