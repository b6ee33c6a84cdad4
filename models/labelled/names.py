"""The names that data sets give emotions, in our words."""

from __future__ import annotations

import re
from collections.abc import Mapping

from mien.errors import InputError
from mien.types import EMOTIONS, UNCERTAIN

UNCLEAR = -1
"""The label of a picture that people could not agree on: it counts for the reject option and for nothing else."""

SYNONYMS: Mapping[str, str] = {
    "angry": "anger",
    "contemptuous": "contempt",
    "disgusted": "disgust",
    "fearful": "fear",
    "afraid": "fear",
    "scared": "fear",
    "happiness": "happy",
    "joy": "happy",
    "neutrality": "neutral",
    "calm": "neutral",
    "sadness": "sad",
    "surprised": "surprise",
    "unclear": UNCERTAIN,
    "unknown": UNCERTAIN,
    "unsure": UNCERTAIN,
    "ambiguous": UNCERTAIN,
}
"""Other words for the nine labels. Numbers are none: 0 is anger in FER2013, neutral in FER+ and in AffectNet."""

SPLIT_NAMES: Mapping[str, int] = {
    "train": 0,
    "training": 0,
    "val": 1,
    "valid": 1,
    "validation": 1,
    "dev": 1,
    "publictest": 1,
    "test": 2,
    "testing": 2,
    "privatetest": 2,
}
"""Names of splits, as the index in `SPLITS`; those of FER2013 and FER+ among them."""

# "3_happy" and "03 - Happy" are names with a number before them.
_NUMBERED = re.compile(r"^\d+[\s_.-]+(?=\D)")


def emotion_named(text: str) -> str | None:
    """Return the label, one of nine, that a name means, whatever its case; None when it means none."""
    name = _NUMBERED.sub("", text.strip()).casefold()
    name = SYNONYMS.get(name, name)
    return name if name in EMOTIONS or name == UNCERTAIN else None


def label_of(text: str, where: str) -> int:
    """Return the index of a name in EMOTIONS, or UNCLEAR; raises InputError, beginning with `where`, for any other."""
    name = emotion_named(text)
    if name is None:
        shown = text.strip()
        if shown.lstrip("+-").replace(".", "", 1).isdigit():
            why = "a number, which means another emotion in every data set: write its name"
        else:
            why = "none of the labels"
        raise InputError(f"{where}: {shown[:80]!r} is {why} ({', '.join(EMOTIONS)}, {UNCERTAIN})")
    return UNCLEAR if name == UNCERTAIN else EMOTIONS.index(name)


def split_named(text: str, where: str) -> int:
    """Return the index in SPLITS that a name means; raises InputError, beginning with `where`, for any other."""
    found = SPLIT_NAMES.get(text.strip().casefold())
    if found is None:
        raise InputError(f"{where}: {text.strip()[:80]!r} is no split: write train, validation or test")
    return found
