from __future__ import annotations

import io
import json
import struct
from pathlib import Path

import pytest

from bench.scene.feed import PICTURE_BYTES, picture, stamped
from bench.scene.viewers import Kind, Viewer
from bench.speed import fanout
from mien.headers.picture import read_header


def test_pictures_are_as_large_as_real_ones_and_say_when_they_were_fed() -> None:
    jpeg = stamped(picture(0), 123)
    header = read_header(io.BytesIO(jpeg))
    assert (header.width, header.height) == (1280, 720)
    assert abs(len(jpeg) - PICTURE_BYTES) < PICTURE_BYTES / 10
    assert b"00000000000000000123" in jpeg[:40]


@pytest.mark.parametrize("step", [1, 7, 100, 5000, 1 << 18])
@pytest.mark.parametrize("kind", ["mjpeg", "tiles"])
def test_a_viewer_counts_whole_pictures_however_they_arrive(kind: Kind, step: int) -> None:
    answer = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    body = bytes(range(256)) * 40
    if kind == "mjpeg":
        part = b"Content-Type: image/jpeg\r\nContent-Length: %d\r\nX-Frame-Id: 17-0\r\nX-Timestamp: 1.0\r\n\r\n"
        pieces = b"d\r\n--mien-view\r\n\r\n" + 3 * (b"28cb\r\n" + part % len(body) + body + b"\r\n--mien-view\r\n\r\n")
    else:
        heads = (b'{"type":"overview"}', b'{"type":"view","camera":"fed","frame_id":"17-0"}')
        pieces = b"".join(
            b"2a\r\n" + struct.pack(">II", len(head), len(body)) + head + body + b"\r\n" for head in heads * 3
        )
    viewer, sent = Viewer(kind), memoryview(answer + pieces)
    for at in range(0, len(sent), step):
        viewer.take(sent[at : at + step])
    assert viewer.pictures == 3
    assert viewer.stamps == [17] * 3


def test_a_refused_viewer_is_an_error() -> None:
    with pytest.raises(ConnectionError, match="404"):
        Viewer("mjpeg").take(memoryview(b"HTTP/1.1 404 Not Found\r\n\r\n"))


@pytest.mark.slow
def test_viewers_are_measured_on_a_real_dashboard(tmp_path: Path) -> None:
    measured = fanout.measure(viewers=4, seconds=2.0, folder=tmp_path)
    json.dumps(measured)
    for way in (measured, measured["tiles"]):
        assert way["fps_min"] > 5
        assert 0 < way["cpu_share"] < 0.5
        assert way["age_ms"]["p50"] < 200
        assert way["slow"]["fps_median"] > 0.5
        assert way["slow"]["age_ms"]["p95"] < 4000
    # A picture that never changes is sent once a second at most, so that the connection is known to be alive.
    assert measured["same"]["bytes_a_second"] < 4 * 2.5 * PICTURE_BYTES
    assert measured["idle"]["bytes_a_second"] < 4 * 2.5 * PICTURE_BYTES
    assert measured["rss_mib"]["end"] < fanout.TARGETS["rss_mib"]
