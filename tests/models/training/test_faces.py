from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest

from mien.errors import InputError
from mien.pixels import Rgb
from mien.types import EMOTIONS, Box, Detection
from models.labelled.ferplus import VOTE_COLUMNS
from models.labelled.holdout import groups_of, held_out, prints_of
from models.nets.weights import CropGeometry
from models.training.faces import Cutting, read_training_data
from tests.support.labelled_pictures import write_class_folders, write_picture
from tests.support.tiny_faces import picture, write_npz

HAPPY, SAD, FEAR = (EMOTIONS.index(name) for name in ("happy", "sad", "fear"))
CROPS = Cutting(CropGeometry(48))


def many(count: int) -> np.ndarray:
    rng = np.random.default_rng(0)
    return np.stack([picture(number % 8, rng) for number in range(count)])


def test_copies_are_one_group_whatever_was_done_to_them() -> None:
    faces = many(12)
    dark = (faces[3] * 0.6).astype(np.uint8)
    whole, data = cv2.imencode(".jpg", faces[5], [cv2.IMWRITE_JPEG_QUALITY, 80])
    assert whole
    again = np.asarray(cv2.imdecode(data, cv2.IMREAD_GRAYSCALE), np.uint8)
    groups = groups_of(prints_of(np.concatenate([faces, dark[np.newaxis], again[np.newaxis]])))
    assert groups.tolist() == [*range(12), 3, 5]


def test_copies_of_copies_belong_together() -> None:
    one, two, three = np.array([[1.0, 0], [0.8, 0.6], [0.28, 0.96]], np.float32)
    assert groups_of(np.stack([one, three, two]), least=0.7).tolist() == [0, 0, 0]


def test_a_share_of_each_label_is_held_out_in_whole_groups() -> None:
    labels = np.array([HAPPY] * 40 + [SAD] * 20 + [FEAR] * 3)
    groups = np.arange(63)
    groups[1:10] = 0
    names = [f"{number}.png" for number in range(63)]
    chosen = held_out(labels, groups, names, share=0.25)
    assert chosen[:10].all() or not chosen[:10].any()
    assert 10 <= chosen[labels == HAPPY].sum() <= 19
    assert chosen[labels == SAD].sum() == 5
    assert chosen[labels == FEAR].sum() == 1


def test_what_is_held_out_depends_on_names_and_seed_and_not_on_the_order() -> None:
    labels = np.array([HAPPY, SAD] * 30)
    names = [f"{number}.png" for number in range(60)]
    first = held_out(labels, np.arange(60), names)
    turned = held_out(labels[::-1].copy(), np.arange(60), names[::-1])
    assert (first == turned[::-1]).all()
    assert (first != held_out(labels, np.arange(60), names, seed=1)).any()


def test_a_folder_becomes_faces_to_train_on_and_to_validate_with(tmp_path: Path) -> None:
    folder = write_class_folders(tmp_path, {"happy": HAPPY, "sad": SAD, "uncertain": 0}, each=20)
    (folder / "sad" / "broken.png").write_bytes(b"")
    heard: list[tuple[int, int]] = []
    data = read_training_data(folder, CROPS, share=0.2, listen=lambda *numbers: heard.append(numbers))
    assert (len(data.train), len(data.validation)) == (32, 8)
    assert data.train.pictures.shape == (32, 48, 48)
    assert data.train.targets[0].sum() == 1.0
    assert sorted(np.bincount(data.validation.labels)[[HAPPY, SAD]].tolist()) == [4, 4]
    assert list(data.failures) == [str(folder / "sad" / "broken.png")]
    assert heard[-1] == (41, 41)
    again = read_training_data(folder, CROPS, share=0.2)
    assert (again.validation.pictures == data.validation.pictures).all()


def test_a_training_picture_that_repeats_a_validation_picture_is_left_out(tmp_path: Path) -> None:
    for split in ("train", "validation"):
        write_class_folders(tmp_path / split, {"happy": HAPPY, "sad": SAD}, each=6, seed=len(split))
    same = cv2.imread(str(tmp_path / "validation" / "sad" / "0.png"), cv2.IMREAD_GRAYSCALE)
    write_picture(tmp_path / "train" / "happy" / "copy.png", np.asarray(same, np.uint8))
    data = read_training_data(tmp_path, CROPS)
    assert (len(data.train), len(data.validation)) == (12, 12)


def test_faces_in_colours_keep_a_margin_and_their_valence_and_arousal(tmp_path: Path) -> None:
    lines = ["path,label,valence,arousal,split"]
    for number in range(8):
        write_picture(tmp_path / f"{number}.png", np.full((60, 60, 3), 30 * number + 10, np.uint8))
        split = "train" if number < 6 else "validation"
        lines.append(f"{number}.png,{'happy' if number % 2 else 'sad'},{number / 10},-0.5,{split}")
    (tmp_path / "faces.csv").write_text("\n".join(lines))
    cutting = Cutting(CropGeometry(48), channels=3, detector=InTheMiddle(), margin=0.25)
    data = read_training_data(tmp_path / "faces.csv", cutting)
    assert data.train.pictures.shape == (6, 72, 72, 3)
    assert data.train.points is not None
    assert data.train.points[3].tolist() == pytest.approx([0.3, -0.5])


class InTheMiddle:
    """Finds a face in the middle of each picture that is not black."""

    name = "middle"

    def detect(self, rgb: Rgb, smallest_face_px: int | None = None) -> tuple[Detection, ...]:
        return (Detection((20, 20, 20, 20), 1.0),) if rgb.max() else ()

    def near(self, rgb: Rgb, boxes: Sequence[Box]) -> tuple[Detection | None, ...]:
        return (None,) * len(boxes)

    def prepare(self, shapes: Sequence[tuple[int, int]], smallest_face_px: int) -> None:
        """There is nothing to make ready."""


def test_pictures_without_a_face_are_listed_and_none_at_all_is_an_error(tmp_path: Path) -> None:
    folder = write_class_folders(tmp_path, {"happy": HAPPY, "sad": SAD}, each=6)
    write_picture(folder / "sad" / "black.png", np.zeros((48, 48), np.uint8))
    data = read_training_data(folder, Cutting(CropGeometry(48), detector=InTheMiddle()), share=0.3)
    assert data.failures == {str(folder / "sad" / "black.png"): "no face was found"}
    for path in folder.rglob("*.png"):
        path.write_bytes(b"")
    with pytest.raises(InputError, match="not one face"):
        read_training_data(folder, CROPS)


def test_an_npz_keeps_the_rules_of_ferplus(tmp_path: Path) -> None:
    data = read_training_data(write_npz(tmp_path / "faces.npz"), CROPS)
    assert (len(data.train), len(data.validation)) == (96, 24)
    assert data.train.points is not None
    assert data.train.points[data.train.labels == HAPPY][0].tolist() == pytest.approx([0.98, 0.19])


def test_too_little_to_hold_out_is_one_clear_error(tmp_path: Path) -> None:
    folder = write_class_folders(tmp_path, {"happy": HAPPY, "sad": SAD}, each=2)
    with pytest.raises(InputError, match=r"validation split of .* holds no face"):
        read_training_data(folder, CROPS)


def test_data_of_one_emotion_is_refused_in_an_npz_too(tmp_path: Path) -> None:
    path = write_npz(tmp_path / "faces.npz", per_split=(32, 16, 16))
    with np.load(path) as arrays:
        one = {name: np.array(arrays[name]) for name in arrays.files}
    one["votes"][:] = 0
    one["votes"][:, VOTE_COLUMNS.index("happy")] = 10
    np.savez(path, **one)  # type: ignore[arg-type]
    with pytest.raises(InputError, match=r"faces\.npz: the training split has faces of one emotion only"):
        read_training_data(path, CROPS)


def test_an_empty_split_is_found_before_a_picture_is_read(tmp_path: Path) -> None:
    rows = [f"missing/{index}.png,{name},train" for index, name in enumerate(("happy", "sad") * 4)]
    there = tmp_path / "there.png"
    there.write_bytes(b"never decoded")
    (tmp_path / "faces.csv").write_text("\n".join(["path,label,split", "there.png,happy,train", *rows]))
    heard: list[int] = []
    with pytest.raises(InputError, match=r"validation split of .*faces\.csv holds no face"):
        read_training_data(tmp_path / "faces.csv", CROPS, listen=lambda done, _: heard.append(done))
    assert heard == []


def test_a_path_that_no_file_can_have_is_one_picture_that_cannot_be_read(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for name in ("happy", "sad"):
        for index in range(6):
            write_picture(tmp_path / f"{name}{index}.png", picture(EMOTIONS.index(name), rng))
    rows = [f"{name}{index}.png,{name}" for index in range(6) for name in ("happy", "sad")]
    (tmp_path / "faces.csv").write_text("\n".join(["path,label", f"{'long' * 2000}.png,happy", *rows]))
    data = read_training_data(tmp_path / "faces.csv", CROPS, share=0.2)
    assert len(data.failures) == 1
    assert len(data.train) + len(data.validation) == 12


def test_names_that_do_not_fit_the_pictures_are_refused(tmp_path: Path) -> None:
    path = write_npz(tmp_path / "faces.npz", per_split=(8, 8, 8))
    with np.load(path) as arrays:
        several = {name: np.array(arrays[name]) for name in arrays.files}
    np.savez(path, **{**several, "name": np.array(["one"])})  # type: ignore[arg-type]
    with pytest.raises(InputError, match="name must have one entry for each of the 24 images"):
        read_training_data(path, CROPS)
