from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from mien.errors import RuntimeMissing
from mien.formats import FORMATS, Format
from mien.jobs.folder import Entry
from mien.jobs.view import Failure, Tally
from mien.types import EMOTIONS
from tests.support.paths import ROOT
from tests.worker.jobs.test_photos import FACE
from worker.reports.photos import COLUMNS, write_format, write_results


def entries() -> Iterator[Entry]:
    yield {"path": "two.jpg", "width": 5, "height": 4, "faces": [FACE.to_dict(), FACE.to_dict()]}
    yield {"path": 'no, "face".jpg', "width": 5, "height": 4, "faces": []}
    yield {"path": "bad\udce9.jpg", "reason": "the file is empty"}


TOTAL = Tally(2, 1, 2, (Failure("bad.jpg", "the file is empty"),))


def test_csv_and_parquet_have_the_same_columns_and_rows(tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    write_results("0123456789", tmp_path, TOTAL, entries, ("parquet", "csv"))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["results.csv", "results.parquet"]
    table = parquet.read_table(tmp_path / "results.parquet")
    assert tuple(table.column_names) == COLUMNS
    with (tmp_path / "results.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == table.num_rows == 4
    for row, typed in zip(rows, table.to_pylist(), strict=True):
        assert {name: "" if value is None else str(value) for name, value in typed.items()} == row
    first, _, none, bad = table.to_pylist()
    assert (first["face"], first["x"], first["emotion"], first["reason"]) == (1, 170.0, "happy", None)
    assert sum(first[name] for name in EMOTIONS) == pytest.approx(1)
    assert (none["path"], none["face"], none["emotion"]) == ('no, "face".jpg', 0, None)
    assert (bad["path"], bad["face"], bad["reason"]) == ("bad\\udce9.jpg", None, "the file is empty")


def test_json_has_pictures_and_failures(tmp_path: Path) -> None:
    write_results("0123456789", tmp_path, TOTAL, entries)
    document = json.loads((tmp_path / "results.json").read_text())
    assert (document["inputs"], document["done"], document["failed"]) == (3, 2, 1)
    assert [picture["path"] for picture in document["pictures"]] == ["two.jpg", 'no, "face".jpg']
    assert document["failures"] == [{"path": "bad.jpg", "reason": "the file is empty"}]


@pytest.mark.parametrize("form", FORMATS)
def test_a_job_without_any_face_has_whole_results_too(form: Format) -> None:
    if form == "parquet":
        pytest.importorskip("pyarrow")
    file = io.BytesIO()
    write_format(form, file, "0123456789", Tally(), ())
    assert file.tell() > 0


def test_a_format_that_breaks_leaves_the_older_file(tmp_path: Path) -> None:
    (tmp_path / "results.csv").write_text("older")

    def broken() -> Iterator[Entry]:
        yield from entries()
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        write_results("0123456789", tmp_path, TOTAL, broken, ("csv",))
    assert [path.read_text() for path in tmp_path.iterdir()] == ["older"]


def test_parquet_without_its_package_says_so_when_all_others_are_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(RuntimeMissing, match=r"install mien\[parquet\]"):
        write_results("0123456789", tmp_path, TOTAL, entries, ("parquet", "csv", "json"))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["results.csv", "results.json"]


MEMORY = """
import resource, sys
from pathlib import Path
from tests.worker.jobs.test_photos import FACE
from mien.jobs.view import Tally
from worker.reports.photos import write_results
face = FACE.to_dict()
def entries(count):
    for number in range(count):
        yield {"path": f"folder/{number}.jpg", "width": 5, "height": 4, "faces": [face] * 3}
out = Path(sys.argv[1])
peak = []
for count in (10_000, 100_000):
    write_results("0123456789", out, Tally(count), lambda: entries(count), ("csv", "json", "parquet"))
    peak.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
print(*peak)
"""


@pytest.mark.slow
def test_a_hundred_thousand_pictures_need_no_more_memory_than_ten_thousand(tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    done = subprocess.run(
        [sys.executable, "-c", MEMORY, str(tmp_path)], cwd=ROOT, capture_output=True, text=True, check=True
    )
    few_mib, many_mib = map(int, done.stdout.split())
    assert many_mib - few_mib < 40
    stored = parquet.ParquetFile(tmp_path / "results.parquet")
    assert stored.metadata.num_rows == 300_000
    assert stored.num_row_groups == 30
