from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from mien.errors import JobError
from mien.inputs.input import Input
from mien.jobs.folder import Inputs, JobFolder
from mien.jobs.request import check_kind, check_options

ITEMS = (
    Input.of("/pictures/a.jpg", "a.jpg"),
    Input.of("zip://inner é\n.jpg::/abs/outer.zip", "inner é\n.jpg", "happy"),
    Input.of("s3://bucket/\udcff.jpg", "\udcff.jpg"),
    *(Input.of(f"/pictures/{number}.jpg", str(number)) for number in range(3, 2500)),
)


@pytest.fixture
def folder(tmp_path: Path) -> JobFolder:
    return JobFolder(tmp_path, "abcdef0123")


def inputs(**changes: Any) -> Inputs:
    given: dict[str, Any] = {"kind": "photos", "out": Path("/out"), "chunk_size": 100, "items": ITEMS, **changes}
    return Inputs(**given)


def test_what_a_job_is_to_do_comes_back_as_it_was(folder: JobFolder) -> None:
    options = {"annotate": False, "every": 2.5, "formats": ["csv", "parquet"], "name": "é"}
    folder.write_inputs(inputs(options=check_options(options), webhook="https://example.org/done"))
    read = folder.read_inputs()
    assert (read.kind, read.out, read.chunk_size, read.webhook) == (
        "photos",
        Path("/out"),
        100,
        "https://example.org/done",
    )
    assert dict(read.options) == options
    assert not read.annotate
    assert tuple(read.items) == ITEMS
    assert (len(read.items), read.items[1], read.items[-1]) == (2500, ITEMS[1], ITEMS[-1])
    assert read.items[7:11] == ITEMS[7:11]
    assert list(read.items[::-500]) == list(ITEMS[::-500])
    assert read.chunk(24) == {index: ITEMS[index] for index in range(2400, 2500)}
    assert read.item(2) == ITEMS[2]


def test_numbers_outside_of_a_job_are_refused(folder: JobFolder) -> None:
    folder.write_inputs(inputs())
    read = folder.read_inputs()
    for number in (-1, 25):
        with pytest.raises(JobError, match="there is no chunk"):
            read.chunk(number)
    for number in (-1, 2500):
        with pytest.raises(JobError, match="there is no input"):
            read.item(number)
    with pytest.raises(IndexError):
        read.items[2500]


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"Annotate": True}, "option 'Annotate' cannot be used"),
        ({"a/../b": True}, "cannot be used"),
        ({"x" * 41: True}, "cannot be used"),
        ({"every": None}, "option 'every' cannot be 'None'"),
        ({"every": float("nan")}, "cannot be 'nan'"),
        ({"every": {"a": 1}}, "cannot be"),
        ({"formats": ["csv", 1]}, "cannot be"),
        ({"formats": ["csv"] * 1001}, "cannot be"),
        ({"name": "x" * 5000}, "cannot be"),
    ],
)
def test_options_that_cannot_be_ones_are_refused(options: Mapping[str, object], reason: str) -> None:
    with pytest.raises(JobError, match=reason):
        check_options(options)


def test_options_cannot_be_changed() -> None:
    given = {"formats": ["csv"]}
    options = check_options(given)
    given["formats"].append("json")
    assert options["formats"] == ["csv"]
    with pytest.raises(TypeError):
        options["formats"] = []  # type: ignore[index]


def test_an_unknown_kind_is_refused() -> None:
    with pytest.raises(JobError, match="no jobs of kind 'music'"):
        check_kind("music")


@pytest.mark.parametrize(
    "change",
    [
        {"kind": "os.system"},
        {"count": 0},
        {"count": 10**12},
        {"chunk_size": 0},
        {"chunk_size": "many"},
        {"options": {"a": {}}},
        {"options": None},
    ],
)
def test_a_list_of_inputs_that_was_tampered_with_is_refused(folder: JobFolder, change: dict[str, Any]) -> None:
    folder.write_inputs(inputs())
    path = folder.path / "inputs.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(JobError):
        folder.read_inputs()


@pytest.mark.parametrize("name", ["items.jsonl", "items.idx"])
def test_inputs_that_are_cut_off_are_one_clear_line(folder: JobFolder, name: str) -> None:
    folder.write_inputs(inputs())
    path = folder.path / name
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    read = folder.read_inputs()
    assert read.chunk(0)[0] == ITEMS[0]
    with pytest.raises(JobError, match="queue the job again"):
        read.chunk(20)
    path.write_bytes(b"")
    with pytest.raises(JobError, match="queue the job again"):
        read.chunk(0)


def test_two_jobs_that_ask_for_the_same_have_the_same_digest() -> None:
    first = inputs(options={"annotate": True, "every": 2})
    assert first.digest(None) == inputs(options={"every": 2, "annotate": True}, chunk_size=7).digest(None)
    others = [
        inputs(options={"annotate": True}),
        inputs(options={"annotate": True, "every": 2}, kind="video"),
        inputs(options={"annotate": True, "every": 2}, items=ITEMS[1:]),
    ]
    assert first.digest(Path("/out")) not in {first.digest(None), *(other.digest(None) for other in others)}
    assert first.digest(None) not in {other.digest(None) for other in others}
