from __future__ import annotations

import os
from pathlib import Path

import cv2
import numpy as np
import pytest

from mien.errors import InputError
from mien.types import EMOTIONS
from models.labelled import ferplus as data
from models.labelled.ferplus import FerPlus, emotion_votes, face_set, has_majority, prepare, read_npz, training_set
from tests.support.tiny_faces import picture, votes_for, write_npz


def votes(*rows: list[int]) -> np.ndarray:
    return np.array(rows, np.int64)


def test_the_majority_rule() -> None:
    rows = votes(
        votes_for("happy", 6, "neutral", 4),
        votes_for("happy", 5, "neutral", 5),  # no majority
        votes_for("unknown", 8, "sad", 2),  # a majority, but for no emotion
        votes_for("not a face", 10),
        votes_for("fear", 2),  # alone once single votes are gone
        [1] * 10,  # nothing but single votes
    )
    assert has_majority(rows).tolist() == [True, False, False, False, True, False]


def test_single_votes_do_not_count() -> None:
    # Three votes for happy against seven single ones: the single ones are noise.
    row = [1, 3, 1, 1, 1, 1, 1, 1, 0, 0]
    assert has_majority(votes(row)).all()
    assert emotion_votes(votes(row))[0, EMOTIONS.index("happy")] == 1.0


def test_targets_are_in_the_order_of_the_emotions_and_sum_to_one() -> None:
    targets = emotion_votes(votes(votes_for("anger", 6, "contempt", 2)))
    assert targets[0, EMOTIONS.index("anger")] == pytest.approx(0.75)
    assert targets[0, EMOTIONS.index("contempt")] == pytest.approx(0.25)
    assert targets.sum() == pytest.approx(1.0)


def test_unknown_votes_do_not_become_an_emotion() -> None:
    assert emotion_votes(votes(votes_for("sad", 6, "unknown", 4)))[0, EMOTIONS.index("sad")] == 1.0


def test_pictures_between_two_emotions_are_trained_on_but_not_scored() -> None:
    rng = np.random.default_rng(0)
    pictures = np.stack([picture(0, rng) for _ in range(4)])
    even = votes_for("happy", 5, "neutral", 5)
    raw = FerPlus(pictures, votes(even, votes_for("sad"), even, votes_for("sad")), np.array([0, 0, 1, 1]))
    assert len(training_set(raw)) == 2
    assert len(face_set(raw, "train")) == 1
    assert len(face_set(raw, "validation")) == 1


def test_a_training_picture_that_copies_a_test_picture_is_left_out(tmp_path: Path) -> None:
    raw = read_npz(write_npz(tmp_path / "faces.npz"))
    pictures = raw.pictures.copy()
    test_rows = np.flatnonzero(raw.split == 2)
    # The copies are darker and one has gone through JPEG: still the same face.
    pictures[3] = (pictures[test_rows[0]] * 0.8 + 10).astype(np.uint8)
    _, jpeg = cv2.imencode(".jpg", pictures[test_rows[1]], [cv2.IMWRITE_JPEG_QUALITY, 100])
    pictures[7] = np.asarray(cv2.imdecode(jpeg, cv2.IMREAD_GRAYSCALE), np.uint8)
    copied = FerPlus(pictures, raw.votes, raw.split)
    assert len(training_set(copied)) == len(training_set(raw)) - 2
    test = face_set(copied, "test")
    assert np.flatnonzero(test.copies).tolist() == [0, 1]
    assert len(test) == 24
    assert not face_set(raw, "test").copies.any()


def test_flat_pictures_are_no_copies_of_each_other() -> None:
    flat = np.stack([np.full((48, 48), level, np.uint8) for level in (0, 90, 255)])
    assert not data.copies_of(flat, flat).any()


def test_preparing_keeps_values_and_changes_size() -> None:
    pictures = np.full((3, 48, 48), 200, np.uint8)
    assert prepare(pictures, 48).shape == (3, 48, 48, 1)
    assert prepare(pictures, 64).shape == (3, 64, 64, 1)
    assert prepare(pictures, 32).max() == 200.0


def test_rows_without_a_name_are_dropped(tmp_path: Path) -> None:
    path = write_npz(tmp_path / "faces.npz")
    arrays = dict(np.load(path))
    arrays["name"][:5] = ""
    np.savez(path, **arrays)
    assert len(read_npz(path).pictures) == 96 + 24 + 24 - 5


@pytest.mark.parametrize("content", [b"", b"no npz", b"PK\x03\x04 cut short"])
def test_a_file_that_is_no_npz_is_one_clear_error(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "faces.npz").write_bytes(content)
    with pytest.raises(InputError, match=r"faces\.npz"):
        read_npz(tmp_path / "faces.npz")


def test_a_truncated_npz_is_one_clear_error(tmp_path: Path) -> None:
    path = write_npz(tmp_path / "faces.npz")
    path.write_bytes(path.read_bytes()[:20_000])
    with pytest.raises(InputError, match=r"faces\.npz"):
        read_npz(path)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("images", np.zeros((144, 48, 48), np.float32)),
        ("images", np.zeros((144, 48), np.uint8)),
        ("votes", np.zeros((144, 8), np.int64)),
        ("votes", np.zeros((9, 10), np.int64)),
        ("split", np.full(144, 3)),
        ("split", np.zeros(5)),
        ("split", None),
    ],
)
def test_arrays_that_do_not_fit_are_one_clear_error(tmp_path: Path, name: str, value: np.ndarray | None) -> None:
    path = write_npz(tmp_path / "faces.npz")
    arrays = dict(np.load(path))
    del arrays[name]
    if value is not None:
        arrays[name] = value
    np.savez(path, **arrays)
    with pytest.raises(InputError):
        read_npz(path)


def test_a_missing_file_and_an_empty_split_are_clear_errors(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no data at"):
        read_npz(tmp_path / "none.npz")
    raw = read_npz(write_npz(tmp_path / "faces.npz", per_split=(16, 0, 8)))
    with pytest.raises(InputError, match="validation"):
        face_set(raw, "validation")


def test_the_counts_of_ferplus() -> None:
    path = os.environ.get("MIEN_TEST_FERPLUS")
    if not path:
        pytest.skip("MIEN_TEST_FERPLUS names no npz")
    raw = read_npz(path)
    majority = has_majority(raw.votes)
    assert [int((majority & (raw.split == number)).sum()) for number in range(3)] == [25_054, 3_199, 3_152]
    test = majority & (raw.split == 2)
    counts = np.bincount(emotion_votes(raw.votes[test]).argmax(axis=1), minlength=8)
    assert dict(zip(EMOTIONS, counts.tolist(), strict=True)) == {
        "anger": 273,
        "contempt": 16,
        "disgust": 18,
        "fear": 83,
        "happy": 893,
        "neutral": 1089,
        "sad": 384,
        "surprise": 396,
    }
