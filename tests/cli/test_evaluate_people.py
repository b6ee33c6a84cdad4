"""`mien evaluate` on a CSV that says whose face a picture shows, and of which group: with real faces."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest

from mien.types import EMOTIONS
from models.labelled.data import LabelledData, part_of, read_labelled
from models.nets import weights as weights_file
from tests.cli.test_evaluate import run
from tests.support.labelled_pictures import write_class_folders, write_picture
from tests.support.weights import random_weights

FERPLUS = os.environ.get("MIEN_TEST_FERPLUS", "")


def write_people(folder: Path, faces: LabelledData, people: int, each: int) -> Path:
    """Write a CSV in which every person has as many faces of each of seven emotions, and one more person a single one.

    Names are such as people write; persons belong to two groups, the last one to a third.
    """
    rng = np.random.default_rng(0)
    lines = ["path,label,person,group"]
    wanted = [name for name in EMOTIONS if name != "contempt"]
    rows = {name: rng.permutation(np.flatnonzero(faces.labels == EMOTIONS.index(name))).tolist() for name in wanted}
    for number in range(people):
        for name in wanted:
            for _ in range(each):
                row = rows[name].pop()
                write_picture(folder / f"{row}.png", np.asarray(faces.pictures.read(row)))
                lines.append(f'{row}.png,{name},"Ann; No. {number}",{"older" if number % 2 else "younger"}')
    row = rows["happy"].pop()
    write_picture(folder / f"{row}.png", np.asarray(faces.pictures.read(row)))
    lines.append(f"{row}.png,happy,Bo,alone")
    (folder / "people.csv").write_text("\n".join(lines))
    return folder / "people.csv"


@pytest.mark.skipif(not FERPLUS, reason="needs MIEN_TEST_FERPLUS, the path of ferplus.npz")
def test_people_and_groups_are_measured_on_real_faces(tmp_path: Path) -> None:
    faces = part_of(read_labelled(FERPLUS), "validation")
    path = write_people(tmp_path / "faces", faces, people=4, each=3)
    figures = json.loads(run(path, "--crops", "--json").stdout)
    found = figures["with_baseline"]
    assert (figures["n"], found["persons"], found["one_picture"], found["never_at_rest"]) == (85, 4, 1, 0)
    # These persons are made of many people's faces: a baseline has little to find, and must not cost much either.
    assert found["uar"] > figures["uar"] - 0.05
    assert found["rows_changed"] > 0.02
    rows = {row["group"]: row for row in figures["groups"]["rows"]}
    assert {name: row["n"] for name, row in rows.items()} == {"older": 42, "younger": 42, "alone": 1}
    assert rows["alone"]["high"] - rows["alone"]["low"] > 0.75
    assert sum(row["n"] * row["accuracy"] for row in rows.values()) == pytest.approx(85 * figures["accuracy"], abs=0.02)

    text = run(path, "--crops", "--report", tmp_path / "report").stdout
    assert "with a personal baseline of 4 persons: accuracy" in text
    assert "1 persons with fewer than two faces" in text
    assert "largest gap: " in text
    page = (tmp_path / "report" / "report.html").read_text()
    assert "With a personal baseline" in page
    assert "Largest gap: " in page


def test_data_without_persons_and_groups_has_no_such_figures(tmp_path: Path) -> None:
    weights = weights_file.save(random_weights(), tmp_path / "random.zip")
    folder = write_class_folders(tmp_path / "faces", {"happy": 4, "sad": 6})
    printed = run(folder, "--crops", "--weights", weights, "--json").stdout
    assert not {"with_baseline", "groups"} & json.loads(printed).keys()
