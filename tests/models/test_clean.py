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

from mien.types import EMOTIONS
from models import weights as weights_file
from models.training.labelled import read_labelled
from tests.models.tiny_faces import picture

ROOT = Path(weights_file.__file__).parents[1]
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


@pytest.mark.slow
@pytest.mark.timeout(500)
def test_wrong_labels_are_found_and_a_run_that_was_stopped_goes_on(tmp_path: Path) -> None:
    misplaced = mislabelled(tmp_path / "faces")
    command = [
        sys.executable, "-m", "cli", "clean", str(tmp_path / "faces"), "--out", str(tmp_path / "out"), "--crops",
        "--folds", "2", "--stem", "conv-4", "--size", "32", "--epochs", "16", "--batch", "32",
    ]  # fmt: skip
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=400)
    assert done.returncode == 0, done.stderr
    suspects = {row["path"]: row for row in rows_of(tmp_path / "out/suspects.csv")}
    hits = misplaced & suspects.keys()
    assert len(hits) >= 0.8 * len(misplaced)
    assert len(hits) >= 0.6 * len(suspects)
    assert all(row["suggested"] != row["label"] for row in suspects.values())
    cleaned = read_labelled(tmp_path / "out/cleaned.csv")  # as `mien train` would
    assert len(cleaned) == 600 - len(suspects)
    page = (tmp_path / "out/suspects.html").read_text()
    assert "happy → sad" in page
    again = subprocess.run(
        [*command, "--relabel"], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60
    )
    assert again.returncode == 0, again.stderr
    assert "epoch" not in again.stdout
    assert len(read_labelled(tmp_path / "out/cleaned.csv")) == 600
