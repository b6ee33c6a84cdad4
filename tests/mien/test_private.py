"""What mien keeps is for its user alone; nothing else changes its modes."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from mien import private
from mien.private import keep_private, make_private, modes_for


@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """A user with the umask 022 in a folder beside the data folder; both are given back."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(private._VARIABLE, raising=False)
    before = os.umask(0o022)
    yield
    os.umask(before)
    os.environ.pop(private._VARIABLE, None)


def mode(path: Path) -> int:
    return path.lstat().st_mode & 0o7777


def made(path: Path, bits: int) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("x")
    path.chmod(bits)
    return path


@pytest.mark.parametrize(
    "name", ["up.json", "jobs/a/uploads/p.jpg", "broker/appendonlydir/x.aof", "tuning/y", "media/z"]
)
@pytest.mark.parametrize("bits", [0o644, 0o666, 0o640, 0o604])
def test_what_was_open_is_closed(tmp_path: Path, name: str, bits: int) -> None:
    data = tmp_path / "data"
    file = made(data / name, bits)
    assert keep_private(data) >= 2
    assert mode(file) == 0o600
    assert {mode(folder) for folder in (data, *data.rglob("*")) if folder.is_dir()} == {0o700}


def test_what_is_written_afterwards_is_closed_and_a_second_start_mends_nothing(tmp_path: Path) -> None:
    data = tmp_path / "data"
    keep_private(data)
    new = data / "jobs" / "a"
    new.mkdir(parents=True)
    (new / "b").write_text("x")
    assert (mode(data), mode(new), mode(new / "b")) == (0o700, 0o700, 0o600)
    os.environ.pop(private._VARIABLE)
    assert keep_private(data) == 0


def test_links_programs_and_what_people_put_beside_stay_as_they_are(tmp_path: Path) -> None:
    data, others = tmp_path / "data", tmp_path / "others"
    precious, tool = made(others / "precious", 0o644), made(data / "tool", 0o755)
    program = made(data / "cache" / "program", 0o755)
    (data / "media").symlink_to(others)
    (data / "cache" / "link").symlink_to(precious)
    keep_private(data)
    assert (mode(others), mode(precious), mode(tool)) == (0o755, 0o644, 0o755)
    assert mode(program) == 0o700, "the owner may still run it"


def test_a_folder_that_is_more_than_a_data_folder_keeps_its_mode(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    everyone = tmp_path / "everyone"
    file = made(everyone / "up.json", 0o644)
    everyone.chmod(0o1777)
    keep_private(everyone)
    assert (mode(everyone), mode(file)) == (0o1777, 0o600)
    os.environ.pop(private._VARIABLE)
    home = tmp_path / "home"
    (home / "work").mkdir(parents=True)
    home.chmod(0o755)
    monkeypatch.chdir(home / "work")
    keep_private(home)
    assert mode(home) == 0o755


def test_a_folder_that_is_not_there_is_not_made_at_a_start_and_private_when_it_is_needed(tmp_path: Path) -> None:
    data = tmp_path / "deep" / "data"
    assert keep_private(data) == 0
    assert not data.exists()
    os.umask(0o022)
    make_private(data)
    assert (mode(data), mode(data.parent)) == (0o700, 0o755)


def test_results_in_a_folder_of_the_user_have_the_modes_of_the_user(tmp_path: Path) -> None:
    data, out = tmp_path / "data", tmp_path / "out"
    out.mkdir()
    (data / "jobs").mkdir(parents=True)
    keep_private(data)
    for folder, bits in ((out, 0o644), (data / "jobs", 0o600)):
        with modes_for(folder, data):
            (folder / "table.csv").write_text("x")
        assert mode(folder / "table.csv") == bits
    (data / "jobs" / "later").write_text("x")
    assert mode(data / "jobs" / "later") == 0o600
