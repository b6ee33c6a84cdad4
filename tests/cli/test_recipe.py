"""`mien train --recipe`: a file of options is what the same flags are, flags win, mistakes are named by their key."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from cli.main import app
from cli.recipe import shipped
from mien.errors import InputError
from models.training import run

EIGHT = (
    "weights: [runs/six/best.npz, runs/seven/best.npz]\nteacher: a.zip\ndistil: 0.9\nlearning-rate: 1e-3\n"
    "head-share: 0\nseed: 42\nbackend: torch\nprecision: bfloat16\nkeep: last\nminutes: 50\n"
    "crops: true\nout: runs/eight\n"
)
SAME_FLAGS = [
    *("--weights", "runs/six/best.npz", "--weights", "runs/seven/best.npz", "--teacher", "a.zip", "--distil", "0.9"),
    *("--learning-rate", "1e-3", "--head-share", "0", "--seed", "42", "--backend", "torch", "--precision", "bfloat16"),
    *("--keep", "last", "--minutes", "50", "--crops", "--out", "runs/eight"),
]


class Enough(Exception):
    pass


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    calls: list[tuple[Any, ...]] = []

    def train(*given: Any) -> None:
        calls.append(given[:-1])  # the last one listens
        raise Enough

    monkeypatch.setattr(run, "train", train)
    return calls


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    path = tmp_path / "eight.yaml"
    path.write_text(EIGHT)
    return path


def train(*given: str | Path) -> BaseException | None:
    return CliRunner().invoke(app, ["train", "ferplus.npz", *map(str, given)]).exception


def test_a_recipe_is_what_the_same_flags_are(asked: list[tuple[Any, ...]], recipe: Path) -> None:
    for given in (["--recipe", str(recipe)], SAME_FLAGS):
        assert isinstance(train(*given), Enough)
    by_recipe, by_flags = asked
    assert by_recipe == by_flags
    assert by_recipe[1].start == ("runs/six/best.npz", "runs/seven/best.npz")
    assert by_recipe[3] == Path("runs/eight")


@pytest.mark.parametrize("recipe_first", [True, False])
def test_flags_win_over_a_recipe(asked: list[tuple[Any, ...]], recipe: Path, recipe_first: bool) -> None:
    flags = ["--minutes", "9", "--weights", "none", "--no-crops", "--keep", "best"]
    given = ["--recipe", str(recipe)]
    train(*given, *flags) if recipe_first else train(*flags, *given)
    ((_, wanted, plan, out, *_),) = asked
    assert (plan.minutes, plan.keep, wanted.start, wanted.crops) == (9, "best", ("none",), False)
    assert (plan.seed, out) == (42, Path("runs/eight"))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("mixpu: 0.3", r"mine\.yaml: mixpu is no option of `.*train`; did you mean 'mixup'"),
        ("learning_rate: 0.1", r"learning_rate is no option.*did you mean 'learning-rate'"),
        ("seed: 1\nlearning: {rate: 0.1}", r"mine\.yaml: learning is no option"),
        ("1: 2", r"mine\.yaml: 1 is no option"),
        ("recipe: other.yaml", "recipe is no option"),
        ("help: true", "help is no option"),
        ("batch: 2.5", r"mine\.yaml: batch: .*integer"),
        ("batch:", "batch must be one value, not None"),
        ("batch: [1, 2]", "batch must be one value"),
        ("batch: true", "batch must be one value, not True"),
        ("mixup: 1.5", "mixup: .*less than or equal to 1"),
        ("mixup: .nan", "mixup: "),
        ("backend: caffe", "backend: .*'tensorflow', 'torch', 'jax'"),
        ("teacher: [a.zip, {a: 1}]", r"teacher\[1\] must be one value"),
        ("crops: 1", "crops must be true or false, not 1"),
        ("- minutes", "is no recipe"),
        ("", "is no recipe"),
        ("{", r"mine\.yaml, line 1: expected the node content"),
        ("seed: \x00", "cannot be read: .*special characters"),
        ("[" * 100_000, "nested too deep"),
    ],
)
def test_a_mistake_is_named_by_file_and_key(text: str, told: str, asked: list[tuple[Any, ...]], tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    error = train("--recipe", path)
    assert isinstance(error, InputError)
    with pytest.raises(InputError, match=told):
        raise error
    assert asked == []


def test_a_recipe_that_is_not_there_is_refused_with_those_that_are() -> None:
    error = train("--recipe", "nine")
    assert isinstance(error, InputError)
    assert "there is no recipe at nine" in str(error)
    assert "ferplus-atto-3/eight" in str(error)


@pytest.mark.parametrize("name", shipped())
def test_every_shipped_recipe_is_taken_and_has_a_folder_of_its_own(name: str, asked: list[tuple[Any, ...]]) -> None:
    assert isinstance(train("--recipe", name), Enough)
    ((_, _, plan, out, *_),) = asked
    assert plan.minutes < 100
    assert out == Path("runs") / name.rpartition("/")[2]


def test_the_shipped_weights_have_the_recipes_of_all_their_runs() -> None:
    numbered = {"one", "two", "three", "four", "five", "six", "seven", "eight"}
    assert {name.rpartition("/")[2] for name in shipped()} == numbered | {"lite-a", "lite-b", "lite-c"}
