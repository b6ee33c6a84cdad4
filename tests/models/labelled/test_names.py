from __future__ import annotations

import pytest

from mien.errors import InputError
from mien.types import EMOTIONS
from models.labelled.names import UNCLEAR, label_of, split_named


@pytest.mark.parametrize(
    ("name", "emotion"),
    [
        ("happiness", "happy"),
        ("Happy", "happy"),
        (" JOY ", "happy"),
        ("angry", "anger"),
        ("sadness", "sad"),
        ("scared", "fear"),
        ("Fearful", "fear"),
        ("afraid", "fear"),
        ("surprised", "surprise"),
        ("disgusted", "disgust"),
        ("calm", "neutral"),
        ("contemptuous", "contempt"),
        ("3_happy", "happy"),
        ("07 - Surprise", "surprise"),
    ],
)
def test_names_of_data_sets_are_understood(name: str, emotion: str) -> None:
    assert label_of(name, "here") == EMOTIONS.index(emotion)


@pytest.mark.parametrize("name", ["uncertain", "Unknown", "unclear"])
def test_the_ninth_label_is_no_emotion(name: str) -> None:
    assert label_of(name, "here") == UNCLEAR


def test_a_word_that_is_none_is_refused_with_its_place_and_the_nine_labels() -> None:
    with pytest.raises(InputError, match=r"faces\.csv, line 7: 'bored' is none of the labels .*contempt.*uncertain"):
        label_of("bored", "faces.csv, line 7")


@pytest.mark.parametrize("number", ["3", "0", "-1", "2.0"])
def test_numbers_are_refused_because_data_sets_number_differently(number: str) -> None:
    with pytest.raises(InputError, match="number, which means another emotion in every data set"):
        label_of(number, "here")


def test_names_of_splits() -> None:
    assert [split_named(name, "here") for name in ("Training", "val", "PrivateTest")] == [0, 1, 2]
    with pytest.raises(InputError, match="here: 'other' is no split"):
        split_named("other", "here")
