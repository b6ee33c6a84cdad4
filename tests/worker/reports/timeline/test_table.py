from __future__ import annotations

import csv
import dataclasses
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from mien.errors import InputError, RuntimeMissing
from mien.types import EMOTIONS
from tests.worker.reports.timeline.sample import facts, sighting, two_tracks
from worker.reports.timeline.table import COLUMNS, Sighting, read_table, write_table


def test_the_table_has_a_row_for_each_face_in_each_frame(tmp_path: Path) -> None:
    write_table(two_tracks(), tmp_path / "timeline.csv")
    with (tmp_path / "timeline.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 140
    assert tuple(rows[0]) == COLUMNS
    assert rows[21] == rows[21] | {"frame": "20", "seconds": "2.0", "track": "2", "emotion": "uncertain", "x": "200.25"}
    assert sum(float(rows[0][name]) for name in EMOTIONS) == pytest.approx(1, abs=1e-5)


def test_the_label_and_the_probabilities_are_those_over_time_not_those_of_the_frame(tmp_path: Path) -> None:
    seen = sighting(0, "happy", confidence=0.8)
    seen = dataclasses.replace(seen, face=dataclasses.replace(seen.face, emotion="sad", confidence=0.4))
    write_table([seen], tmp_path / "timeline.csv")
    (read,) = read_table(tmp_path / "timeline.csv")
    assert (read.label, read.confidence) == ("happy", 0.8)
    assert read.probabilities[EMOTIONS.index("happy")] == 0.8


def test_a_face_that_was_not_smoothed_is_told_by_its_own_figures(tmp_path: Path) -> None:
    seen = sighting(0)
    face = dataclasses.replace(seen.face, smoothed=None, label="", label_confidence=0.0, emotion="fear", confidence=0.7)
    write_table([dataclasses.replace(seen, face=face)], tmp_path / "timeline.csv")
    (read,) = read_table(tmp_path / "timeline.csv")
    assert (read.label, read.confidence, read.probabilities) == ("fear", 0.7, tuple([0.125] * 8))


def test_a_baseline_and_what_the_net_says_of_the_frame_alone_are_kept(tmp_path: Path) -> None:
    seen = sighting(0, "happy", confidence=0.8)
    seen = dataclasses.replace(seen, face=dataclasses.replace(seen.face, baseline="known"))
    write_table([seen], tmp_path / "timeline.csv")
    (read,) = read_table(tmp_path / "timeline.csv")
    assert (read.face.baseline, read.face.probabilities) == ("known", seen.face.probabilities)
    assert read.probabilities == pytest.approx(seen.probabilities, abs=1e-6)


def test_a_table_from_before_there_were_baselines_is_read(tmp_path: Path) -> None:
    write_table(two_tracks(), tmp_path / "timeline.csv")
    lines = [line.split(",") for line in (tmp_path / "timeline.csv").read_text().splitlines()]
    older = COLUMNS.index("baseline")
    (tmp_path / "old.csv").write_text("\n".join(",".join(line[:older]) for line in lines))
    read = list(read_table(tmp_path / "old.csv"))
    assert [each.label for each in read] == [each.label for each in two_tracks()]
    assert {each.face.baseline for each in read} == {"none"}
    assert read[0].face.probabilities == read[0].probabilities


def test_csv_and_parquet_hold_the_same_numbers(tmp_path: Path) -> None:
    write_table(two_tracks(), tmp_path / "timeline.csv")
    write_table(two_tracks(), tmp_path / "timeline.parquet")
    assert list(read_table(tmp_path / "timeline.parquet")) == list(read_table(tmp_path / "timeline.csv"))


def test_parquet_has_numbers_for_numbers_and_words_for_words(tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    write_table(two_tracks(), tmp_path / "timeline.parquet")
    schema = parquet.read_schema(tmp_path / "timeline.parquet")
    assert tuple(schema.names) == COLUMNS
    kinds = {name: str(schema.field(name).type) for name in ("frame", "seconds", "track", "happy")}
    assert kinds["frame"] == "int64"
    assert kinds["seconds"] == kinds["happy"] == "double"
    assert "string" in kinds["track"]


@pytest.mark.parametrize("name", ["timeline.csv", "timeline.parquet"])
def test_a_video_without_faces_has_a_table_without_rows(tmp_path: Path, name: str) -> None:
    write_table([], tmp_path / name)
    assert list(read_table(tmp_path / name)) == []


@pytest.mark.parametrize("name", ["timeline.csv", "timeline.parquet"])
def test_rows_are_written_as_they_come(tmp_path: Path, name: str) -> None:
    alive = 0
    most = 0

    class Counted(Sighting):
        def __del__(self) -> None:
            nonlocal alive
            alive -= 1

    def many() -> Iterator[Sighting]:
        nonlocal alive, most
        one = sighting(0)
        for frame in range(20_000):
            alive += 1
            most = max(most, alive)
            yield Counted(frame, frame / 10, "1", one.face)

    write_table(many(), tmp_path / name)
    assert most < 100
    assert sum(1 for _ in read_table(tmp_path / name)) == 20_000


@pytest.mark.parametrize("name", ["timeline.csv", "timeline.parquet"])
def test_a_table_that_breaks_off_leaves_the_old_one_and_nothing_else(tmp_path: Path, name: str) -> None:
    write_table([sighting(7)], tmp_path / name)

    def broken() -> Iterator[Sighting]:
        yield sighting(8)
        raise RuntimeError("the disk is gone")

    with pytest.raises(RuntimeError, match="the disk is gone"):
        write_table(broken(), tmp_path / name)
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert next(read_table(tmp_path / name)).frame == 7


def test_another_ending_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"\.csv or \.parquet"):
        write_table([], tmp_path / "timeline.xlsx")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "text",
    ["", "frame,seconds\n1,2\n", ",".join(COLUMNS) + "\n" + ",".join(["1"] * len(COLUMNS)) + "\n"],
    ids=["empty", "other columns", "no emotion"],
)
def test_a_file_that_is_no_timeline_is_refused_in_one_line(tmp_path: Path, text: str) -> None:
    path = tmp_path / "other.csv"
    path.write_text(text)
    if not text:
        assert list(read_table(path)) == []
        return
    with pytest.raises(InputError, match=r"other\.csv is not a timeline \(row 1") as caught:
        list(read_table(path))
    assert "\n" not in str(caught.value)


def test_a_file_that_is_no_parquet_is_refused(tmp_path: Path) -> None:
    (tmp_path / "other.parquet").write_bytes(b"PDF" * 100)
    with pytest.raises(InputError, match=r"other\.parquet is not a timeline"):
        list(read_table(tmp_path / "other.parquet"))


def test_a_file_that_is_not_there_is_an_input_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        list(read_table(tmp_path / "gone.csv"))


def test_without_pyarrow_the_error_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(RuntimeMissing, match=r"install mien\[parquet\]"):
        write_table([sighting(0)], tmp_path / "timeline.parquet")
    assert not list(tmp_path.iterdir())


def test_the_step_of_a_video_is_every_how_many_frames_one_was_analysed() -> None:
    assert facts(100).step == 1
    assert facts(100, every=5).step == 5
    assert facts(100, every=5).period_s == pytest.approx(0.5)
    assert facts(0).period_s == pytest.approx(0.1)
