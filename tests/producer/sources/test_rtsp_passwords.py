"""What FFmpeg sends to an RTSP camera is the password as a person wrote it."""

from __future__ import annotations

import base64
import re
import socketserver
import threading
from collections.abc import Iterator

import pytest

from mien.address import Address
from mien.errors import SourceLost
from mien.settings import Settings
from producer.sources.capture import set_up_opencv
from producer.sources.rtsp import Rtsp


class Gate(socketserver.ThreadingTCPServer):
    """An RTSP camera that asks for a password and lets nobody in; `told` is what it was told."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Asking)
        self.told: list[str] = []


class Asking(socketserver.StreamRequestHandler):
    """Answers each request with 401."""

    server: Gate

    def handle(self) -> None:
        number = "0"
        for line in self.rfile:
            if found := re.match(rb"CSeq: *([0-9]+)", line):
                number = found[1].decode()
            elif found := re.match(rb"Authorization: Basic (\S+)", line):
                self.server.told.append(base64.b64decode(found[1]).decode())
            elif not line.strip():
                asks = 'WWW-Authenticate: Basic realm="camera"'
                self.wfile.write(f"RTSP/1.0 401 Unauthorized\r\nCSeq: {number}\r\n{asks}\r\n\r\n".encode())


@pytest.fixture
def gate() -> Iterator[Gate]:
    with Gate() as gate:
        thread = threading.Thread(target=gate.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        yield gate
        gate.shutdown()
        thread.join()


@pytest.mark.parametrize("password", ["S3cret", "S3cr/et", "S3cr@et", "S3cr et", "S3 c#r?", "S3cr:et", "50%off!"])
def test_an_rtsp_camera_is_told_the_password_and_nobody_else_is(gate: Gate, password: str) -> None:
    set_up_opencv()
    address = Address.of_camera(f"rtsp://eye:{password}@127.0.0.1:{gate.server_address[1]}/live")
    source = Rtsp(address, Settings())
    with pytest.raises(SourceLost) as lost:
        source.open()
    source.close()
    assert set(gate.told) == {f"eye:{password}"}
    assert str(lost.value) == f"rtsp://***@127.0.0.1:{gate.server_address[1]}/live does not answer with a video"
