from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import tarfile
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mien.address import Address
from mien.errors import PictureError
from mien.inputs.archives import TarArchive
from mien.inputs.fetch import Fetcher, open_input
from mien.inputs.find import find_inputs

MOST = 10_000_000


def why(address: str | Path | Address, most: int = MOST) -> str:
    with pytest.raises(PictureError) as caught:
        open_input(address if isinstance(address, Address) else Address.of_path(address), most)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def in_zip(path: Path, name: str) -> Address:
    return Address.of_member("zip", name, Address.of_path(path))


def in_tar(path: Path, name: str) -> Address:
    return Address.of_member("tar", name, Address.of_path(path))


def a_tar(path: Path, files: dict[str, bytes], mode: str = "w", **fields: Any) -> Path:
    with tarfile.open(path, mode) as archive:  # type: ignore[call-overload]
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            for field, value in fields.items():
                setattr(info, field, value)
            archive.addfile(info, io.BytesIO(data))
    return path


def a_zip(path: Path, files: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return path


# Files


def test_a_file_is_read_and_what_is_none_says_why(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"picture")
    assert open_input(Address.of_path(tmp_path / "a"), 7) == b"picture"
    (tmp_path / "empty").touch()
    assert open_input(Address.of_path(tmp_path / "empty"), 7) == b""
    assert why(tmp_path / "a", 6) == "the file has 7 bytes, more than the 6 allowed"
    assert why(tmp_path / "gone") == "the file does not exist (any more)"
    assert why(tmp_path) == "is not a file"
    assert "too long" in why("/" + "x" * 5000)
    assert "cannot be read" in why(f"{tmp_path}/a\0b")
    os.mkfifo(tmp_path / "pipe")
    assert why(tmp_path / "pipe") == "is not a file"  # and nobody waited for somebody to write into it


def test_a_huge_file_is_not_read(tmp_path: Path) -> None:
    with (tmp_path / "huge").open("wb") as file:
        file.truncate(1 << 40)
    assert "1099511627776 bytes" in why(tmp_path / "huge")


def test_a_file_is_copied_piece_by_piece(tmp_path: Path) -> None:
    data = os.urandom(5 << 20)
    (tmp_path / "a").write_bytes(data)
    a_zip(tmp_path / "a.zip", {"a": data})
    with Fetcher() as fetcher:
        for address in (Address.of_path(tmp_path / "a"), in_zip(tmp_path / "a.zip", "a")):
            out = io.BytesIO()
            fetcher.copy(address, out, MOST)
            assert out.getvalue() == data


# Archives


@pytest.mark.parametrize("name", ["p.zip", "p.tar", "p.tar.gz", "p.tar.bz2", "p.tar.xz"])
def test_every_member_of_every_kind_of_archive_is_read(tmp_path: Path, name: str) -> None:
    files = {f"{number}/ü:%::.jpg": os.urandom(number * 700) for number in range(40)}
    if name == "p.zip":
        a_zip(tmp_path / name, files)
    else:
        a_tar(tmp_path / name, files, {"r": "w", "z": "w:gz", "2": "w:bz2"}.get(name[-1], "w:xz"))
    items = find_inputs([str(tmp_path / name)]).items
    assert [item.label for item in items] == [f"{tmp_path / name}/{inner}" for inner in files]
    with Fetcher() as fetcher:
        assert [fetcher.read(item.address, MOST) for item in items] == list(files.values())
        assert fetcher.read(items[3].address, MOST) == files["3/ü:%::.jpg"]  # and back
        assert fetcher.read(items[5].address, MOST) == files["5/ü:%::.jpg"]


class Counted(io.FileIO):
    """A file that counts what is read of it."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.taken = 0

    def read(self, size: int | None = -1) -> bytes:
        data = super().read(size)
        self.taken += len(data or b"")
        return data or b""


@pytest.mark.parametrize("packed", [False, True])
def test_reading_all_members_of_a_tar_is_reading_it_once(tmp_path: Path, packed: bool) -> None:
    files = {f"{number}.jpg": os.urandom(3000) for number in range(300)}
    path = a_tar(tmp_path / "p.tar", files, "w:gz" if packed else "w")
    with Counted(path) as file:
        archive = TarArchive(file)
        for name in list(files)[100:]:  # a chunk in the middle passes by what is before it
            assert b"".join(archive.pieces(name, MOST)) == files[name]
        assert file.taken < 1.2 * path.stat().st_size


def test_an_archive_that_was_replaced_is_opened_again(tmp_path: Path) -> None:
    path = a_zip(tmp_path / "p.zip", {"a": b"old"})
    with Fetcher() as fetcher:
        assert fetcher.read(in_zip(path, "a"), MOST) == b"old"
        path.unlink()
        with pytest.raises(PictureError, match=r"does not exist \(any more\)"):
            fetcher.read(in_zip(path, "a"), MOST)
        a_zip(path, {"a": b"new!"})
        assert fetcher.read(in_zip(path, "a"), MOST) == b"new!"
        with pytest.raises(PictureError, match=r"is not in the archive \(any more\)"):
            fetcher.read(in_zip(path, "b"), MOST)


def test_a_zip_bomb_is_refused_by_what_it_declares(tmp_path: Path) -> None:
    path = a_zip(tmp_path / "p.zip", {"a": bytes(100 << 20)})
    assert path.stat().st_size < 200_000
    assert "would unpack to 104857600 bytes" in why(in_zip(path, "a")) or "zip bomb" in why(in_zip(path, "a"))
    assert "zip bomb" in why(in_zip(path, "a"), 1 << 40)


def test_a_zip_bomb_that_lies_about_its_size_is_stopped(tmp_path: Path) -> None:
    path = a_zip(tmp_path / "p.zip", {"a": bytes(64 << 20)})
    data = path.read_bytes().replace((64 << 20).to_bytes(4, "little"), (1000).to_bytes(4, "little"))
    path.write_bytes(data)
    assert "damaged in its archive" in why(in_zip(path, "a"))


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress])
def test_a_compressed_tar_that_is_a_bomb_is_stopped_while_it_is_listed(
    tmp_path: Path, pack: Callable[[bytes], bytes]
) -> None:
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w") as archive:
        for name, size in {"a.jpg": 10, "bomb.bin": 70 << 20, "b.jpg": 10}.items():
            info = tarfile.TarInfo(name)
            info.size = size
            archive.addfile(info, io.BytesIO(bytes(size)))
    path = tmp_path / "p.tar.gz"
    path.write_bytes(pack(plain.getvalue()))
    first, broken = find_inputs([str(path)]).items
    assert (first.label, broken.label) == (f"{path}/a.jpg", str(path))
    assert open_input(first.address, MOST) == bytes(10)
    assert "bomb" in why(broken.address)


def test_a_tar_whose_header_is_a_bomb_is_stopped(tmp_path: Path) -> None:
    info = tarfile.TarInfo("x")
    info.type = tarfile.XHDTYPE
    info.size = 500 << 20
    path = tmp_path / "p.tar"
    with path.open("wb") as file:
        file.write(info.tobuf())
        file.truncate(600 << 20)
    assert "a header of" in why(in_tar(path, "x"))


@pytest.mark.parametrize(
    "name", ["../../evil.jpg", "/etc/evil.jpg", "a/../../evil.jpg", "c:\\evil.jpg", "..\\evil.jpg"]
)
def test_names_that_lead_out_of_an_archive_are_refused(tmp_path: Path, name: str) -> None:
    assert "leads out of the archive" in why(in_zip(a_zip(tmp_path / "p.zip", {name: b"x"}), name))
    assert "leads out of the archive" in why(in_tar(a_tar(tmp_path / "p.tar", {name: b"x"}), name))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["p.tar", "p.zip"]


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE])
def test_links_and_devices_in_archives_are_refused(tmp_path: Path, kind: bytes) -> None:
    path = a_tar(tmp_path / "p.tar", {"a.jpg": b""}, type=kind, linkname="/etc/passwd")
    assert "in its archive" in why(in_tar(path, "a.jpg"))
    info = zipfile.ZipInfo("a.jpg")
    info.external_attr = 0o120777 << 16
    with zipfile.ZipFile(tmp_path / "p.zip", "w") as archive:
        archive.writestr(info, "/etc/passwd")
    assert "is a link in its archive" in why(in_zip(tmp_path / "p.zip", "a.jpg"))


def test_damaged_encrypted_and_oddly_packed_members_say_so(tmp_path: Path) -> None:
    path = a_zip(tmp_path / "p.zip", {"a": b"picture" * 100}, zipfile.ZIP_STORED)
    whole = path.read_bytes()
    path.write_bytes(whole.replace(b"picturepicture", b"picturePicture", 1))
    assert "damaged in its archive" in why(in_zip(path, "a"))
    at = whole.index(b"PK\x01\x02") + 8
    path.write_bytes(whole[:at] + b"\x01" + whole[at + 1 :])
    assert "is encrypted" in why(in_zip(path, "a"))
    a_zip(path, {"a": b"picture" * 100}, zipfile.ZIP_BZIP2)
    assert "make the zip with deflate" in why(in_zip(path, "a"))


@pytest.mark.parametrize("name", ["p.zip", "p.tar", "p.tar.gz", "p.tar.xz"])
def test_no_damage_of_an_archive_is_anything_but_a_reason(tmp_path: Path, name: str) -> None:
    files = {f"{number}.jpg": os.urandom(900) for number in range(5)}
    path = tmp_path / name
    if name == "p.zip":
        a_zip(path, files)
    else:
        a_tar(path, files, {"r": "w", "z": "w:gz"}.get(name[-1], "w:xz"))
    whole = path.read_bytes()
    for step in range(120):
        at = step * len(whole) // 120
        path.write_bytes(whole[:at] if step % 2 else whole[:at] + bytes([whole[at] ^ 0xFF]) + whole[at + 1 :])
        with Fetcher() as fetcher:
            for inner, data in files.items():
                try:
                    read = fetcher.read(in_zip(path, inner), MOST)
                except PictureError:
                    continue
                assert len(read) == len(data)


def test_a_list_of_an_archive_that_breaks_off_in_a_header_says_so(tmp_path: Path) -> None:
    path = a_tar(tmp_path / "p.tar", {"a.jpg": b"x" * 512, "b.jpg": b"x" * 512})
    whole = bytearray(path.read_bytes())
    whole[1024 + 148 : 1024 + 156] = b"99999999"  # the second header's checksum
    path.write_bytes(whole)
    first, broken = find_inputs([str(path)]).items
    assert open_input(first.address, MOST) == b"x" * 512
    assert "the tar archive is damaged" in why(broken.address)


@pytest.mark.slow
def test_twenty_thousand_members_of_a_compressed_tar_take_seconds(tmp_path: Path) -> None:
    files = {f"{number}.jpg": b"picture %d" % number * 50 for number in range(20_000)}
    path = a_tar(tmp_path / "p.tgz", files, "w:gz")
    began = time.monotonic()
    items = find_inputs([str(path)]).items
    with Fetcher() as fetcher:
        for item in items:
            fetcher.read(item.address, MOST)
    assert len(items) == 20_000
    assert time.monotonic() - began < 30
