"""Files are there whole or not at all, whoever writes them."""

from __future__ import annotations

import ast
import json
import os
import resource
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from cli import photo
from cli.up import record
from mien import demo
from mien.errors import MienError
from mien.files import atomic_file, atomic_path, leftovers, move_file, remove_leftovers, sweep, write_file, write_json
from mien.settings import Settings
from models.nets import weights as weights_file
from models.pictures.photo import Photo
from models.training import checkpoint
from tests.support.weights import random_weights

ROOT = Path(__file__).parents[2]


@contextmanager
def full_disk() -> Iterator[None]:
    """Let no file of this process grow beyond one byte: the disk is full after it."""
    ignored, before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN), resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, ignored)


def save_arrays(path: Path) -> None:
    checkpoint.save_arrays(path, {"weights": np.zeros(1000)})


def save_weights(path: Path) -> None:
    weights_file.save(random_weights(), path)


def fetch_clip(path: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(demo, "demo_path", lambda _: path)
        patch.setattr(demo, "_download", lambda *_: None)
        patch.setattr(demo, "_unpack", lambda _: b"clip" * 1000)
        demo.fetch_demo_clip(Settings())


def record_addresses(path: Path) -> None:
    address = "unix:///tmp/" + "a" * 100
    with record.recorded(path, address, address, 8000):
        pass


def write_annotated(path: Path) -> None:
    pixels = np.zeros((40, 40, 3), np.uint8)
    analyzer: Any = SimpleNamespace(analyze=lambda _: ())
    photo._read(Path("a.jpg"), Photo(pixels, 40, 40), analyzer, path, 90)


WRITERS: tuple[Callable[[Path], None], ...] = (
    lambda path: write_file(path, b"new" * 100),
    lambda path: write_json(path, {"new": "new" * 100}, synced=False),
    save_arrays,
    save_weights,
    fetch_clip,
    record_addresses,
    write_annotated,
)


@pytest.mark.parametrize("writer", WRITERS)
def test_a_full_disk_leaves_the_older_file_and_nothing_beside_it(
    writer: Callable[[Path], None], tmp_path: Path
) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"older")
    with full_disk(), suppress(OSError, MienError):
        writer(path)
    assert [each.name for each in tmp_path.iterdir()] == ["file"]
    assert path.read_bytes() == b"older"


@pytest.mark.parametrize("synced", [True, False])
def test_an_error_while_writing_leaves_the_older_file_and_nothing_beside_it(tmp_path: Path, synced: bool) -> None:
    path = tmp_path / "deep" / "file"
    write_file(path, b"older", synced=synced)
    with pytest.raises(ZeroDivisionError), atomic_file(path, synced=synced) as file:
        file.write(b"new" * (1 // 0))
    with pytest.raises(ZeroDivisionError), atomic_path(path, synced=synced) as fresh:
        fresh.write_bytes(b"new" * (fresh.write_bytes(b"new") // 0))
    with pytest.raises(FileNotFoundError), atomic_path(path, synced=synced):
        pass  # a library that wrote nothing
    assert [(each.name, each.read_bytes()) for each in path.parent.iterdir()] == [("file", b"older")]


def test_a_reader_finds_a_whole_file_whoever_writes_it_at_the_same_time(tmp_path: Path) -> None:
    path = tmp_path / "file.json"
    write_json(path, {"text": ""})

    def write(letter: str) -> None:
        for length in range(40):
            write_json(path, {"text": letter * 1000 * length}, synced=False)

    threads = [threading.Thread(target=write, args=(letter,)) for letter in "abc"]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        assert len(set(json.loads(path.read_bytes())["text"])) <= 1
    assert [each.name for each in tmp_path.iterdir()] == ["file.json"]


def test_a_file_has_its_permissions_from_the_first_byte_on(tmp_path: Path) -> None:
    with atomic_file(tmp_path / "secret", mode=0o600) as file:
        file.write(b"x")
        (fresh,) = leftovers(tmp_path)
        assert fresh.stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "secret").stat().st_mode & 0o777 == 0o600


def test_a_finished_file_is_moved_to_its_place(tmp_path: Path) -> None:
    (tmp_path / "draft").write_text("new")
    (tmp_path / "file").write_text("older")
    assert move_file(tmp_path / "draft", tmp_path / "file") == tmp_path / "file"
    assert [(each.name, each.read_text()) for each in tmp_path.iterdir()] == [("file", "new")]


def test_what_a_killed_process_left_is_removed_and_what_others_write_is_not(tmp_path: Path) -> None:
    gone = subprocess.Popen(["true"])
    gone.wait()
    writing = f".contact.jpg.3.{os.getpid()}.new"
    for name in (f".a.mp4.0.{gone.pid}.new", f".b.mp4.{gone.pid}.new", writing, "notes.77.new", ".hidden.new"):
        (tmp_path / name).touch()
    remove_leftovers(tmp_path, "a.mp4")
    assert {each.name for each in leftovers(tmp_path)} == {f".b.mp4.{gone.pid}.new", writing}
    remove_leftovers(tmp_path)
    assert [each.name for each in leftovers(tmp_path)] == [writing]
    assert sweep(tmp_path.parent) == 1
    assert {each.name for each in tmp_path.iterdir()} == {"notes.77.new", ".hidden.new"}
    remove_leftovers(tmp_path / "nowhere")


def test_no_module_puts_a_file_in_its_place_by_itself() -> None:
    own = {"mien/files.py", "dashboard/jobs/uploads.py"}  # uploads do it in the thread pool, step by step
    found = set()
    for room in ("cli", "producer", "worker", "dashboard", "models", "mien"):
        for path in (ROOT / room).rglob("*.py"):
            if any(_replaces(node) for node in ast.walk(ast.parse(path.read_text()))):
                found.add(path.relative_to(ROOT).as_posix())
    assert found == own


def _replaces(node: ast.AST) -> bool:
    """Say whether this is `path.replace(other)`, `path.rename(other)` or `os.replace(path, other)`."""
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
        return False
    of_os = isinstance(node.func.value, ast.Name) and node.func.value.id == "os"
    return node.func.attr in ("replace", "rename") and not node.keywords and len(node.args) == 1 + of_os
