from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from mien.errors import InputError
from mien.types import EMOTIONS
from models.circumplex import project, project_all
from models.evaluation.agreement import auroc, ccc, entropy, rmse
from models.evaluation.changes import Change
from models.evaluation.figures import Rule, curve, figures_of
from models.evaluation.predictions import Predictions
from models.labelled.data import ArrayPictures, LabelledData
from models.labelled.names import UNCLEAR

HAPPY, NEUTRAL, SAD = (EMOTIONS.index(name) for name in ("happy", "neutral", "sad"))


def shares(*pairs: tuple[int, float]) -> np.ndarray:
    """Return rows of probabilities: one emotion with a share, the rest spread evenly."""
    rows = np.zeros((len(pairs), 8))
    for row, (emotion, share) in enumerate(pairs):
        rows[row] = (1 - share) / 7
        rows[row, emotion] = share
    return rows


def data_of(labels: list[int]) -> LabelledData:
    pictures = ArrayPictures(np.zeros((len(labels), 4, 4), np.uint8), tuple(f"{row}.png" for row in range(len(labels))))
    return LabelledData("test", pictures, np.array(labels), np.zeros((len(labels), 8), np.float32))


def predictions_of(*changes: np.ndarray, failures: dict[int, str] | None = None) -> Predictions:
    return Predictions(np.stack(changes), np.zeros((len(changes[0]), 4), np.float32), failures or {})


def test_a_picture_without_a_face_is_wrong_and_one_that_cannot_be_read_is_not_counted() -> None:
    found = shares((HAPPY, 0.9), (SAD, 0.5), (NEUTRAL, 0.8), (HAPPY, 0.9))
    found[[1, 3]] = np.nan
    figures = figures_of(
        data_of([HAPPY, SAD, NEUTRAL, HAPPY]), predictions_of(found, failures={3: "is empty"}), Rule(0.85)
    )
    assert (figures["n"], figures["no_face"], figures["unreadable"]) == (3, 1, 1)
    assert figures["accuracy"] == pytest.approx(2 / 3, abs=1e-4)
    assert figures["accuracy_found"] == 1.0
    # Of three pictures, one is sure enough; it is right.
    assert figures["coverage"] == pytest.approx(1 / 3, abs=1e-4)
    assert figures["accuracy_at_coverage"] == 1.0
    assert figures["per_class"]["sad"] == {"n": 1, "precision": 0.0, "recall": 0.0, "f1": 0.0}
    assert sum(map(sum, figures["confusion"])) == 2
    assert figures["failures"] == [{"path": "3.png", "reason": "is empty"}]


def test_data_without_a_class_is_scored_over_all_eight_outputs() -> None:
    figures = figures_of(data_of([HAPPY, SAD]), predictions_of(shares((HAPPY, 0.9), (NEUTRAL, 0.9))), Rule(0.0))
    assert figures["accuracy"] == 0.5
    assert np.array(figures["confusion"]).shape == (8, 8)
    assert figures["confusion"][SAD][NEUTRAL] == 1
    assert set(figures["per_class"]) == {"happy", "sad"}


def test_unclear_pictures_count_for_the_reject_score_alone() -> None:
    found = shares((HAPPY, 0.9), (SAD, 0.8), (NEUTRAL, 0.4), (HAPPY, 0.85))
    figures = figures_of(data_of([HAPPY, SAD, UNCLEAR, UNCLEAR]), predictions_of(found), Rule(0.5))
    assert figures["n"] == 2
    # One unclear picture is less sure than both clear ones, the other one than one of them.
    assert figures["reject_auroc"] == pytest.approx(3 / 4)
    assert figures["reject"] == {"score": "confidence", "unclear": 2, "confidence": 0.75, "entropy": 0.75}
    by_entropy = figures_of(data_of([HAPPY, SAD]), predictions_of(found[:2]), Rule(0.5, "entropy"))
    assert by_entropy["reject_auroc"] is None
    assert by_entropy["reject"]["score"] == "entropy"


def test_the_fall_of_accuracy_under_changes_is_in_points() -> None:
    plain, changed = shares((HAPPY, 0.9), (SAD, 0.9)), shares((HAPPY, 0.9), (HAPPY, 0.9))
    figures = figures_of(data_of([HAPPY, SAD]), predictions_of(plain, changed), Rule(0.0), [Change("fog")])
    (fog,) = figures["corruptions"]
    assert (fog["name"], fog["accuracy"], fog["fall_points"]) == ("fog", 0.5, 50.0)


def test_copies_are_scored_apart() -> None:
    data = replace(data_of([HAPPY, SAD, SAD]), copies=np.array([False, True, False]))
    figures = figures_of(data, predictions_of(shares((HAPPY, 0.9), (HAPPY, 0.9), (SAD, 0.9))), Rule(0.0))
    assert figures["without_copies"] == {"n": 2, "accuracy": 1.0, "uar": 1.0, "macro_f1": 1.0}


def test_valence_and_arousal_are_compared_where_they_are_known() -> None:
    data = replace(
        data_of([HAPPY, SAD, NEUTRAL]),
        valence=np.array([0.98, -0.9, np.nan], np.float32),
        arousal=np.array([0.19, -0.44, np.nan], np.float32),
    )
    figures = figures_of(data, predictions_of(shares((HAPPY, 1.0), (SAD, 1.0), (SAD, 1.0))), Rule(0.0))
    va = figures["va"]
    assert (figures["va_source"], va["source"], va["truth"], va["n"]) == ("projected", "projected", "given", 2)
    assert va["valence"]["ccc"] == pytest.approx(1.0, abs=1e-4)
    assert va["arousal"]["rmse"] == pytest.approx(0.0, abs=1e-4)
    assert figures_of(data_of([HAPPY, SAD]), predictions_of(shares((HAPPY, 1), (SAD, 1))), Rule(0))["va"] is None


def test_nothing_readable_is_one_clear_error() -> None:
    nothing = np.full((2, 8), np.nan)
    with pytest.raises(InputError, match=r"none of the 2 pictures of test could be read: 0\.png: is empty"):
        figures_of(data_of([HAPPY, SAD]), predictions_of(nothing, failures={0: "is empty", 1: "too"}), Rule(0.0))


def test_pictures_without_one_face_have_figures_too() -> None:
    figures = figures_of(data_of([HAPPY, SAD]), predictions_of(np.full((2, 8), np.nan)), Rule(0.0))
    assert (figures["accuracy"], figures["no_face"], figures["nll"], figures["ece"]) == (0.0, 2, None, None)
    assert (figures["coverage"], figures["curve"]) == (0.0, [])


def test_the_curve_goes_from_the_surest_to_all_with_a_face() -> None:
    found = shares((HAPPY, 0.9), (HAPPY, 0.7), (HAPPY, 0.5), (HAPPY, 0.4))
    points = curve(np.vstack([found, np.full((1, 8), np.nan)]), np.array([HAPPY, HAPPY, SAD, SAD, SAD]))
    assert [point["coverage"] for point in points] == [0.2, 0.4, 0.6, 0.8]
    assert [point["accuracy"] for point in points] == [1.0, 1.0, 0.6667, 0.5]
    assert [point["threshold"] for point in points] == [0.9, 0.7, 0.5, 0.4]


def test_auroc_of_cases_worked_by_hand() -> None:
    assert auroc(np.array([2.0, 3.0]), np.array([0.0, 1.0])) == 1.0
    assert auroc(np.array([0.0]), np.array([1.0, 2.0])) == 0.0
    assert auroc(np.array([1.0, 2.0]), np.array([1.0, 0.0])) == pytest.approx((0.5 + 1 + 1 + 1) / 4)
    assert np.isnan(auroc(np.array([]), np.array([1.0])))


def test_auroc_is_that_of_all_pairs() -> None:
    rng = np.random.default_rng(0)
    positives, negatives = (rng.integers(low, 9, count).astype(np.float64) for low, count in ((1, 60), (0, 80)))
    pairs = positives[:, np.newaxis] - negatives
    assert auroc(positives, negatives) == pytest.approx(((pairs > 0) + 0.5 * (pairs == 0)).mean())


def test_concordance_punishes_an_offset_that_correlation_forgives() -> None:
    truth = np.array([0.0, 1.0, 2.0])
    assert ccc(truth, truth) == pytest.approx(1.0)
    assert ccc(truth, truth + 1) == pytest.approx(2 * (2 / 3) / (2 / 3 + 2 / 3 + 1))
    assert ccc(truth, -truth + 2) == pytest.approx(-1.0)
    assert rmse(truth, truth + 2) == pytest.approx(2.0)


def test_entropy_is_highest_when_all_is_possible() -> None:
    rows = np.vstack([np.full(8, 1 / 8), np.eye(8)[0]])
    assert entropy(rows).tolist() == pytest.approx([np.log(8), 0.0])


def test_many_faces_are_projected_as_one_is() -> None:
    rows = np.random.default_rng(0).dirichlet(np.ones(8), 5)
    assert project_all(rows) == pytest.approx(np.array([project(tuple(row)) for row in rows]))
