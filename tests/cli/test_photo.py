"""`mien photo`: a table or JSON, annotated pictures, and one clear line for each file that cannot be read."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import numpy as np
import pytest
import typer

from cli.photo import photo
from models.pictures.picture import decode, encode_jpeg
from tests.support.media import astronaut


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MIEN_RUNTIME", "onnxruntime")
    (tmp_path / "astronaut.jpg").write_bytes(encode_jpeg(astronaut()))
    return tmp_path


def _run(*files: str, as_json: bool = False, out: str | None = None) -> int:
    with pytest.raises(typer.Exit) as ended:
        photo([Path(name) for name in files], as_json=as_json, out=Path(out) if out else None)
    return int(ended.value.exit_code)


def _bad_files(folder: Path) -> list[str]:
    jpeg = encode_jpeg(astronaut())
    start = jpeg.index(b"\xff\xc0")
    (folder / "text.jpg").write_text("no picture at all")
    (folder / "truncated.jpg").write_bytes(jpeg[: len(jpeg) // 2])
    (folder / "huge.jpg").write_bytes(jpeg[: start + 5] + struct.pack(">HH", 30_000, 30_000) + jpeg[start + 9 :])
    (folder / "empty.jpg").write_bytes(b"")
    return ["text.jpg", "truncated.jpg", "huge.jpg", "empty.jpg", "missing.jpg"]


def test_a_photo_becomes_a_table_and_an_annotated_picture(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert _run("astronaut.jpg") == 0
    assert "happy" in capsys.readouterr().out
    annotated = decode((folder / "astronaut.mien.jpg").read_bytes())
    assert annotated.shape == (512, 512, 3)
    assert np.abs(annotated.astype(int) - astronaut()).max() > 100


def test_json_is_one_document_and_nothing_else(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert _run("astronaut.jpg", as_json=True) == 0
    printed = capsys.readouterr()
    document = json.loads(printed.out)
    assert printed.err == ""
    assert document["done"] == 1
    (face,) = document["pictures"][0]["faces"]
    assert face["emotion"] == "happy"
    assert sum(face["probabilities"].values()) == pytest.approx(1, abs=1e-5)
    assert [path.name for path in folder.iterdir()] == ["astronaut.jpg"]


def test_bad_files_take_no_other_with_them(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bad = _bad_files(folder)
    assert _run(*bad[:3], "astronaut.jpg", *bad[3:], as_json=True, out="results") == 1
    printed = capsys.readouterr()
    document = json.loads(printed.out)
    assert (document["inputs"], document["done"], document["failed"]) == (6, 1, 5)
    assert [failure["path"] for failure in document["failures"]] == bad
    lines = printed.err.splitlines()
    assert [line.split(": ")[1] for line in lines] == bad
    assert [path.name for path in (folder / "results").iterdir()] == ["astronaut.mien.jpg"]


def test_two_pictures_of_one_name_do_not_overwrite_each_other(folder: Path) -> None:
    (folder / "more").mkdir()
    (folder / "more" / "astronaut.jpg").write_bytes((folder / "astronaut.jpg").read_bytes())
    assert _run("astronaut.jpg", "more/astronaut.jpg", out="results") == 0
    names = sorted(path.name for path in (folder / "results").iterdir())
    assert names == ["astronaut-2.mien.jpg", "astronaut.mien.jpg"]


def test_no_existing_file_is_wrong_usage(folder: Path) -> None:
    from mien.errors import InputError

    with pytest.raises(InputError, match=r"nothing\.jpg: no such file") as caught:
        photo([Path("nothing.jpg")])
    assert caught.value.exit_code == 2


def test_a_folder_that_cannot_be_written_is_a_failure_of_its_picture(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "taken").write_text("a file where the folder should be")
    assert _run("astronaut.jpg", out="taken") == 1
    assert "cannot be written" in capsys.readouterr().err
