from __future__ import annotations

import io
import os
import tarfile
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import fsspec
import pytest

from mien.errors import InputError, RuntimeMissing
from mien.inputs.fetch import open_input
from mien.inputs.find import VIDEOS, find_inputs


def touch(*paths: Path) -> None:
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def labels(*given: str | Path, **options: object) -> list[str]:
    return [item.label for item in find_inputs([str(each) for each in given], **options).items]  # type: ignore[arg-type]


def a_zip(path: Path, *names: str) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name in names:
            archive.writestr(name, b"x")
    return path


def a_tar(path: Path, *names: str) -> Path:
    with tarfile.open(path, "w:gz" if path.suffix in (".gz", ".tgz") else "w") as archive:
        for name in names:
            info = tarfile.TarInfo(name)
            info.size = 1
            archive.addfile(info, io.BytesIO(b"x"))
    return path


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def memory() -> Iterator[Callable[..., None]]:
    """A function that stores files in fsspec's memory."""
    filesystem = fsspec.filesystem("memory")

    def store(*paths: str) -> None:
        for path in paths:
            filesystem.pipe(path, b"x")

    yield store
    filesystem.store.clear()
    filesystem.pseudo_dirs[:] = [""]


def test_folders_are_searched_in_the_order_of_names(tmp_path: Path) -> None:
    pictures = [tmp_path / name for name in ("b.JPG", "c.webp", "a/z.png", "a/b/y.tif")]
    touch(*pictures, tmp_path / "notes.txt", tmp_path / ".cache" / "hidden.jpg")
    found = find_inputs([str(tmp_path)])
    assert [item.address.secret() for item in found.items] == [str(path) for path in pictures]
    assert found.name == tmp_path.name


def test_labels_are_paths_as_they_were_given(here: Path) -> None:
    touch(here / "a.jpg", here / "b" / "c.jpg")
    assert labels(".") == ["a.jpg", "b/c.jpg"]
    assert labels("b/") == ["b/c.jpg"]
    assert labels(here / "b") == [f"{here}/b/c.jpg"]
    assert labels("b/../a.jpg") == ["b/../a.jpg"]


def test_each_picture_counts_once_however_often_it_is_named(tmp_path: Path) -> None:
    touch(tmp_path / "a.jpg")
    (tmp_path / "link.jpg").symlink_to("a.jpg")
    given = [tmp_path / "a.jpg", tmp_path, tmp_path / "." / "a.jpg", tmp_path / "link.jpg", tmp_path / "*.jpg"]
    assert labels(*given) == [str(tmp_path / "a.jpg")]


def test_a_named_file_counts_whatever_its_suffix(tmp_path: Path) -> None:
    touch(tmp_path / "picture")
    assert labels(tmp_path / "picture") == [str(tmp_path / "picture")]


def test_results_of_an_earlier_job_are_left_out(tmp_path: Path) -> None:
    touch(tmp_path / "a.jpg", tmp_path / "results" / "annotated" / "1-a.jpg")
    found = find_inputs([str(tmp_path)], leave_out=tmp_path / "results")
    assert [item.address.secret() for item in found.items] == [str(tmp_path / "a.jpg")]


def test_what_is_missing_or_empty_is_one_clear_line(tmp_path: Path) -> None:
    for given, reason in {
        "nowhere": "nowhere does not exist",
        "": "no pictures in",
        "*.jpg": "no pictures match",
        "a.zip": "no pictures in",
    }.items():
        a_zip(tmp_path / "a.zip", "notes.txt")
        with pytest.raises(InputError, match=reason):
            find_inputs([f"{tmp_path}/{given}"])
    with pytest.raises(InputError, match="no pictures were given"):
        find_inputs([])


def test_patterns_find_pictures_folders_and_archives(here: Path) -> None:
    touch(here / "a1.jpg", here / "a2.txt", here / "b1.jpg", here / "sub" / "a3.png", here / "sub" / "deep" / "c.dat")
    a_zip(here / "a4.zip", "in.jpg")
    assert labels("a*") == ["a1.jpg", "a4.zip/in.jpg"]
    assert labels("**/*.png") == ["sub/a3.png"]
    assert labels("*.txt") == ["a2.txt"]  # asked for by its ending
    assert labels("**") == ["a1.jpg", "a4.zip/in.jpg", "b1.jpg", "sub/a3.png"]
    assert labels("s*") == ["sub/a3.png"]
    touch(here / "x[1].jpg", here / "x1.jpg")
    assert labels("x[1].jpg") == ["x[1].jpg"]  # a file of that name comes first


@pytest.mark.parametrize("name", ["p.zip", "p.tar", "p.tar.gz", "p.tgz"])
def test_members_of_archives_count_in_their_order_and_once(here: Path, name: str) -> None:
    make = a_zip if name.endswith("zip") else a_tar
    make(here / name, "b.jpg", "notes.txt", "a/c.png", "__MACOSX/._b.jpg", ".hidden/d.jpg", "a/")
    (here / "link.zip").symlink_to(name)
    assert labels(name, "./" + name, "link.zip") == [f"{name}/b.jpg", f"{name}/a/c.png"]


def test_names_of_members_are_shown_harmlessly(here: Path) -> None:
    a_zip(here / "p.zip", "../../evil.jpg", "/etc/b.jpg", "c:\\d.jpg", "e\nf\x1b[2J.jpg", "g%:::h.jpg")
    assert labels("p.zip") == [
        "p.zip/(..)/(..)/evil.jpg",
        "p.zip/(/)etc/b.jpg",
        "p.zip/c:/d.jpg",
        "p.zip/e\\nf\\x1b[2J.jpg",
        "p.zip/g%:::h.jpg",
    ]


def test_an_archive_that_cannot_be_read_is_an_input_that_will_fail(here: Path) -> None:
    touch(here / "a.jpg")
    (here / "b.zip").write_bytes(b"PK\x03\x04 and nothing more")
    whole = a_tar(here / "c.tgz", *(f"{number}.jpg" for number in range(300))).read_bytes()
    (here / "c.tgz").write_bytes(whole[: len(whole) // 2])
    found = labels("a.jpg", "b.zip", "c.tgz")
    assert (found[:2], found[-1]) == (["a.jpg", "b.zip"], "c.tgz")
    assert "c.tgz/0.jpg" in found  # what is before the break is read
    with pytest.raises(InputError, match=r"b\.zip: the zip archive is damaged"):
        find_inputs(["b.zip"])


def test_archives_in_folders_are_not_opened_and_it_is_said(here: Path) -> None:
    touch(here / "d" / "a.jpg")
    a_zip(here / "d" / "b.zip", "c.jpg")
    found = find_inputs(["d"])
    assert [item.label for item in found.items] == ["d/a.jpg"]
    assert found.notes == ("1 archive was not opened in d: name archives to read them too",)


def test_one_member_or_some_of_an_archive_can_be_named(here: Path) -> None:
    a_zip(here / "p.zip", "a/1.jpg", "a/2.jpg", "b/3.jpg")
    assert labels("zip://a/2.jpg::p.zip") == ["p.zip/a/2.jpg"]
    assert labels(f"zip://b/*::{here}/p.zip") == [f"{here}/p.zip/b/3.jpg"]
    with pytest.raises(InputError, match="no pictures in"):
        find_inputs(["zip://nothing.jpg::p.zip"])


def test_a_file_may_be_called_like_an_address(here: Path) -> None:
    touch(here / "a::b.jpg")
    a_zip(here / "c::d.zip", "in.jpg")
    items = find_inputs(["a::b.jpg", "c::d.zip"]).items
    assert [item.label for item in items] == ["a::b.jpg", "c::d.zip/in.jpg"]
    assert [open_input(item.address, 10) for item in items] == [b"", b"x"]


def test_lists_name_a_path_or_address_a_line(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    touch(here / "a.jpg", here / "d" / "b.jpg", here / "with space.jpg")
    (here / "list.txt").write_text("# my pictures\n\nwith space.jpg\r\nd\nmemory://x.jpg\ngone.jpg\n")
    assert labels("a.jpg", lists=["list.txt"]) == ["a.jpg", "with space.jpg", "d/b.jpg", "memory://x.jpg", "gone.jpg"]
    for given in ({"lists": ["-"]}, {}):
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"a.jpg\nd/b.jpg\n")))
        assert labels(*([] if given else ["-"]), **given) == ["a.jpg", "d/b.jpg"]
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"\n")))
    with pytest.raises(InputError, match="list on standard input is empty"):
        find_inputs(["-"])
    (here / "list.txt").write_bytes(b"\xff\xd8\xff\0")
    with pytest.raises(InputError, match="not a text"):
        find_inputs([], lists=["list.txt"])
    with pytest.raises(InputError, match=r"nolist cannot be read"):
        find_inputs([], lists=["nolist"])


def test_strange_lines_of_a_list_are_inputs_that_will_fail(here: Path) -> None:
    (here / "list.txt").write_bytes(b"x" * 5000 + b".jpg\n\xe9.jpg\n" + b"a/" * 3000 + b"\n")
    found = find_inputs([], lists=["list.txt"])
    assert [item.label[:10] for item in found.items] == ["xxxxxxxxxx", "\\udce9.jpg", "a/a/a/a/a/"]


@pytest.mark.usefixtures("memory")
def test_addresses_of_files_folders_patterns_and_archives(here: Path, memory: Callable[..., None]) -> None:
    memory("/p/b.jpg", "/p/a.jpg", "/p/notes.txt", "/p/sub/c.png", "/p/.hidden/d.jpg", "/p/odd")
    assert labels("memory://p/b.jpg") == ["memory://p/b.jpg"]
    assert labels("memory://p/odd") == ["memory://p/odd"]
    assert labels("memory://p") == ["memory:///p/a.jpg", "memory:///p/b.jpg", "memory:///p/sub/c.png"]
    assert labels("memory://p/*.jpg") == ["memory:///p/a.jpg", "memory:///p/b.jpg"]
    assert labels("memory://p/**/*.png") == ["memory:///p/sub/c.png"]
    fsspec.filesystem("memory").pipe("/p/z.zip", a_zip(here / "z.zip", "in/e.jpg").read_bytes())
    assert [item.address.secret() for item in find_inputs(["memory://p/z.zip"]).items] == [
        "zip://in/e.jpg::memory://p/z.zip"
    ]
    assert labels("memory://p/*.zip") == ["memory:///p/z.zip/in/e.jpg"]
    with pytest.raises(InputError, match=r"memory://p/gone\.jpg: the file does not exist"):
        find_inputs(["memory://p/gone.jpg"])
    assert labels(f"file://{here}/z.zip") == [f"{here}/z.zip/in/e.jpg"]


def test_secrets_in_addresses_are_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("aiohttp")
    found = find_inputs(["https://ann:geheim@127.0.0.1:9/a.jpg?X-Amz-Signature=geheim"])
    (item,) = found.items
    assert "geheim" in item.address.secret()  # the worker needs it
    assert (item.label, found.name) == ("https://127.0.0.1:9/a.jpg", "a.jpg")
    with pytest.raises(InputError) as caught:
        find_inputs(["s3://AKIA123:geheim@bucket/a.jpg"])
    assert "environment" in str(caught.value)
    assert "geheim" not in str(caught.value)
    assert "AKIA123" not in str(caught.value)


def test_a_missing_package_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "s3fs", None)
    with pytest.raises(RuntimeMissing, match=r"s3fs: install mien\[s3\]"):
        find_inputs(["s3://bucket/a.jpg"])
    with pytest.raises(InputError, match="no way to read gopher://"):
        find_inputs(["gopher://example.org/a.jpg"])


def test_videos_are_found_by_their_endings(tmp_path: Path) -> None:
    touch(tmp_path / "a.jpg", tmp_path / "b.MOV", tmp_path / "c.mkv")
    assert labels(tmp_path, wanted=VIDEOS) == [str(tmp_path / "b.MOV"), str(tmp_path / "c.mkv")]
    with pytest.raises(InputError, match="no videos were given"):
        find_inputs([], wanted=VIDEOS)


@pytest.mark.slow
def test_a_hundred_thousand_pictures_are_found_in_seconds(tmp_path: Path) -> None:
    import time

    for number in range(100):
        folder = tmp_path / f"{number:03d}"
        folder.mkdir()
        for picture in range(1000):
            os.close(os.open(folder / f"{picture}.jpg", os.O_CREAT | os.O_WRONLY))
    began = time.monotonic()
    assert len(find_inputs([str(tmp_path)]).items) == 100_000
    assert time.monotonic() - began < 15


def test_a_link_onto_itself_costs_a_note(tmp_path: Path) -> None:
    touch(tmp_path / "a.jpg", tmp_path / "sub" / "b.jpg")
    (tmp_path / "selfie").symlink_to("selfie")
    (tmp_path / "sub" / "one.jpg").symlink_to("two.jpg")
    (tmp_path / "sub" / "two.jpg").symlink_to("one.jpg")
    (tmp_path / "up").symlink_to(tmp_path)
    found = find_inputs([str(tmp_path)])
    assert [Path(item.label).name for item in found.items] == ["a.jpg", "b.jpg"]
    assert len(found.notes) == 3
    assert "selfie was left out" in found.notes[0]


@pytest.fixture
def nobody() -> Iterator[Path]:
    """A folder that somebody without rights may read, as whom the test runs."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        root.chmod(0o755)
        touch(root / "photos" / "a.jpg", root / "lost+found" / "b.jpg", root / "z" / "c.jpg")
        (root / "lost+found").chmod(0o000)
        was = os.geteuid()
        if was == 0:
            os.seteuid(65534)
        yield root
        os.seteuid(was)
        (root / "lost+found").chmod(0o700)


def test_a_folder_without_permission_costs_a_note_unless_it_is_named(nobody: Path) -> None:
    found = find_inputs([str(nobody)])
    assert [Path(item.label).name for item in found.items] == ["a.jpg", "c.jpg"]
    assert len(found.notes) == 1
    assert "lost+found was left out: Permission denied" in found.notes[0]
    with pytest.raises(InputError, match="cannot be read: Permission denied"):
        find_inputs([str(nobody / "lost+found")])
