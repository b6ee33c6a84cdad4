"""Cleaned data has the layout of what it was made from, and is read again; what was learned belongs to its data."""

from __future__ import annotations

import csv
from collections.abc import Collection, Mapping
from pathlib import Path

import numpy as np
import pytest

from mien.errors import InputError
from mien.types import EMOTIONS
from models.cleaning.cleaned import source_of
from models.labelled.data import LabelledData, read_labelled
from models.labelled.ferplus import VOTE_COLUMNS, read_npz
from models.labelled.names import UNCLEAR
from tests.support.labelled_pictures import write_class_folders, write_picture
from tests.support.tiny_faces import votes_for, write_npz

HAPPY, SAD, FEAR = (EMOTIONS.index(name) for name in ("happy", "sad", "fear"))


def cleaned(path: Path, left_out: Collection[int] = (), renamed: Mapping[int, int] | None = None) -> Path:
    """Clean data into another folder, and return the file."""
    source = source_of(path, read_labelled(path))
    to = path.parent / "elsewhere" / source.cleaned_name
    to.parent.mkdir(exist_ok=True)
    to.write_bytes(source.cleaned(left_out, renamed or {}))
    return to


def read_cleaned(path: Path, left_out: Collection[int] = (), renamed: Mapping[int, int] | None = None) -> LabelledData:
    """Clean data into another folder, and read it again."""
    return read_labelled(cleaned(path, left_out, renamed))


def write_csv(path: Path, *lines: str) -> Path:
    """Write a CSV of three pictures beside it."""
    for name in "abc":
        write_picture(path.parent / f"{name}.png", np.zeros((8, 8), np.uint8))
    path.write_text("\n".join(lines) + "\n")
    return path


def test_a_csv_of_votes_keeps_them(tmp_path: Path) -> None:
    path = write_csv(
        tmp_path / "faces.csv",
        "Usage;Image name;happiness;sadness;unknown;note",
        "Training;a.png;7;2;1;first",
        "PublicTest;b.png;1;9;0;",
        "PrivateTest;c.png;4;4;;in between",
        "Training;b.png;;5;;",
    )
    before = read_labelled(path)
    after = read_cleaned(path, [1])
    np.testing.assert_array_equal(after.targets, before.targets[[0, 2, 3]])
    assert after.labels.tolist() == [HAPPY, UNCLEAR, SAD]
    assert after.split is not None
    assert after.split.tolist() == [0, 2, 0]
    assert after.pictures.read(1).shape == (8, 8, 3)
    with cleaned(path, [1]).open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert rows[0] == {
        "Usage": "Training", "Image name": str(tmp_path / "a.png"), "happiness": "7", "sadness": "2", "unknown": "1",
        "note": "first",
    }  # fmt: skip
    with cleaned(path, [], {0: SAD}).open(newline="") as file:
        renamed = next(csv.DictReader(file))
    assert (renamed["happiness"], renamed["sadness"], renamed["unknown"]) == ("0", "10", "0")
    assert read_cleaned(path, [], {0: SAD, 1: HAPPY}).labels.tolist() == [SAD, HAPPY, UNCLEAR, SAD]


def test_only_a_csv_row_that_keeps_its_label_keeps_valence_and_arousal(tmp_path: Path) -> None:
    path = write_csv(
        tmp_path / "faces.csv",
        "path,label,valence,arousal,split",
        "a.png,Joy,0.5,-0.25,train",
        "b.png,sad,,,val",
        "c.png,happy,0.125,1,test",
        "a.png,sad,-0.5,0.5,train",
    )
    after = read_cleaned(path, [2], {3: FEAR})
    assert after.labels.tolist() == [HAPPY, SAD, FEAR]
    assert after.valence is not None
    assert after.arousal is not None
    assert after.split is not None
    np.testing.assert_array_equal(after.valence, np.array([0.5, np.nan, np.nan], np.float32))
    np.testing.assert_array_equal(after.arousal, np.array([-0.25, np.nan, np.nan], np.float32))
    assert after.split.tolist() == [0, 1, 0]
    assert cleaned(path, [2], {3: FEAR}).read_text().splitlines()[-1].endswith(",fear,,,train")


def test_class_folders_become_a_csv_with_their_splits(tmp_path: Path) -> None:
    for split in ("train", "test"):
        write_class_folders(tmp_path / "faces" / split, {"happy": HAPPY, "sad": SAD, "uncertain": 0}, each=1)
    before = read_labelled(tmp_path / "faces")
    after = read_cleaned(tmp_path / "faces", [0], {1: FEAR})
    assert before.labels.tolist() == [HAPPY, SAD, UNCLEAR] * 2
    assert after.labels.tolist() == [FEAR, UNCLEAR, HAPPY, SAD, UNCLEAR]
    assert before.split is not None
    assert after.split is not None
    assert after.split.tolist() == before.split.tolist()[1:]
    assert after.pictures.name(0) == before.pictures.name(1)


def test_an_npz_keeps_its_arrays(tmp_path: Path) -> None:
    path = write_npz(tmp_path / "faces.npz", per_split=(8, 8, 8))
    arrays = dict(np.load(path))
    arrays["votes"] = arrays["votes"].astype(np.uint8)
    arrays["votes"][5] = votes_for("happy", 4, "unknown", 3)
    arrays["name"][1] = ""  # is no picture to anybody
    np.savez(path, **arrays, csv_row=np.arange(24), source="FER+", odd=np.array([None]))
    whole = read_npz(path)
    to = cleaned(path, [0, 9], {4: FEAR})
    assert to.name == "cleaned.npz"
    after = read_npz(to)
    kept = [row for row in range(23) if row not in (0, 9)]
    assert after.names == tuple(whole.names[row] for row in kept)
    np.testing.assert_array_equal(after.pictures, whole.pictures[kept])
    np.testing.assert_array_equal(after.split, whole.split[kept])
    votes = whole.votes.copy()
    votes[4] = 0
    votes[4, VOTE_COLUMNS.index("fear")] = 7
    np.testing.assert_array_equal(after.votes, votes[kept])
    assert read_labelled(to).labels[kept.index(4)] == FEAR
    with np.load(to) as found:
        assert found["csv_row"].tolist() == [row for row in range(24) if row not in (0, 10)]
        assert str(found["source"]) == "FER+"
        assert found["votes"].dtype == np.uint8
        assert "odd" not in found


def test_data_that_changes_while_it_is_read_is_refused(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "faces.csv", "path,label", "a.png,happy", "b.png,sad")
    data = read_labelled(path)
    write_csv(path, "path,label", "a.png,happy")
    with pytest.raises(InputError, match="was changed while it was read"):
        source_of(path, data)
