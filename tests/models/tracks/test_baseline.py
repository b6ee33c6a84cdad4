"""A face at rest is taken from all that a person shows, and from nobody who was never seen at rest."""

from __future__ import annotations

import numpy as np
import pytest

from mien.types import EMOTIONS
from models.tracks.baseline import HALF_SEEN, REFERENCE, STRENGTH, Baseline, Floats, log_of

NEUTRAL, SAD, HAPPY = (EMOTIONS.index(name) for name in ("neutral", "sad", "happy"))


def softmax(logits: Floats) -> Floats:
    powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=-1, keepdims=True), np.float64)


def person(shown: list[str], **leanings: float) -> Floats:
    """Return probabilities of a person whose face leans, in nats, towards some emotions whatever it shows."""
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 0.2, (len(shown), len(EMOTIONS)))
    logits[np.arange(len(shown)), [EMOTIONS.index(name) for name in shown]] += 4.0
    for name, nats in leanings.items():
        logits[:, EMOTIONS.index(name)] += nats
    return softmax(logits)


def adjusted(probabilities: Floats, weights: Floats | None = None) -> Floats:
    baseline = Baseline.of(log_of(probabilities), weights)
    assert baseline is not None
    return baseline.adjust(probabilities)


@pytest.mark.parametrize("leaning", ["sad", "anger", "surprise", "disgust"])
def test_a_face_that_reads_as_an_emotion_at_rest_reads_neutral_after(leaning: str) -> None:
    shown = ["neutral"] * 8 + ["happy"] * 6 + ["fear"] * 6
    seen = person(shown, **{leaning: 4.6})
    truth = np.array([EMOTIONS.index(name) for name in shown])
    assert (seen[:8].argmax(axis=1) == EMOTIONS.index(leaning)).all()
    assert (adjusted(seen).argmax(axis=1) == truth).all()


def test_a_face_that_leans_nowhere_keeps_its_labels() -> None:
    shown = ["neutral"] * 10 + ["happy"] * 5 + ["sad"] * 5
    seen = person(shown)
    assert (adjusted(seen).argmax(axis=1) == seen.argmax(axis=1)).all()


def test_weak_emotions_of_a_face_that_looks_neutral_throughout_come_out() -> None:
    seen = person(["neutral"] * 10 + ["sad"] * 10, neutral=4.5)
    assert (seen.argmax(axis=1) == NEUTRAL).all()
    assert adjusted(seen).argmax(axis=1).tolist() == [NEUTRAL] * 10 + [SAD] * 10


def test_little_seen_takes_little_away() -> None:
    def taken(pictures: int) -> float:
        rows = np.tile(person(["neutral"], sad=3.0), (pictures, 1))
        baseline = Baseline.of(log_of(rows))
        assert baseline is not None
        whole = log_of(rows[0]) - np.array(REFERENCE)
        shares = baseline.offset / whole
        assert shares == pytest.approx(np.full(len(EMOTIONS), shares[0]))
        return float(shares[0])

    assert taken(2) == pytest.approx(STRENGTH / 2)
    assert taken(18) == pytest.approx(STRENGTH * 18 / (18 + HALF_SEEN))
    assert taken(2) < taken(5) < taken(100) < STRENGTH


def test_one_picture_or_none_gives_no_baseline() -> None:
    seen = log_of(person(["neutral", "sad"]))
    assert Baseline.of(seen[:0]) is None
    assert Baseline.of(seen[:1]) is None
    assert Baseline.of(seen) is not None
    assert Baseline.of(seen, np.array([0.5, 0.5])) is None


def test_the_less_neutral_the_face_at_rest_the_less_is_taken_away() -> None:
    def taken(sad: float) -> float:
        baseline = Baseline.of(log_of(person(["neutral"] * 20, sad=sad)))
        return 0.0 if baseline is None else float(baseline.offset[SAD] - baseline.offset[NEUTRAL])

    # At rest the two are alike with 4 nats: the reference alone is 2 nats of neutral.
    assert 0 == taken(8.0) < taken(5.5) < taken(5.0) < taken(4.5)
    assert taken(4.0) == pytest.approx(STRENGTH * 20 / 22 * 2.0, abs=0.3)


def test_who_was_never_near_rest_has_no_baseline() -> None:
    assert Baseline.of(log_of(person(["happy"] * 30))) is None
    assert Baseline.of(log_of(person(["happy"] * 20 + ["neutral"] * 10))) is not None


def test_rows_count_by_their_weight_and_the_order_does_not_matter() -> None:
    seen = person(["neutral"] * 4 + ["sad"] * 6, anger=2.0)
    weights = np.array([3.0, 1, 1, 2, 1, 1, 2, 1, 1, 1])
    repeated = np.repeat(seen, weights.astype(int), axis=0)
    assert adjusted(seen, weights) == pytest.approx(adjusted(repeated)[np.r_[0, np.cumsum(weights.astype(int))[:-1]]])
    shuffled = np.random.default_rng(1).permutation(len(seen))
    assert adjusted(seen[shuffled], weights[shuffled]) == pytest.approx(adjusted(seen, weights)[shuffled])


def test_probabilities_stay_probabilities_and_nan_stays() -> None:
    seen = np.vstack([person(["neutral"] * 9 + ["happy"]), np.eye(len(EMOTIONS))[HAPPY]])
    baseline = Baseline.of(log_of(seen))
    assert baseline is not None
    rows = baseline.adjust(seen)
    assert rows.sum(axis=1) == pytest.approx(np.ones(len(seen)), abs=1e-12)
    assert (rows > 0).all()
    assert baseline.adjust(seen[3]) == pytest.approx(rows[3])
    assert np.isnan(baseline.adjust(np.full((2, len(EMOTIONS)), np.nan))).all()
