"""Compiled nets are kept in a folder, and whatever is wrong with the folder, nets are compiled."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from mien.files import leftovers
from mien.settings import Precision, Settings
from models.detect.blazeface import BlazeFace
from models.detect.detector import cache_dir_of
from models.runtimes import compiled
from models.runtimes.compiled import KEPT_FILES, Compiler
from tests.support.media import astronaut

PRECISIONS: tuple[Precision, ...] = ("bf16", "auto", "fp32")


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("nets")
    BlazeFace(96, cache_dir=folder).detect(astronaut())
    return folder


def _compiles(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    calls: list[str] = []
    original = Compiler._kept

    def counted(self: Compiler, path: Path, chosen: dict[str, str | int | bool]) -> object:
        kept = original(self, path, chosen)
        if kept is None:
            calls.append(path.name)
        return kept

    monkeypatch.setattr(Compiler, "_kept", counted)
    return calls


def test_a_kept_net_is_used_and_gives_the_same_faces(filled: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = BlazeFace(96).detect(astronaut())
    missing = _compiles(monkeypatch)
    assert BlazeFace(96, cache_dir=filled).detect(astronaut()) == expected
    assert missing == []


def test_another_precision_is_another_net(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiled, "has_bf16", lambda core: True)
    missing = _compiles(monkeypatch)
    counts = []
    for precision in PRECISIONS:
        BlazeFace(96, cache_dir=tmp_path, precision=precision).detect(astronaut())
        counts.append(len(missing))
    assert counts == [2, 2, 4]
    assert len(set(missing)) == len(list(tmp_path.glob("*.net"))) == 4


@pytest.mark.parametrize("damage", [b"", b"something else", None])
def test_a_damaged_net_is_compiled_again(filled: Path, damage: bytes | None, tmp_path: Path) -> None:
    for path in filled.glob("*.net"):
        data = path.read_bytes()
        broken = data[: len(data) // 2] if damage is None else damage
        (tmp_path / path.name).write_bytes(broken)
    assert len(BlazeFace(96, cache_dir=tmp_path).detect(astronaut())) == 1
    assert all(path.stat().st_size > 1_000_000 for path in tmp_path.glob("*.net"))


def test_a_folder_that_cannot_be_written_is_as_good_as_none(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("a file where the folder should be")
    assert len(BlazeFace(96, cache_dir=file / "nets").detect(astronaut())) == 1


def test_a_full_disk_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(self: Path, target: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    assert len(BlazeFace(96, cache_dir=tmp_path).detect(astronaut())) == 1
    assert list(tmp_path.iterdir()) == []


def test_several_that_start_at_once_do_not_disturb_each_other(tmp_path: Path) -> None:
    found: list[int] = []

    def start() -> None:
        found.append(len(BlazeFace(96, cache_dir=tmp_path).detect(astronaut())))

    threads = [threading.Thread(target=start) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [1, 1, 1]
    assert leftovers(tmp_path) == []


def test_a_folder_keeps_what_was_used_last(tmp_path: Path) -> None:
    for number in range(KEPT_FILES + 5):
        old = tmp_path / f"{number:03}.net"
        old.write_bytes(b"x")
        os.utime(old, (number, number))
    left_over = tmp_path / ".killed.0.4711.new"
    left_over.write_bytes(b"x")
    os.utime(left_over, (1, 1))
    BlazeFace(96, cache_dir=tmp_path).detect(astronaut())
    assert len(list(tmp_path.glob("*.net"))) == KEPT_FILES
    assert not (tmp_path / "000.net").exists()
    assert not left_over.exists()


def test_nets_are_kept_only_in_a_data_folder_that_is_there(tmp_path: Path) -> None:
    assert cache_dir_of(Settings(data_dir=tmp_path / "none")) is None
    assert cache_dir_of(Settings(data_dir=tmp_path)) == tmp_path / "cache" / "openvino"
