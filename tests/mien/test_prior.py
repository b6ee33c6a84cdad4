"""Priors: what people write, and what it does to probabilities."""

from __future__ import annotations

import math

import numpy as np
import pytest

from mien.errors import SettingsError
from mien.prior import LEAST_SHARE, NAMED, NO_SHIFT, parsed, shares_of, shift
from mien.settings import load_settings
from mien.types import EMOTIONS
from models.classifier import calibrated

SOME = dict.fromkeys(EMOTIONS, 1.0)


@pytest.mark.parametrize("name", ["balanced", "everyday"])
def test_a_name_means_shares_that_sum_to_one(name: str) -> None:
    shares = shares_of(parsed(name))
    assert math.isclose(sum(shares), 1)
    assert len(shares) == len(EMOTIONS)


def test_most_everyday_faces_are_neutral_or_happy() -> None:
    shares = dict(zip(EMOTIONS, NAMED["everyday"], strict=True))
    assert shares["neutral"] + shares["happy"] > 0.6
    assert min(shares, key=shares.__getitem__) == "disgust"


def test_shares_that_a_person_writes_are_scaled_to_one() -> None:
    assert shares_of({**SOME, "happy": 3.0})[EMOTIONS.index("happy")] == pytest.approx(0.3)
    assert parsed(",".join(f"{name} = 2" for name in EMOTIONS)) == dict.fromkeys(EMOTIONS, 2.0)


def test_an_emotion_that_never_comes_is_as_good_as_impossible_and_no_infinity() -> None:
    shares = shares_of({**SOME, "contempt": 0})
    assert 0 < shares[EMOTIONS.index("contempt")] <= LEAST_SHARE
    assert all(math.isfinite(each) for each in shift(NAMED["balanced"], shares))


@pytest.mark.parametrize(
    ("prior", "word"),
    [
        ("sunny", "not known"),
        ("", "not known"),
        ({name: 1 for name in EMOTIONS if name != "sad"}, "lacks a share of sad"),
        ({**SOME, "joy": 1}, "no emotion 'joy'"),
        ({**SOME, "fear": -0.1}, "share of fear"),
        ({**SOME, "fear": math.nan}, "share of fear"),
        ({**SOME, "fear": math.inf}, "share of fear"),
        (dict.fromkeys(EMOTIONS, 0), "sum to 0"),
        ({}, "lacks a share of anger"),
    ],
)
def test_what_is_no_prior_is_one_line(prior: object, word: str) -> None:
    with pytest.raises(SettingsError, match=word) as raised:
        shares_of(prior)  # type: ignore[arg-type]
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("text", ["happy=much", "happy=1", "=1", "happy=1,,"])
def test_shares_that_cannot_be_read_are_refused(text: str) -> None:
    with pytest.raises(SettingsError):
        parsed(text)


def test_the_setting_takes_names_and_shares_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    assert load_settings().emotion_prior == "balanced"
    monkeypatch.setenv("MIEN_EMOTION_PRIOR", "everyday")
    assert load_settings().emotion_prior == "everyday"
    monkeypatch.setenv("MIEN_EMOTION_PRIOR", str(SOME).replace("'", '"'))
    assert load_settings().emotion_prior == SOME
    monkeypatch.setenv("MIEN_EMOTION_PRIOR", '{"happy": 1}')
    with pytest.raises(SettingsError, match="lacks a share of anger"):
        load_settings()


def test_a_shift_there_and_back_changes_nothing() -> None:
    there, back = shift(NAMED["everyday"], NAMED["balanced"]), shift(NAMED["balanced"], NAMED["everyday"])
    assert np.add(there, back) == pytest.approx(NO_SHIFT)


def test_what_is_rarer_than_it_was_in_training_gets_more_of_the_probability() -> None:
    logits = np.zeros((1, len(EMOTIONS)), np.float32)
    even = calibrated(logits, 1.0)[0]
    moved = calibrated(logits, 1.0, shift(NAMED["everyday"], NAMED["balanced"]))[0]
    assert even == pytest.approx(NAMED["balanced"])
    assert moved[EMOTIONS.index("disgust")] > even[0] > moved[EMOTIONS.index("neutral")]
    assert moved.sum() == pytest.approx(1)
    # At temperature 1 the answer about a face that shows nothing is the prior itself.
    assert calibrated(logits, 1.0, shift(NAMED["balanced"], NAMED["everyday"]))[0] == pytest.approx(NAMED["everyday"])
