"""Parts are found however a camera writes them."""

from __future__ import annotations

import io

import pytest

from mien.errors import SourceLost
from producer.sources.multipart import Multipart

JPEG = b"\xff\xd8 a\r\n--picture\n \xff\xd9"


def parts_of(stream: bytes, boundary: bytes = b"frame", chunk: int = 7) -> Multipart:
    body = io.BytesIO(stream)
    return Multipart(lambda most: body.read(min(most, chunk)), boundary)


@pytest.mark.parametrize("chunk", [1, 7, 100_000])
@pytest.mark.parametrize("boundary", [b"frame", b"--frame", b'"frame"', b"another", b""])
@pytest.mark.parametrize(
    "head",
    [
        b"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n" % len(JPEG),
        b"\r\n--frame\r\ncontent-length:%d\r\n\r\n" % len(JPEG),
        b"--frame\nX-Timestamp: 1\n\n",
        b"--frame--\r\nContent-Length: %d\r\n\r\n" % len(JPEG),
        b"--frame--\r\n--frame\r\nContent-Length: %d\r\n\r\n" % len(JPEG),
        b"--frame\r\nContent-Length: 0\r\n\r\n",
        b"--frame\r\nContent-Length: %d\r\n\r\n\r\n" % len(JPEG),
        b"--frame\r\nContent-Type: image/jpeg\r\n\r\n\r\n",
    ],
)
def test_parts_are_found_however_they_are_announced(head: bytes, boundary: bytes, chunk: int) -> None:
    parts = parts_of((head + JPEG + b"\r\n") * 3 + b"--frame\r\n", boundary, chunk)
    assert [parts.next() for _ in range(3)] == [JPEG] * 3


def test_the_end_is_the_loss_of_the_source() -> None:
    parts = parts_of(b"--frame\r\nContent-Length: 2\r\n\r\nab\r\n--frame--\r\n")
    assert parts.next() == b"ab"
    with pytest.raises(SourceLost):
        parts.next()


@pytest.mark.parametrize(
    "stream",
    [
        b"",
        b"<html>" * 1000,
        b"--frame\r\nContent-Length: 99999999999\r\n\r\n",
        b"--frame\r\n" + b"X: y\r\n" * 200,
        b"--frame\r\nContent-Length: 10\r\n\r\nabc",
    ],
)
def test_what_is_no_stream_of_parts_is_lost_and_never_an_endless_read(stream: bytes) -> None:
    with pytest.raises(SourceLost):
        parts_of(stream, chunk=100_000).next()
