"""Temporary folders do not outlive those that hold them, however these end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from mien.scratch import make_again, make_scratch, remove_abandoned, scratch_folder
from tests.support.paths import ROOT
from tests.support.waiting import wait_until


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A temporary folder of its own, so that no other process removes anything here."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    return tmp_path


@contextmanager
def holder(temporary: Path, code: str = "") -> Iterator[tuple[subprocess.Popen[str], list[str]]]:
    """Run a process that holds a folder; yields it and its two lines: what `code` prints, then the folder."""
    program = f"import signal, subprocess\nfrom mien.scratch import make_scratch\nheld = make_scratch()\n{code}\n"
    with subprocess.Popen(
        [sys.executable, "-c", f"{program}print(held.path, flush=True)\nsignal.pause()"],
        env={**os.environ, "TMPDIR": str(temporary), "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        try:
            yield process, [process.stdout.readline().strip() for _ in range(2)]
        finally:
            process.kill()


def test_a_folder_is_private_and_goes_at_the_end(temporary: Path) -> None:
    with scratch_folder() as path:
        assert path.parent == temporary
        assert path.stat().st_mode & 0o777 == 0o700
        (path / "file").write_text("x")
        assert remove_abandoned() == 0
        assert path.is_dir()
    assert list(temporary.iterdir()) == []


def test_the_folder_of_a_killed_process_goes_and_that_of_a_living_one_stays(temporary: Path) -> None:
    with holder(temporary, "print('dies')") as (dies, first), holder(temporary, "print('lives')") as (_lives, second):
        left, held = Path(first[1]), Path(second[1])
        assert left.is_dir()
        dies.kill()
        dies.wait()
        with scratch_folder() as own:
            assert {own, held} == set(temporary.iterdir())
    assert remove_abandoned() == 1
    assert list(temporary.iterdir()) == []


def test_a_folder_stays_while_a_process_that_inherited_it_lives(temporary: Path) -> None:
    code = "print(subprocess.Popen(['sleep', '3600'], pass_fds=[held.descriptor], stdout=subprocess.DEVNULL).pid)"
    with holder(temporary, code) as (process, lines):
        child, folder = int(lines[0]), Path(lines[1])
        process.kill()
        process.wait()
        assert remove_abandoned() == 0
        assert folder.is_dir()
    os.kill(child, signal.SIGKILL)
    wait_until(lambda: remove_abandoned() == 1, what="the lock to go with the child")
    assert not folder.exists()


def test_folders_and_links_of_others_are_left_alone(temporary: Path) -> None:
    target = temporary / "precious"
    target.mkdir()
    (target / "file").write_text("x")
    (temporary / "mien-scratch-link").symlink_to(target)
    (temporary / "mien-scratch-file").write_text("x")
    (temporary / "another").mkdir()
    before = set(temporary.iterdir())
    assert remove_abandoned() == 0
    assert set(temporary.iterdir()) == before
    assert (target / "file").exists()


def test_a_folder_can_be_made_again_at_its_place_unless_it_is_held() -> None:
    first = make_scratch()
    with pytest.raises(FileExistsError):
        make_again(first.path)
    first.remove()
    second = make_again(first.path)
    assert second.path == first.path
    assert second.path.is_dir()
    second.remove()


def test_many_that_make_and_sweep_at_once_never_lose_a_folder(temporary: Path) -> None:
    lost: list[Path] = []

    def work() -> None:
        for _ in range(100):
            with scratch_folder() as path:
                if not path.is_dir():
                    lost.append(path)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert lost == []
    assert list(temporary.iterdir()) == []
