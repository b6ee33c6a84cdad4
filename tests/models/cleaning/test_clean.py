"""`mien clean` on pictures of which some were given a wrong name: TensorFlow, so slow."""

from __future__ import annotations

import csv
import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from mien.errors import InputError
from mien.types import EMOTIONS
from models.cleaning.clean import places_of
from models.labelled.data import read_labelled
from models.labelled.ferplus import read_npz
from models.nets.weights import CropGeometry
from models.training.conditions import CONDITIONS_NAME
from models.training.faces import Cutting, read_training_data
from models.training.plan import TrainingPlan
from tests.support.paths import ROOT
from tests.support.tiny_faces import picture, write_npz

NAMES = ("happy", "sad", "anger")


def mislabelled(folder: Path, each: int = 200, wrong: int = 15) -> set[str]:
    """Write a folder of class folders, and return the names of the pictures that lie in a wrong one."""
    rng = np.random.default_rng(0)
    misplaced = set()
    for place, name in enumerate(NAMES):
        (folder / name).mkdir(parents=True)
        for number in range(each):
            truth = NAMES[(place + 1) % len(NAMES)] if number < wrong else name
            path = folder / name / f"{number}.png"
            cv2.imwrite(str(path), picture(EMOTIONS.index(truth), rng))
            if truth != name:
                misplaced.add(str(path))
    return misplaced


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def cleaned(data: Path, out: Path, *options: str, timeout: float = 240) -> subprocess.CompletedProcess[str]:
    """Run `mien clean` on crops with a small net."""
    command = [sys.executable, "-m", "cli", "clean", str(data), "--out", str(out), "--crops", "--stem", "conv-4"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3"}
    return subprocess.run(
        [*command, "--size", "32", *options], cwd=out.parent, env=environment, capture_output=True, text=True,
        timeout=timeout,
    )  # fmt: skip


def words(shown: str) -> str:
    """Return what was printed without the breaks of lines and the frame around errors."""
    return " ".join(shown.replace("│", " ").split())


@pytest.mark.slow
@pytest.mark.timeout(500)
def test_wrong_labels_are_found_and_a_run_that_was_stopped_goes_on(tmp_path: Path) -> None:
    misplaced = mislabelled(tmp_path / "faces")
    options = ("--folds", "2", "--epochs", "16", "--batch", "32")
    done = cleaned(tmp_path / "faces", tmp_path / "out", *options, timeout=400)
    assert done.returncode == 0, done.stderr
    suspects = {row["path"]: row for row in rows_of(tmp_path / "out/suspects.csv")}
    hits = misplaced & suspects.keys()
    assert len(hits) >= 0.8 * len(misplaced)
    assert len(hits) >= 0.6 * len(suspects)
    assert all(row["suggested"] != row["label"] for row in suspects.values())
    assert len(read_labelled(tmp_path / "out/cleaned.csv")) == 600 - len(suspects)  # as `mien train` would
    page = (tmp_path / "out/suspects.html").read_text()
    assert "happy → sad" in page
    again = cleaned(tmp_path / "faces", tmp_path / "out", *options, "--relabel", timeout=60)
    assert again.returncode == 0, again.stderr
    assert "epoch" not in again.stdout
    assert len(read_labelled(tmp_path / "out/cleaned.csv")) == 600


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_what_was_learned_is_used_for_the_same_data_and_options_only(tmp_path: Path) -> None:
    mislabelled(tmp_path / "faces", each=30, wrong=0)
    options = ("--folds", "2", "--epochs", "1", "--batch", "16")
    first = cleaned(tmp_path / "faces", tmp_path / "out", *options)
    assert first.returncode == 0, first.stderr
    probabilities = [tmp_path / f"out/fold-{number}/probabilities.npy" for number in (1, 2)]
    before = [path.read_bytes() for path in probabilities]
    probabilities[1].unlink()
    again = cleaned(tmp_path / "faces", tmp_path / "out", *options)
    assert again.returncode == 0, again.stderr
    assert [path.read_bytes() for path in probabilities] == before
    lists = (tmp_path / "out/suspects.csv").read_bytes()
    longer = cleaned(tmp_path / "faces", tmp_path / "out", *options, "--epochs", "2")
    assert longer.returncode == 2
    assert "holds a cleaning with other options (epochs 1, not 2): choose" in words(longer.stderr)
    record = tmp_path / "out" / CONDITIONS_NAME
    kept = record.read_bytes()
    record.unlink()
    unknown = cleaned(tmp_path / "faces", tmp_path / "out", *options)
    assert unknown.returncode == 2
    assert "does not say what the cleaning there is of: choose" in words(unknown.stderr)
    record.write_bytes(kept)
    # As many pictures as before, and as many of each emotion.
    for name, other in (("happy", "sad"), ("sad", "happy")):
        (tmp_path / "faces" / name / "0.png").rename(tmp_path / "faces" / other / "moved.png")
    changed = cleaned(tmp_path / "faces", tmp_path / "out", *options)
    assert changed.returncode == 2
    assert "holds a cleaning on other data: choose" in words(changed.stderr)
    assert "Traceback" not in changed.stderr
    assert (tmp_path / "out/suspects.csv").read_bytes() == lists
    assert [path.read_bytes() for path in probabilities] == before


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_too_few_different_faces_are_told_before_anything_is_trained(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for name in ("happy", "sad"):
        (tmp_path / "faces" / name).mkdir(parents=True)
        for number in range(2):
            face = picture(EMOTIONS.index(name), rng)
            for copy in range(4):
                path = tmp_path / "faces" / name / f"{number}-{copy}.png"
                cv2.imwrite(str(path), face)
    done = cleaned(tmp_path / "faces", tmp_path / "out", "--folds", "5", "--epochs", "1", "--batch", "4")
    assert done.returncode == 2
    told = words(done.stderr)
    assert "has too few different faces (4 of 16 without copies) for 5 folds: give more, or fewer --folds" in told
    assert "Traceback" not in done.stderr
    assert list((tmp_path / "out").glob("fold-*")) == []


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_an_npz_is_cleaned_into_an_npz_to_train_on(tmp_path: Path) -> None:
    data = write_npz(tmp_path / "faces.npz", per_split=(160, 40, 40))
    options = ("--folds", "2", "--epochs", "1", "--batch", "16")
    done = cleaned(data, tmp_path / "out", *options)
    assert done.returncode == 0, done.stderr
    suspects = {row["path"]: row["suggested"] for row in rows_of(tmp_path / "out/suspects.csv")}
    assert suspects
    left = read_npz(tmp_path / "out/cleaned.npz")
    assert set(left.names) == set(read_npz(data).names) - suspects.keys()
    found = read_training_data(tmp_path / "out/cleaned.npz", Cutting(CropGeometry(32)))  # as `mien train` would
    assert len(found.train) + len(found.validation) == (left.split < 2).sum()
    again = cleaned(data, tmp_path / "out", *options, "--relabel")
    assert again.returncode == 0, again.stderr
    renamed = read_labelled(tmp_path / "out/cleaned.npz")
    assert len(renamed) == 240
    named = {renamed.pictures.name(row): EMOTIONS[label] for row, label in enumerate(renamed.labels)}
    assert {name: named[name] for name in suspects} == suspects
    assert not (tmp_path / "out/cleaned.csv").exists()


def test_every_fold_has_faces_and_the_others_a_batch() -> None:
    labels = np.array([0] * 8 + [1] * 8)
    places = places_of("faces", labels, np.arange(16), 4, TrainingPlan(batch=12))
    assert np.bincount(places).tolist() == [4, 4, 4, 4]
    with pytest.raises(InputError, match=r"faces has too few faces \(16\) for 9 folds"):
        places_of("faces", labels, np.arange(16), 9, TrainingPlan(batch=2))
    # Four different faces, but no more than two of an emotion.
    with pytest.raises(InputError, match=r"too few different faces \(4 of 16 without copies\) for 3 folds"):
        places_of("faces", labels, np.arange(16) // 4 * 4, 3, TrainingPlan(batch=2))
    with pytest.raises(InputError, match="12 training pictures are fewer than one batch of 13"):
        places_of("faces", labels, np.arange(16), 4, TrainingPlan(batch=13))
