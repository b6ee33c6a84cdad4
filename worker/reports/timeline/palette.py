"""The colours and words that all reports share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mien.types import UNCERTAIN, VaSource

COLOURS: dict[str, str] = {
    "anger": "#C32B00",
    "contempt": "#5C427F",
    "disgust": "#00755E",
    "fear": "#997098",
    "happy": "#E4C94A",
    "neutral": "#6CC8EE",
    "sad": "#1479E0",
    "surprise": "#EA8C83",
    UNCERTAIN: "#B9BDC1",
}
"""One colour a label, on white and on black alike.

Found by a search for the set whose closest two colours are farthest apart (CIEDE2000) for people with normal, protan,
deutan and tritan sight: no two are nearer than 13. (Okabe and Ito's well-known eight, with this grey: 10.9.) Simulated
with the matrices of Machado et al. (2009), full severity.
"""

VALENCE, AROUSAL = "#5B8A00", "#B0479A"
"""The two lines of the valence/arousal charts; neither is a colour of an emotion."""

STACK: tuple[str, ...] = ("happy", "surprise", "neutral", "sad", "fear", "contempt", "anger", "disgust")
"""The order in which bands lie on each other, from below: pleasant, then calm, then unpleasant."""

NOTICE = "An apparent emotion is what a face shows, and never what a person feels."
"""What every report says."""

VA_WORDS: dict[VaSource, str] = {
    "projected": "Valence and arousal are projected from the probabilities, not measured.",
    "measured": "Valence and arousal are measured by a head of their own.",
}
"""What a report says of the two, by where they come from."""


def clock(seconds: float) -> str:
    """Return a time in a video for people: `7.2 s`, `1:05`, `1:02:03`.

    >>> clock(7.25), clock(65), clock(3723)
    ('7.2 s', '1:05', '1:02:03')
    """
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(int(seconds + 0.05), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def percent(share: float) -> str:
    """Return a share for people; a small one is never rounded to nothing."""
    return "<1 %" if 0 < share < 0.005 else f"{100 * share:.0f} %"


def described(figures: Mapping[str, Any]) -> str:
    """Return what a summary says of one track, or of all faces, in a line for people."""
    if figures["emotion"] is None:
        return "no face was found"
    seen = clock(figures["seconds"])
    if "first_seconds" in figures:
        seen = f"seen for {seen} ({clock(figures['first_seconds'])} – {clock(figures['last_seconds'])})"
    else:
        seen += " of all faces together"
    mostly = f"mostly {figures['emotion']} ({percent(figures['emotions'][figures['emotion']])} of the time)"
    changed = f"label changed {figures['changes']:,} time{'' if figures['changes'] == 1 else 's'}"
    return "  ·  ".join((seen, mostly, changed))
