"""All kinds of bad input at once among good pictures: each is a row with its reason, and all others are done."""

from __future__ import annotations

import io
import os
import struct
import tarfile
import zipfile
import zlib
from pathlib import Path
from typing import Any

import cv2
import fsspec
import numpy as np
import pytest
from PIL import Image

from mien.errors import InputError
from mien.inputs.find import find_inputs
from mien.settings import Settings
from models.pictures.picture import encode_jpeg
from tests.support.media import astronaut
from tests.support.servers.s3 import SECRET, a_bucket
from tests.worker.jobs.test_photos import PhotosSite


@pytest.fixture
def office(settings: Settings) -> PhotosSite:
    return PhotosSite(settings.model_copy(update={"chunk_size": 4}))


def saved(kind: str, mode: str = "RGB", **options: Any) -> bytes:
    out = io.BytesIO()
    Image.fromarray(astronaut()[:200, :300]).convert(mode).save(out, kind, **options)
    return out.getvalue()


def png(width: int, height: int, body: bytes) -> bytes:
    """A valid PNG that declares a size and holds what it holds."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(body)) + chunk(b"IEND", b"")


def pdf() -> bytes:
    return b"%PDF-1.7\n1 0 obj\n<< /Type /Catalog >>\nendobj\ntrailer\n<< /Root 1 0 R >>\n%%EOF\n"


def good(folder: Path) -> list[str]:
    """Write a picture of every kind that can be read; return their names."""
    deep = np.repeat(astronaut()[:200, :300, ::-1].astype(np.uint16) * 257, 1, axis=0)
    pictures = {
        "01.jpg": encode_jpeg(astronaut()),
        "02.gif": saved("GIF"),
        "03-grey.jpg": saved("JPEG", "L"),
        "04-cmyk.jpg": saved("JPEG", "CMYK"),
        "05-transparent.png": saved("PNG", "RGBA"),
        "06.webp": saved("WEBP"),
        "07-16-bit.tif": cv2.imencode(".tif", deep)[1].tobytes(),
        "08-palette.png": saved("PNG", "P"),
        "09.avif": saved("AVIF"),
        "10.bmp": saved("BMP"),
        "11 with spaces & ümläut;$(x).JPG": encode_jpeg(astronaut()),
    }
    for name, data in pictures.items():
        (folder / name).write_bytes(data)
    return list(pictures)


def bad(folder: Path) -> dict[str, str]:
    """Write what cannot be read; return what the reason of each must say."""
    jpeg = encode_jpeg(astronaut())
    other = Image.new("RGB", (300, 200), "red")
    flipped = bytearray(saved("PNG"))
    flipped[len(flipped) // 2] ^= 0xFF
    files = {
        "empty.jpg": (b"", "the file is empty"),
        "text.jpg": (b"I am not a picture", "not a picture"),
        "document.jpg": (pdf(), "a PDF document"),
        "page.jpg": (b"<!DOCTYPE html><html>404</html>", "markup"),
        "video.jpg": (b"\0\0\0\x18ftypisom\0\0\x02\0isomiso2", "a video"),
        "truncated.jpg": (jpeg[: len(jpeg) // 2], "truncated"),
        "header-only.jpg": (jpeg[:20], "truncated"),
        "damaged.png": (bytes(flipped), "damaged"),
        "30000x30000.png": (png(30_000, 30_000, bytes(90)), "30000×30000 pixels"),
        "pixel-bomb.png": (png(60_000, 60_000, bytes(1 << 20)), "60000×60000 pixels"),
        "short.png": (png(500, 500, bytes(90)), "PNG picture is damaged"),
        "animated.gif": (saved("GIF", save_all=True, append_images=[other]), "an animation of 2 pictures"),
        "animated.webp": (saved("WEBP", save_all=True, append_images=[other]), "an animation of 2 pictures"),
        "float.tif": (cv2.imencode(".tif", np.zeros((40, 40), np.float32))[1].tobytes(), "float32"),
    }
    for name, (data, _) in files.items():
        (folder / name).write_bytes(data)
    with (folder / "huge-file.jpg").open("wb") as file:
        file.truncate(1 << 40)
    (folder / "broken-link.jpg").symlink_to("nowhere.jpg")
    (folder / "vanishing.jpg").write_bytes(jpeg)
    return {
        **{name: reason for name, (_, reason) in files.items()},
        "huge-file.jpg": "1099511627776 bytes",
        "broken-link.jpg": "does not exist",
        "vanishing.jpg": "does not exist",
    }


def archives(folder: Path) -> tuple[list[str], dict[str, str]]:
    """Write archives with good and bad members; return the labels of the good, and what the reasons must say."""
    jpeg = encode_jpeg(astronaut())
    with zipfile.ZipFile(folder / "p.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("in/a.jpg", jpeg)
        archive.writestr("../../evil.jpg", jpeg)
        archive.writestr("/etc/evil.jpg", jpeg)
        archive.writestr("bomb.png", bytes(100 << 20))
        archive.writestr("in/b.jpg", jpeg)
    with tarfile.open(folder / "p.tar.gz", "w:gz") as tar:
        for name, kind, data in (
            ("c.jpg", tarfile.REGTYPE, jpeg),
            ("link.jpg", tarfile.SYMTYPE, b""),
            ("../up.jpg", tarfile.REGTYPE, jpeg),
            ("d.jpg", tarfile.REGTYPE, jpeg),
        ):
            info = tarfile.TarInfo(name)
            info.type, info.size, info.linkname = kind, len(data), "/etc/passwd"
            tar.addfile(info, io.BytesIO(data))
    (folder / "broken.zip").write_bytes((folder / "p.zip").read_bytes()[:-100])
    (folder / "gone.zip").write_bytes((folder / "p.zip").read_bytes())
    return ["p.zip/in/a.jpg", "p.zip/in/b.jpg", "p.tar.gz/c.jpg", "p.tar.gz/d.jpg"], {
        "p.zip/(..)/(..)/evil.jpg": "leads out of the archive",
        "p.zip/(/)etc/evil.jpg": "leads out of the archive",
        "p.zip/bomb.png": "zip bomb",
        "p.tar.gz/link.jpg": "is a link",
        "p.tar.gz/(..)/up.jpg": "leads out of the archive",
        "broken.zip": "zip archive is damaged or truncated",
        **{
            f"gone.zip/{name}": "the file does not exist (any more)"
            for name in ("in/a.jpg", "(..)/(..)/evil.jpg", "(/)etc/evil.jpg", "bomb.png", "in/b.jpg")
        },
    }


def test_every_bad_input_is_a_row_with_its_reason_and_all_others_are_done(
    office: PhotosSite, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    folder = Path("pictures")
    folder.mkdir()
    done = [f"pictures/{name}" for name in good(folder)]
    reasons = {f"pictures/{name}": reason for name, reason in bad(folder).items()}
    members, member_reasons = archives(Path())
    done += members
    reasons |= member_reasons
    Path("list.txt").write_text("pictures/01.jpg\nnever-there.jpg\nhttp://127.0.0.1:9/ann.jpg?token=geheim\n")
    reasons |= {"never-there.jpg": "does not exist", "http://127.0.0.1:9/ann.jpg": "cannot be reached"}

    found = find_inputs(["pictures", "p.zip", "p.tar.gz", "broken.zip", "gone.zip", "p.zip"], lists=["list.txt"])
    view = office.jobs.enqueue("photos", found.items, name=found.name, out=Path("out"))
    (folder / "vanishing.jpg").unlink()
    Path("gone.zip").unlink()
    office.work()

    view = office.jobs.get(view.id)
    results = office.results(view)
    told = {failure["path"]: failure["reason"] for failure in results["failures"]}
    assert told.keys() == reasons.keys()
    for path, reason in reasons.items():
        assert reason in told[path], path
        assert "\n" not in told[path]
    assert sorted(picture["path"] for picture in results["pictures"]) == sorted(done)
    assert (view.state, view.done, view.failed) == ("done", len(done), len(reasons))
    assert results["inputs"] == view.inputs == view.done + view.failed
    assert {row["path"] for row in office.rows(view)} == {*done, *reasons}
    assert len(list((view.out / "annotated").iterdir())) == len(done)
    assert not list(tmp_path.parent.rglob("*evil*"))  # nothing was unpacked
    assert "geheim" not in (view.out / "results.json").read_text()
    for key in office.jobs.redis.scan_iter("*"):  # nor in the broker
        assert b"geheim" not in (office.jobs.redis.dump(key) or b"")


@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::DeprecationWarning")
def test_a_job_over_s3_has_its_keys_from_the_environment_and_shows_them_to_nobody(office: PhotosSite) -> None:
    jpeg = encode_jpeg(astronaut())
    files = {"faces/a.jpg": jpeg, "faces/b.jpg": jpeg, "faces/c.jpg": b"text", "faces/gone.jpg": jpeg}
    with a_bucket("photos", files) as address:
        found = find_inputs([f"{address}/faces"])
        view = office.jobs.enqueue("photos", found.items, name=found.name)
        fsspec.filesystem("s3").rm("photos/faces/gone.jpg")
        office.work()
    view = office.jobs.get(view.id)
    assert (view.state, view.done, view.failed) == ("done", 2, 2)
    reasons = {failure.path: failure.reason for failure in view.failures}
    assert reasons[f"{address}/faces/gone.jpg"] == "the file does not exist (any more)"
    assert "not a picture" in reasons[f"{address}/faces/c.jpg"]
    assert sorted(path.name for path in (view.out / "annotated").iterdir()) == ["1-a.jpg", "2-b.jpg"]
    for path in office.jobs.folder(view.id).path.rglob("*"):
        assert path.is_dir() or SECRET.encode() not in path.read_bytes()


def test_the_same_job_twice_is_one_job(office: PhotosSite, tmp_path: Path) -> None:
    names = good(tmp_path)
    items = find_inputs([str(tmp_path / name) for name in names]).items
    first, second = (office.jobs.enqueue("photos", items, name="x", out=tmp_path / "out") for _ in range(2))
    assert (first.id, first.existed, second.existed) == (second.id, False, True)
    office.work()
    assert office.jobs.get(first.id).done == len(names)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_an_output_folder_without_write_permission_is_one_clear_line(office: PhotosSite, tmp_path: Path) -> None:
    good(tmp_path)
    (tmp_path / "out").mkdir(mode=0o500)
    with pytest.raises(InputError, match=r"results cannot be written to .*: no permission"):
        office.jobs.enqueue("photos", find_inputs([str(tmp_path)]).items, name="x", out=tmp_path / "out")


def test_an_output_folder_that_cannot_be_one_is_one_clear_line(office: PhotosSite, tmp_path: Path) -> None:
    good(tmp_path)
    with pytest.raises(InputError, match="results cannot be written to"):
        office.jobs.enqueue("photos", find_inputs([str(tmp_path)]).items, name="x", out=tmp_path / "01.jpg" / "out")
