from __future__ import annotations

from pathlib import Path

import pytest

from mien.errors import InputError
from mien.inputs import find_pictures


def touch(*paths: Path) -> None:
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def test_folders_are_searched_in_the_order_of_names(tmp_path: Path) -> None:
    pictures = [tmp_path / name for name in ("b.JPG", "c.webp", "a/z.png", "a/b/y.tif")]
    touch(*pictures, tmp_path / "notes.txt", tmp_path / ".cache" / "hidden.jpg")
    found = find_pictures([tmp_path])
    assert set(found) == set(pictures)
    assert found == [tmp_path / "b.JPG", tmp_path / "c.webp", tmp_path / "a/z.png", tmp_path / "a/b/y.tif"]


def test_each_picture_counts_once_however_often_it_is_named(tmp_path: Path) -> None:
    touch(tmp_path / "a.jpg")
    assert find_pictures([tmp_path / "a.jpg", tmp_path, tmp_path / "." / "a.jpg"]) == [tmp_path / "a.jpg"]


def test_a_named_file_counts_whatever_its_suffix(tmp_path: Path) -> None:
    touch(tmp_path / "picture")
    assert find_pictures([tmp_path / "picture"]) == [tmp_path / "picture"]


def test_results_of_an_earlier_job_are_left_out(tmp_path: Path) -> None:
    touch(tmp_path / "a.jpg", tmp_path / "results" / "annotated" / "1-a.jpg")
    assert find_pictures([tmp_path], leave_out=tmp_path / "results") == [tmp_path / "a.jpg"]


def test_what_is_missing_or_empty_is_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"nowhere does not exist"):
        find_pictures([tmp_path / "nowhere"])
    with pytest.raises(InputError, match="no pictures in"):
        find_pictures([tmp_path])
    with pytest.raises(InputError, match="no pictures were given"):
        find_pictures([])
