"""What a classifier's net says of a face: which heads it has, and where in its outputs each of them lies.

The first eight outputs are logits of the emotions. With the head `va` two more follow, which are valence and arousal
themselves: the graph squashes them with tanh.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from mien.errors import SettingsError
from mien.types import EMOTIONS

if TYPE_CHECKING:
    from numpy.typing import NDArray

Heads = tuple[Literal["emotion", "va"], ...]

EMOTION: Heads = ("emotion",)
EMOTION_VA: Heads = ("emotion", "va")

POINT_OUTPUTS = 2
"""Valence and arousal."""


def heads_named(text: str) -> Heads:
    """Return the heads that `emotion` or `emotion,va` name; raises SettingsError for anything else."""
    named = {name.strip() for name in text.split(",")}
    for heads in (EMOTION, EMOTION_VA):
        if named == set(heads):
            return heads
    raise SettingsError(f"no heads are called {text!r}: choose emotion, or emotion,va")


def outputs_of(heads: Heads) -> int:
    """Return how many numbers a net with these heads gives for a face."""
    return len(EMOTIONS) + (POINT_OUTPUTS if "va" in heads else 0)


def logits_in(outputs: NDArray[Any]) -> NDArray[Any]:
    """Return the logits of the emotions [N, 8] in a net's outputs [N, 8 or 10]."""
    return outputs[:, : len(EMOTIONS)]


def points_in(outputs: NDArray[Any]) -> NDArray[Any] | None:
    """Return valence and arousal [N, 2], -1 to 1, in a net's outputs [N, 8 or 10]; None when it has no such head."""
    if outputs.shape[1] < len(EMOTIONS) + POINT_OUTPUTS:
        return None
    return outputs[:, len(EMOTIONS) : len(EMOTIONS) + POINT_OUTPUTS].clip(-1.0, 1.0)
