from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from mien.address import Address
from mien.errors import VideoError
from worker.jobs.video.fetch import fetch


def test_a_video_in_an_archive_is_brought_once(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("in/a.mp4", b"moving" * 1000)
    address, into = Address.of_input(f"zip://in/a.mp4::{tmp_path / 'a.zip'}"), tmp_path / "source"
    fetch(address, into, 1)
    assert into.read_bytes() == b"moving" * 1000
    (tmp_path / "a.zip").unlink()
    fetch(address, into, 1)


def test_a_video_elsewhere_is_brought_piece_by_piece(tmp_path: Path) -> None:
    import fsspec

    with fsspec.open("memory://videos/a.mp4", "wb") as file:
        file.write(b"x" * 3_000_000)
    fetch(Address.of_input("memory://videos/a.mp4"), tmp_path / "source", 3)
    assert (tmp_path / "source").stat().st_size == 3_000_000
    with pytest.raises(VideoError, match="more than the 2 MiB allowed"):
        fetch(Address.of_input("memory://videos/a.mp4"), tmp_path / "other", 2)
    assert [path.name for path in tmp_path.iterdir()] == ["source"]


def test_what_cannot_be_had_has_a_reason(tmp_path: Path) -> None:
    with pytest.raises(VideoError, match="does not exist"):
        fetch(Address.of_input("memory://videos/gone.mp4"), tmp_path / "source", 1)


def test_a_video_on_this_machine_stays_where_it_is(tmp_path: Path) -> None:
    fetch(Address.of_input("/somewhere/a.mp4"), tmp_path / "source", 1)
    assert not (tmp_path / "source").exists()
