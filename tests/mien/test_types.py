"""Values go to JSON and come back."""

from __future__ import annotations

import json

import pytest

from mien.types import EMOTIONS, Counts, Face, FrameResult


def a_face(**changes: object) -> Face:
    values: dict[str, object] = {
        "box": (1.0, 2.0, 30.0, 40.0),
        "emotion": "happy",
        "confidence": 0.65,
        "probabilities": (0.05,) * 4 + (0.65,) + (0.05,) * 3,
        "valence": 0.5,
        "arousal": -0.25,
        "score": 0.9,
        "landmarks": ((5.0, 6.0), (7.5, 8.0)),
        "track": "k3x9",
    }
    return Face(**{**values, **changes})  # type: ignore[arg-type]


def test_a_result_comes_back_from_json_as_it_was() -> None:
    face = a_face(smoothed=(0.125,) * 8, label="uncertain", label_confidence=0.125, source="tracked")
    result = FrameResult("lobby", "1-0", 4, 10, 640, 360, (face, a_face()), 12, False, {"detect": 1.25})
    assert FrameResult.from_json(result.to_json()) == result


def test_a_face_in_json_names_its_eight_emotions() -> None:
    face = json.loads(json.dumps(a_face().to_dict()))
    assert list(face["probabilities"]) == list(EMOTIONS)
    assert sum(face["probabilities"].values()) == pytest.approx(1)
    assert "smoothed" not in face


def test_a_result_that_is_not_one_is_refused() -> None:
    with pytest.raises(ValueError, match="camera"):
        FrameResult.from_json(b"{}")


def test_an_account_balances_only_when_every_frame_is_in_it() -> None:
    assert Counts(10, 4, 2, 1, {"stale": 3}).balanced
    assert not Counts(10, 4, 2, 0, {"stale": 3}).balanced
