"""What a training tells of how it came about, also after it was resumed with other options."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from mien.errors import InputError
from models.training.options import OPTIONS_NAME, options_of, record, sentences
from models.training.plan import Augmentation, TrainingPlan
from models.training.request import TrainingRequest

PLAN = TrainingPlan(learning_rate=1.5e-3, minutes=10)
FROM_A_FILE = TrainingRequest(start=("somewhere/best.npz",), teachers=(Path("elsewhere/big.zip"),))


def test_a_run_that_goes_on_still_tells_where_it_began(tmp_path: Path) -> None:
    record(tmp_path, options_of(FROM_A_FILE, PLAN), resumed=False)
    later = options_of(
        TrainingRequest(), replace(PLAN, minutes=20, learning_rate=5e-4, augmentation=Augmentation(mixup=0.3))
    )
    told = sentences(record(tmp_path, later, resumed=True), "2 epochs. ")
    assert told[0] == "convnext-atto, starting from the weights best.npz. Taught by big.zip."
    assert told[1].startswith("2 epochs. Batch 128, peak learning rate 0.0015")
    assert told[-1] == "Went on with teachers none, mixup 0.3, learning_rate 0.0005."


def test_several_weights_to_start_from_are_told_of_as_their_mean() -> None:
    told = sentences([options_of(TrainingRequest(start=("runs/a.npz", "elsewhere/b.npz")), PLAN)], "")
    assert told[0] == "convnext-atto, starting from the mean of the weights a.npz, b.npz."


def test_nothing_is_told_of_a_run_that_goes_on_as_it_was(tmp_path: Path) -> None:
    first = record(tmp_path, options_of(FROM_A_FILE, PLAN), resumed=False)
    again = record(tmp_path, options_of(FROM_A_FILE, replace(PLAN, minutes=99, epochs=7)), resumed=True)
    assert sentences(again, "") == sentences(first, "")


def test_a_new_run_forgets_the_options_of_an_older_one(tmp_path: Path) -> None:
    record(tmp_path, options_of(FROM_A_FILE, PLAN), resumed=False)
    told = sentences(record(tmp_path, options_of(TrainingRequest(), PLAN), resumed=False), "")
    assert told[0] == "convnext-atto, starting from random weights."


@pytest.mark.parametrize("text", ["", "[]", '{"options": [{"batch": 1}]}', '{"options": 3}'])
def test_a_damaged_list_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / OPTIONS_NAME).write_text(text)
    with pytest.raises(InputError, match="no list of options"):
        record(tmp_path, options_of(TrainingRequest(), PLAN), resumed=True)
