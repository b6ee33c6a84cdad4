from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bench.quality.old_labels import compare, main, write_pictures
from mien.errors import InputError
from mien.types import EMOTIONS
from models.labelled.data import read_labelled
from models.labelled.ferplus import VOTE_COLUMNS


def write_npz(path: Path, with_old: bool = True) -> None:
    """Write six pictures: the third has no majority, the fourth no sure old label, the last has no name."""
    seen = ("happy", "happy", None, "sad", "contempt", "happy")
    votes = np.zeros((6, 10), np.uint8)
    for row, name in enumerate(seen):
        votes[row, [VOTE_COLUMNS.index(name)] if name else [0, 1]] = 8 if name else 5
    old = {
        "fer_label": np.array([3, 4, 3, 4, 6, 3], np.int8),
        "fer_label_ambiguous": np.array([False, False, False, True, False, False]),
    }
    arrays = {
        "images": np.random.default_rng(0).integers(0, 256, (6, 48, 48), np.uint8),
        "votes": votes,
        "split": np.zeros(6, np.int8),
        "name": np.array([*(f"{row}.png" for row in range(5)), ""]),
        **(old if with_old else {}),
    }
    np.savez(path, **arrays)  # type: ignore[arg-type]


def test_pictures_carry_their_old_labels_and_the_votes_are_the_truth(tmp_path: Path) -> None:
    write_npz(tmp_path / "faces.npz")
    truth = write_pictures(tmp_path / "faces.npz", tmp_path / "out")
    assert [(Path(path).name, *names) for path, names in truth.items()] == [
        ("0.png", "happy", "happy"),
        ("1.png", "sad", "happy"),
        ("4.png", "neutral", "contempt"),
    ]
    read = read_labelled(tmp_path / "out" / "labels.csv")
    assert [EMOTIONS[label] for label in read.labels] == ["happy", "sad", "neutral"]
    assert read.pictures.read(0).shape[:2] == (48, 48)


def test_suspects_are_held_against_the_votes() -> None:
    names = {"a": ("happy", "happy"), "b": ("sad", "happy"), "c": ("sad", "anger"), "d": ("fear", "fear")}
    found = compare(names, [("b", "happy"), ("a", "sad"), ("c", "fear"), ("d", "sad")])
    assert (found.n, found.wrong, found.suspects) == (4, 2, 4)
    assert (found.precision, found.recall, found.suggested_right) == (0.5, 1.0, 0.5)
    assert [(part.suspects, part.precision, part.recall) for part in found.surest[2:]] == [(2, 0.5, 0.5), (4, 0.5, 1.0)]


def test_no_suspects_and_nothing_to_find_are_no_faults_of_arithmetic() -> None:
    found = compare({"a": ("sad", "happy")}, [])
    assert (found.precision, found.recall, found.suggested_right) == (0.0, 0.0, 0.0)
    with pytest.raises(InputError, match="nothing to find"):
        compare({"a": ("sad", "sad")}, [])


def test_data_without_old_labels_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_npz(tmp_path / "faces.npz", with_old=False)
    assert main([str(tmp_path / "faces.npz"), "--out", str(tmp_path / "out"), "--", "--minutes-each", "1"]) == 1
    assert capsys.readouterr().err.count("\n") == 1
