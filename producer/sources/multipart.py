"""Motion JPEG over HTTP: the parts of a `multipart/x-mixed-replace` answer."""

from __future__ import annotations

import time
from collections.abc import Callable

from mien.errors import SourceLost
from producer.sources.jpeg import LONGEST_JPEG
from producer.sources.source import READ_TIMEOUT_S

_CHUNK = 65536
_LONGEST_LINE = 8192
_MOST_LINES = 100


class Multipart:
    """Takes the bodies of parts out of a stream of bytes.

    `read_some(n)` returns what is there, at most n bytes, and b"" at the end. Cameras do not keep to the standard: the
    boundary may be announced with or without its dashes or be another one than is sent, may carry the dashes of the end
    while pictures go on, lines may end in LF, empty lines may follow the headers, and a part may come without its
    length or with a length of 0.
    """

    def __init__(self, read_some: Callable[[int], bytes], boundary: bytes) -> None:
        self._read_some = read_some
        self._boundary = boundary.strip(b'" ').lstrip(b"-")
        self._seen = False
        self._buffer = bytearray()
        self._deadline_s = 0.0

    def next(self) -> bytes:
        """Return the body of the next part; raises SourceLost at the end and when it takes over 2 s."""
        self._deadline_s = time.monotonic() + READ_TIMEOUT_S
        self._find_boundary()
        length = self._length_in_headers()
        self._pass_empty_lines()
        return self._exactly(length) if length is not None else self._up_to_boundary()

    def _find_boundary(self) -> None:
        for _ in range(_MOST_LINES):
            line = self._line()
            sent = line.lstrip(b"-")
            if not line.startswith(b"--") or not sent:
                continue
            if not self._seen and not (self._boundary and sent.startswith(self._boundary)):
                self._boundary = sent.removesuffix(b"--")  # announced was another one, or none
            if sent.startswith(self._boundary):
                # The dashes of the end end nothing: cameras write them between pictures.
                self._seen = True
                return
        raise SourceLost("the stream holds no parts")

    def _length_in_headers(self) -> int | None:
        length = None
        for _ in range(_MOST_LINES):
            line = self._line()
            if not line:
                return length
            if line.startswith(b"--"):
                length = None
            name, _, value = line.partition(b":")
            if name.strip().lower() == b"content-length" and value.strip().isdigit():
                length = int(value) or None
                if length is not None and length > LONGEST_JPEG:
                    raise SourceLost(f"a picture of {length} bytes is larger than the limit of {LONGEST_JPEG}")
        raise SourceLost("a part has too many headers")

    def _pass_empty_lines(self) -> None:
        while not (rest := self._buffer.lstrip(b"\r\n")):
            self._fill()
        self._buffer = rest

    def _line(self) -> bytes:
        while (end := self._buffer.find(b"\n", 0, _LONGEST_LINE)) < 0:
            if len(self._buffer) >= _LONGEST_LINE:
                # Not a line but the rest of a picture: pass over it.
                end = _LONGEST_LINE - 1
                break
            self._fill()
        line = bytes(self._buffer[:end])
        del self._buffer[: end + 1]
        return line.strip()

    def _exactly(self, length: int) -> bytes:
        while len(self._buffer) < length:
            self._fill()
        return self._take(length)

    def _up_to_boundary(self) -> bytes:
        mark = b"--" + self._boundary
        searched = 0
        while (end := self._buffer.find(mark, searched)) < 0:
            searched = max(0, len(self._buffer) - len(mark))
            if searched > LONGEST_JPEG:
                raise SourceLost(f"a picture is larger than the limit of {LONGEST_JPEG} bytes")
            self._fill()
        return self._take(end).rstrip(b"\r\n")

    def _take(self, length: int) -> bytes:
        taken = bytes(self._buffer[:length])
        del self._buffer[:length]
        return taken

    def _fill(self) -> None:
        if time.monotonic() > self._deadline_s:
            raise SourceLost(f"no picture came within {READ_TIMEOUT_S:g} s")
        read = self._read_some(_CHUNK)
        if not read:
            raise SourceLost("the connection ended")
        self._buffer += read
