from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from mien.errors import InputError, PictureError
from mien.types import EMOTIONS
from models.labelled.data import ArrayPictures, FilePictures, default_split, part_of, read_labelled
from models.labelled.names import UNCLEAR
from tests.support.labelled_pictures import write_class_folders, write_picture
from tests.support.tiny_faces import write_npz

HAPPY, SAD, ANGER = (EMOTIONS.index(name) for name in ("happy", "sad", "anger"))

WriteCsv = Callable[..., Path]


@pytest.fixture
def write_csv(tmp_path: Path) -> WriteCsv:
    """Write a CSV whose pictures a.png and b.png lie beside it."""
    for name in ("a.png", "b.png"):
        write_picture(tmp_path / "pictures" / name, np.zeros((8, 8), np.uint8))

    def write(*lines: str, name: str = "faces.csv", encoding: str = "utf-8") -> Path:
        path = tmp_path / name
        path.write_text("\n".join(lines) + "\n", encoding=encoding)
        return path

    return write


def test_a_folder_of_class_folders(tmp_path: Path) -> None:
    folder = write_class_folders(tmp_path / "faces", {"Happiness": HAPPY, "sad": SAD, "uncertain": 0}, each=2)
    (folder / ".cache").mkdir()
    (folder / "sad" / "notes.txt").write_text("no picture")
    data = read_labelled(folder)
    assert data.labels.tolist() == [HAPPY, HAPPY, SAD, SAD, UNCLEAR, UNCLEAR]
    assert data.targets.sum(axis=1).tolist() == [1, 1, 1, 1, 0, 0]
    assert [Path(data.pictures.name(row)).parent.name for row in (0, 2, 4)] == ["Happiness", "sad", "uncertain"]
    assert data.pictures.read(0).shape == (48, 48, 3)
    assert (data.split, data.valence, data.crops, default_split(data)) == (None, None, False, None)
    assert part_of(data, None) is data
    with pytest.raises(InputError, match="has no splits"):
        part_of(data, "test")


def test_folders_of_splits(tmp_path: Path) -> None:
    for split in ("train", "Val"):
        write_class_folders(tmp_path / split, {"happy": HAPPY, "sad": SAD}, each=3)
    data = read_labelled(tmp_path)
    assert default_split(data) == "test"
    assert len(part_of(data, "train")) == len(part_of(data, "validation")) == 6
    with pytest.raises(InputError, match=r"the test split of .* is empty: it has train, validation"):
        part_of(data, "test")


def test_pictures_of_a_folder_are_not_read_before_they_are_asked_for(tmp_path: Path) -> None:
    folder = write_class_folders(tmp_path, {"happy": HAPPY, "sad": SAD}, each=1)
    (folder / "sad" / "0.png").write_bytes(b"no picture")
    data = read_labelled(folder)
    with pytest.raises(PictureError, match="not a picture"):
        data.pictures.read(1)
    (folder / "sad" / "0.png").unlink()
    with pytest.raises(PictureError, match="does not exist"):
        data.pictures.read(1)


def test_a_folder_that_is_no_emotion_is_named(tmp_path: Path) -> None:
    write_class_folders(tmp_path, {"happy": HAPPY, "bored": SAD})
    with pytest.raises(InputError, match=f"{tmp_path / 'bored'}: 'bored' is none of the labels"):
        read_labelled(tmp_path)


def test_a_picture_outside_of_class_folders_is_named(tmp_path: Path) -> None:
    write_class_folders(tmp_path, {"happy": HAPPY, "sad": SAD})
    loose = write_picture(tmp_path / "loose.png", np.zeros((8, 8), np.uint8))
    with pytest.raises(InputError, match=f"{loose} lies in no class folder"):
        read_labelled(tmp_path)


@pytest.mark.parametrize(
    ("classes", "message"),
    [({}, "no pictures in"), ({"happy": HAPPY}, r"one emotion only \(happy\)"), ({"uncertain": 0}, "no emotion")],
)
def test_fewer_than_two_emotions_are_refused(tmp_path: Path, classes: dict[str, int], message: str) -> None:
    write_class_folders(tmp_path, classes)
    with pytest.raises(InputError, match=message):
        read_labelled(tmp_path)


def test_a_csv_of_labels_is_relative_to_itself(write_csv: WriteCsv) -> None:
    path = write_csv("Image,Emotion,note", "pictures/a.png,Joy,x", "pictures/b.png,sad,", encoding="utf-8-sig")
    data = read_labelled(path)
    assert data.labels.tolist() == [HAPPY, SAD]
    assert data.pictures.read(1).shape == (8, 8, 3)


def test_a_csv_with_semicolons(write_csv: WriteCsv) -> None:
    assert len(read_labelled(write_csv("path;label", "pictures/a.png;happy", "pictures/b.png;sad"))) == 2


def test_a_csv_of_votes_follows_the_rule_of_ferplus(write_csv: WriteCsv) -> None:
    data = read_labelled(
        write_csv(
            "Usage,Image name,neutral,happiness,sadness,unknown,NF",
            "Training,pictures/a.png,0,7,1,1,1",  # single votes are noise
            "PublicTest,pictures/b.png,4,0,4,2,0",  # no majority
            "PrivateTest,pictures/b.png,1,0,2,0,0",  # few votes: each counts
        )
    )
    assert data.labels.tolist() == [HAPPY, UNCLEAR, SAD]
    assert data.targets[0, HAPPY] == 1.0
    assert data.targets[1, SAD] == pytest.approx(0.5)
    assert data.targets[2, SAD] == pytest.approx(2 / 3)
    assert data.split is not None
    assert data.split.tolist() == [0, 1, 2]


def test_valence_and_arousal_may_be_unknown_for_some(write_csv: WriteCsv) -> None:
    data = read_labelled(
        write_csv("path,label,valence,arousal", "pictures/a.png,happy,0.5,-0.25", "pictures/b.png,sad,,")
    )
    assert data.valence is not None
    assert data.arousal is not None
    assert (data.valence[0], data.arousal[0]) == (0.5, -0.25)
    assert np.isnan([data.valence[1], data.arousal[1]]).all()


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ((), r"faces\.csv, line 1: there is no header"),
        (("path,label",), r"faces\.csv, line 2: there is no picture"),
        (("file_name,label", "a,happy"), r"line 1: the column `path` is missing \(found were file_name, label\)"),
        (("path,age", "a,4"), r"line 1: the column `label`, or a column of votes for each emotion, is missing"),
        (("path,happy", "a,4"), r"line 1: the column `label`"),
        (("path,label,label", "a,happy,sad"), r"line 1: the column 'label' is there twice"),
        (("path,label,valence", "a,happy,0"), r"line 1: the column `arousal` is missing"),
        (("path,label", "pictures/a.png,happy", "pictures/b.png,bored"), r"line 3: 'bored' is none of the labels"),
        (("path,label", "pictures/a.png,3"), r"line 2: '3' is a number"),
        (("path,label", "pictures/a.png"), r"line 2: has 1 cells, the header has 2"),
        (("path,label", "pictures/a.png,happy,more"), r"line 2: has 3 cells, the header has 2"),
        (("path,label", ",happy"), r"line 2: the column 'path' is empty"),
        (("path,happy,sad", "pictures/a.png,4,-1"), r"line 2: '-1' in the column 'sad' is no number of votes"),
        (("path,happy,sad", "pictures/a.png,4,many"), r"line 2: 'many' in the column 'sad'"),
        (("path,label,valence,arousal", "pictures/a.png,sad,-2,0"), r"line 2: '-2' in the column 'valence'"),
        (("path,label,split", "pictures/a.png,sad,later"), r"line 2: 'later' is no split"),
        (
            ("path,label,person", "pictures/a.png,sad, "),
            r"line 2: the column 'person' is empty: name the person in each",
        ),
        (("path,label,Group", "pictures/a.png,sad,"), r"line 2: the column 'Group' is empty: name the group in each"),
        (
            ("path,label,group", f"pictures/a.png,sad,{101 * 'x'}"),
            r"line 2: 'x+'… in the column 'group' is longer than",
        ),
        (("path,label,person", "pictures/a.png,sad"), r"line 2: has 2 cells, the header has 3"),
        (("path,label", "x.png,sad", "y.png,happy"), r"line 2: .*x\.png does not exist, nor does any other"),
        (("path,label", "pictures/a.png,happy", "pictures/b.png,joy"), r"one emotion only \(happy\)"),
    ],
)
def test_bad_lines_are_one_clear_error(write_csv: WriteCsv, lines: tuple[str, ...], message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        read_labelled(write_csv(*lines))
    assert "\n" not in str(caught.value)


def test_a_csv_in_another_encoding_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "faces.csv").write_bytes("path,label\nfüße.png,happy\n".encode("latin-1"))
    with pytest.raises(InputError, match="cannot be read as CSV"):
        read_labelled(tmp_path / "faces.csv")


@pytest.mark.parametrize("name", ["none.csv", "none", "faces.txt"])
def test_what_is_no_data_is_one_clear_error(tmp_path: Path, name: str) -> None:
    (tmp_path / "faces.txt").write_text("")
    with pytest.raises(InputError, match=name):
        read_labelled(tmp_path / name)


def test_an_npz_knows_its_splits_its_copies_and_what_people_did_not_agree_on(tmp_path: Path) -> None:
    path = write_npz(tmp_path / "faces.npz")
    arrays = dict(np.load(path))
    test = np.flatnonzero(arrays["split"] == 2)
    arrays["images"][test[0]] = arrays["images"][3]
    arrays["votes"][test[1]] = [0, 5, 0, 5, 0, 0, 0, 0, 0, 0]
    np.savez(path, **arrays)
    data = read_labelled(path)
    part = part_of(data, "test")
    assert isinstance(part.pictures, ArrayPictures)
    assert part.copies is not None
    assert np.flatnonzero(part.copies).tolist() == [0]
    assert np.flatnonzero(part.labels == UNCLEAR).tolist() == [1]
    assert part.crops
    assert part.pictures.name(0) == str(arrays["name"][test[0]])
    # Valence and arousal are those that the votes stand for.
    assert part.va_truth == "projected from votes"
    assert part.valence is not None
    assert part.valence[part.labels == HAPPY][0] == pytest.approx(0.98)


def test_some_rows_can_be_taken(tmp_path: Path) -> None:
    data = read_labelled(write_class_folders(tmp_path, {"happy": HAPPY, "anger": ANGER}, each=3))
    some = data.take(np.array([5, 0]))
    assert some.labels.tolist() == [data.labels[5], data.labels[0]]
    assert isinstance(some.pictures, FilePictures)
    assert some.pictures.name(0) == data.pictures.name(5)
