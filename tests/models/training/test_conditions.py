"""What all backbones of a comparison share, and that another comparison in its folder is told."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mien.errors import InputError
from mien.types import EMOTIONS
from models.training.conditions import CONDITIONS_NAME, Conditions, conditions_of, fingerprint, need_same, record
from models.training.plan import TrainingPlan
from models.training.request import TrainingRequest
from tests.support.labelled_pictures import write_class_folders
from tests.support.tiny_faces import write_npz

TWO = {name: EMOTIONS.index(name) for name in ("happy", "sad")}
PLAN = TrainingPlan(minutes=20, batch=16)
WANTED = TrainingRequest(size=32)


def same_comparison(folder: Path, conditions: Conditions) -> None:
    need_same(folder, conditions, "comparison", without_record=True)


def test_the_same_comparison_goes_on_also_with_other_backbones(tmp_path: Path) -> None:
    data, out = write_npz(tmp_path / "faces.npz"), tmp_path / "out"
    record(out, conditions_of(data, WANTED, PLAN))
    copy = tmp_path / "copy.npz"
    copy.write_bytes(data.read_bytes())
    same_comparison(out, conditions_of(copy, replace(WANTED, backbone="mobilenetv2"), PLAN))
    assert [path.name for path in out.iterdir()] == [CONDITIONS_NAME]


@pytest.mark.parametrize("array", ["images", "votes", "split"])
def test_an_npz_with_one_other_value_is_other_data(tmp_path: Path, array: str) -> None:
    data, out = write_npz(tmp_path / "faces.npz"), tmp_path / "out"
    record(out, conditions_of(data, WANTED, PLAN))
    arrays = dict(np.load(data))
    arrays[array].flat[-1] = 1 - arrays[array].flat[-1] % 2
    np.savez(data, **arrays)
    with pytest.raises(InputError, match=r"out holds a comparison on other data: choose another --out"):
        same_comparison(out, conditions_of(data, WANTED, PLAN))


def test_a_folder_with_another_picture_or_another_label_is_other_data(tmp_path: Path) -> None:
    data = write_class_folders(tmp_path / "faces", TWO)
    seen = [fingerprint(data)]
    assert fingerprint(data) == seen[0]
    (data / "happy" / "0.png").write_bytes((data / "happy" / "1.png").read_bytes())
    seen.append(fingerprint(data))
    (data / "happy" / "2.png").rename(data / "sad" / "9.png")
    seen.append(fingerprint(data))
    (data / "sad" / "9.png").unlink()
    seen.append(fingerprint(data))
    assert len(set(seen)) == 4


def test_names_count_only_where_they_decide_what_is_held_out(tmp_path: Path) -> None:
    folder = write_class_folders(tmp_path / "faces", TWO)
    moved = write_class_folders(tmp_path / "moved", TWO)
    assert fingerprint(folder) != fingerprint(moved)
    for name in ("a", "b"):
        rows = [f"{path},{path.parent.name},train" for path in sorted((tmp_path / "faces").rglob("*.png"))]
        if name == "b":
            rows = [row.replace("faces", "moved") for row in rows]
        (tmp_path / f"{name}.csv").write_text("\n".join(["path,label,split", *rows]))
    assert fingerprint(tmp_path / "a.csv") == fingerprint(tmp_path / "b.csv")


@pytest.mark.parametrize(
    ("wanted", "plan", "told"),
    [
        (WANTED, replace(PLAN, minutes=5), "minutes 20, not 5"),
        (WANTED, replace(PLAN, batch=64), "batch 16, not 64"),
        (WANTED, replace(PLAN, seed=2), "seed 1, not 2"),
        (WANTED, replace(PLAN, precision="bfloat16"), "precision float32, not bfloat16"),
        (replace(WANTED, start=("imagenet",)), PLAN, "weights none, not imagenet"),
        (replace(WANTED, size=48), PLAN, "size 32, not 48"),
        (replace(WANTED, crops=True), PLAN, "crops False, not True"),
    ],
)
def test_other_options_are_refused_and_told(
    tmp_path: Path, wanted: TrainingRequest, plan: TrainingPlan, told: str
) -> None:
    data, out = write_class_folders(tmp_path / "faces", TWO), tmp_path / "out"
    record(out, conditions_of(data, WANTED, PLAN))
    with pytest.raises(InputError) as caught:
        same_comparison(out, conditions_of(data, wanted, plan))
    assert str(caught.value) == f"{out} holds a comparison with other options ({told}): choose another --out"


def test_weights_of_the_same_name_that_have_changed_are_others(tmp_path: Path) -> None:
    data, start = write_npz(tmp_path / "faces.npz"), tmp_path / "best.npz"
    start.write_bytes(b"one")
    wanted = replace(WANTED, start=(str(start),))
    record(tmp_path, conditions_of(data, wanted, PLAN))
    same_comparison(tmp_path, conditions_of(data, wanted, PLAN))
    start.write_bytes(b"two")
    with pytest.raises(InputError, match=r"weights best\.npz .*, not best\.npz "):
        same_comparison(tmp_path, conditions_of(data, wanted, PLAN))


def test_whether_an_npz_is_called_crops_makes_no_difference(tmp_path: Path) -> None:
    data = write_npz(tmp_path / "faces.npz")
    assert conditions_of(data, WANTED, PLAN) == conditions_of(data, replace(WANTED, crops=True), PLAN)


def test_a_folder_without_a_record_is_taken_and_an_option_that_one_version_lacks_says_nothing(tmp_path: Path) -> None:
    found = conditions_of(write_npz(tmp_path / "faces.npz"), WANTED, PLAN)
    (tmp_path / "convnext-atto").mkdir()
    same_comparison(tmp_path, found)
    record(tmp_path, Conditions(found.data, {**found.options, "of another version": 1}))
    same_comparison(tmp_path, found)
    record(tmp_path, Conditions("other data", {**found.options, "of another version": 1}))
    with pytest.raises(InputError):
        same_comparison(tmp_path, found)


@pytest.mark.parametrize("text", ["", "[]", '{"data": "a"}', '{"data": "a", "options": 3}'])
def test_a_damaged_record_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / CONDITIONS_NAME).write_text(text)
    with pytest.raises(InputError, match="does not say what the comparison there is of"):
        same_comparison(tmp_path, Conditions("a", {}))


def test_a_record_that_cannot_be_written_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("no folder")
    with pytest.raises(InputError, match=r"conditions\.json cannot be written"):
        record(tmp_path / "out", Conditions("a", {}))


def test_a_cleaning_without_a_record_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not say what the cleaning there is of"):
        need_same(tmp_path, Conditions("a", {}), "cleaning", without_record=False)


def test_more_options_count_too(tmp_path: Path) -> None:
    data = write_npz(tmp_path / "faces.npz")
    record(tmp_path, conditions_of(data, WANTED, PLAN, folds=5))
    with pytest.raises(InputError, match=r"holds a cleaning with other options \(folds 5, not 4\)"):
        need_same(tmp_path, conditions_of(data, WANTED, PLAN, folds=4), "cleaning", without_record=False)
