from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pytest

from mien.jobs.view import Failure, Tally
from mien.types import EMOTIONS, Face, picture_document
from models.notebook.result import PictureResult
from models.pictures.photo import Photo
from tests.support.paths import ROOT
from worker.reports.rows import Column, columns_of, write_csv, write_parquet

FACE = Face(box=(1, 2, 3, 4), emotion="happy", confidence=0.5, probabilities=(1 / 8,) * 8, valence=0.1, arousal=0.2)
TABLE = (Column("path", "text", required=True), *columns_of(("face", "emotion", "share"), face="small", emotion="word"))
ROWS = (("a.jpg", 1, "happy", 0.25), ("b \udcff.jpg", "", "", ""), ("c.jpg", 0, "sad", ""))


def test_a_parquet_holds_what_a_csv_holds_whatever_a_file_is_called_and_null_where_that_is_empty() -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    file, text = io.BytesIO(), io.BytesIO()
    write_parquet(file, TABLE, iter(ROWS), group_rows=2)
    write_csv(text, [each.name for each in TABLE], ROWS)
    stored = parquet.ParquetFile(file)
    assert stored.num_row_groups == 2
    assert [str(each.type) for each in stored.schema_arrow] == [
        "string", "int32", "dictionary<values=string, indices=int32, ordered=0>", "double",
    ]  # fmt: skip
    assert [each.nullable for each in stored.schema_arrow] == [False, True, True, True]
    lines = [",".join("" if cell is None else str(cell) for cell in row.values()) for row in stored.read().to_pylist()]
    assert lines == text.getvalue().decode().splitlines()[1:]
    assert stored.read()["path"].to_pylist()[1] == "b \\udcff.jpg"


def test_a_table_without_rows_has_its_columns() -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    file = io.BytesIO()
    write_parquet(file, TABLE, ())
    assert parquet.read_schema(file).names == [each.name for each in TABLE]


def test_only_one_module_writes_parquet() -> None:
    writers = {
        path.relative_to(ROOT).as_posix()
        for room in ("cli", "worker", "dashboard", "models", "mien")
        for path in (ROOT / room).rglob("*.py")
        if "ParquetWriter" in path.read_text()
    }
    assert writers == {"worker/reports/rows.py"}


def test_a_picture_is_told_in_the_same_words_by_jobs_commands_and_notebooks(tmp_path: Path) -> None:
    told = picture_document("a.jpg", 40, 30, [FACE])
    assert list(told) == ["path", "width", "height", "faces"]
    assert set(told["faces"][0]["probabilities"]) == set(EMOTIONS)
    photo = Photo(np.zeros((30, 40, 3), np.uint8), 40, 30)
    result = PictureResult.of("a.jpg", photo, (FACE,), lambda: photo)
    assert json.loads(result.to_json()) == json.loads(json.dumps(told))
    frame = PictureResult.of("a.mp4", photo, (FACE,), lambda: photo, frame=3, seconds=0.12)
    assert frame.to_dict() == picture_document("a.mp4", 40, 30, [FACE], frame=3, seconds=0.12)


def test_every_document_over_inputs_begins_alike() -> None:
    total = Tally(2, 1, 5, (Failure("bad.jpg", "empty"),))
    assert total.to_report("abc") == {
        "job": "abc", "inputs": 3, "done": 2, "failed": 1, "failures": [{"path": "bad.jpg", "reason": "empty"}],
    }  # fmt: skip
