"""Addresses on other machines: a web server that misbehaves, and S3 against moto's server."""

from __future__ import annotations

import io
import json
import tarfile
import threading
import time
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from mien.address import Address
from mien.errors import InputError, PictureError
from mien.inputs.fetch import Fetcher, open_input
from mien.inputs.find import find_inputs
from tests.support.servers.s3 import a_bucket

pytest.importorskip("aiohttp")
pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::DeprecationWarning")


class Moody(BaseHTTPRequestHandler):
    """Answers as the path says."""

    protocol_version = "HTTP/1.0"

    def log_message(self, *_: object) -> None:
        return

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        what = self.path.split("?")[0].strip("/").split("/")[-1]
        if what.isdigit():
            self.send_error(int(what))
            return
        if what == "hang.jpg":
            self.server.closing.wait(60)  # type: ignore[attr-defined]
        self.send_response(200)
        if what == "a.jpg":
            self.send_header("Content-Length", "7")
        self.end_headers()
        if self.command == "HEAD":
            return
        if what == "drip.jpg":
            for _ in range(40):
                self.wfile.write(b"x" * 70_000)
                time.sleep(0.1)
        elif what == "endless.jpg":
            while True:
                self.wfile.write(b"x" * 100_000)
        elif what == "index":
            self.wfile.write(b'<a href="/index/b.jpg">b</a> <a href="/index/a.jpg">a</a> <a href="/index/c.txt">c</a>')
        elif what == "who.jpg":
            self.wfile.write(str(self.headers.get("Authorization")).encode())
        else:
            self.wfile.write(b"picture")


@pytest.fixture(scope="module")
def web() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Moody)
    server.daemon_threads = True
    server.closing = threading.Event()  # type: ignore[attr-defined]
    server.handle_error = lambda *_: None  # type: ignore[method-assign]  # clients that leave are meant to
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.closing.set()  # type: ignore[attr-defined]
    server.shutdown()
    server.server_close()
    thread.join()


def why(address: str, most: int = 1_000_000, timeout_s: float = 5.0) -> str:
    with pytest.raises(PictureError) as caught:
        open_input(Address.of_input(address), most, timeout_s)
    assert "geheim" not in str(caught.value)
    return str(caught.value)


def test_a_picture_of_a_web_server_is_read(web: str) -> None:
    assert open_input(Address.of_input(f"{web}/a.jpg"), 100) == b"picture"
    assert open_input(Address.of_input(f"{web}/no-length.jpg"), 100) == b"picture"


def test_a_folder_of_a_web_server_is_searched(web: str) -> None:
    assert [item.address.secret() for item in find_inputs([f"{web}/index/"]).items] == [
        f"{web}/index/a.jpg",
        f"{web}/index/b.jpg",
    ]


def test_what_a_web_server_refuses_is_said_in_plain_words(web: str) -> None:
    assert why(f"{web}/404") == "the file does not exist (any more)"
    assert "access is denied" in why(f"{web}/403?signature=geheim")
    assert why(f"{web.replace('//', '//ann:geheim@')}/500") == "the server answered with HTTP 500"
    assert why("http://127.0.0.1:9/a.jpg?geheim") == "the server cannot be reached"
    assert "cannot be reached" in why("http://no-such-host.invalid/a.jpg")


def test_a_password_in_an_address_reaches_the_server_and_nobody_else(web: str) -> None:
    address = f"{web.replace('//', '//ann:geheim@')}/who.jpg"
    assert open_input(Address.of_input(address), 100).startswith(b"Basic ")
    (item,) = find_inputs([address]).items
    assert item.label == f"{web}/who.jpg"


def test_slow_and_endless_addresses_are_left(web: str) -> None:
    began = time.monotonic()
    assert "did not answer" in why(f"{web}/hang.jpg", timeout_s=0.4)
    assert why(f"{web}/drip.jpg", 10_000_000, timeout_s=0.3) == "came too slowly: not whole after 2 s"
    assert why(f"{web}/endless.jpg", 2_000_000) == "the file has more than the 2000000 bytes allowed"
    assert time.monotonic() - began < 10


@pytest.fixture(scope="module")
def bucket() -> Iterator[str]:
    """A bucket with pictures, and with archives of pictures."""
    files = {
        "faces/b.jpg": b"picture b",
        "faces/a.jpg": b"picture a",
        "faces/notes.txt": b"",
        "faces/deep/c.png": b"picture c",
        "p.zip": a_zip({"in/d.jpg": b"picture d", "in/e.jpg": b"picture e"}),
        "p.tar.gz": a_tar({"f.jpg": b"picture f", "g.jpg": b"picture g"}),
    }
    with a_bucket("bucket", files) as address:
        yield address


def a_zip(files: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return out.getvalue()


def a_tar(files: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as archive:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return out.getvalue()


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ("/faces/a.jpg", ["/faces/a.jpg"]),
        ("/faces", ["/faces/a.jpg", "/faces/b.jpg", "/faces/deep/c.png"]),
        ("/faces/*.jpg", ["/faces/a.jpg", "/faces/b.jpg"]),
        ("/**/*.png", ["/faces/deep/c.png"]),
        ("/p.zip", ["/p.zip/in/d.jpg", "/p.zip/in/e.jpg"]),
        ("/p.tar.gz", ["/p.tar.gz/f.jpg", "/p.tar.gz/g.jpg"]),
    ],
)
def test_pictures_in_s3_are_found_and_read(bucket: str, given: str, found: list[str]) -> None:
    items = find_inputs([bucket + given]).items
    assert [item.label for item in items] == [bucket + path for path in found]
    with Fetcher() as fetcher:
        for item in items:
            letter = item.label.rsplit("/", 1)[-1][0]
            assert fetcher.read(item.address, 1000) == f"picture {letter}".encode()
    assert "geheim" not in json.dumps([[item.address.secret(), item.label] for item in items])


def test_what_s3_does_not_have_is_said_in_plain_words(bucket: str) -> None:
    with pytest.raises(InputError, match=r"s3://bucket/gone\.jpg: the file does not exist"):
        find_inputs([f"{bucket}/gone.jpg"])
    assert why(f"{bucket}/gone.jpg") == "the file does not exist (any more)"
    assert why(f"{bucket}/faces/a.jpg", 5) == "the file has 9 bytes, more than the 5 allowed"
    assert "geheim" not in why(f"zip://x.jpg::{bucket}/gone.zip")
