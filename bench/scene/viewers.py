"""Many viewers of streams in one cheap process: raw sockets, one selector, bodies skipped by their length."""

from __future__ import annotations

import re
import selectors
import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, cast

Kind = Literal["mjpeg", "tiles"]

_HEAD_END = b"\r\n\r\n"
_MOST_HEAD_BYTES = 4096
_PIECE_BYTES = 1 << 18
_LENGTH = re.compile(rb"Content-Length: (\d+)\r\nX-Frame-Id: (\d*)")
# A message of /stream: length of the head, length of the body, and the head, which names the frame.
_MESSAGE = re.compile(rb'(?s)(....)(....)\{"type":"(view|overview)"(?:,"camera":"[^"]*","frame_id":"(\d+)-0")?\}')


@dataclass
class Viewer:
    """One connection; each picture says when it was fed, and its age is taken when its last byte is here.

    `bytes_a_second` makes a slow one: it reads that much and no more (0: as fast as it can). Raises ConnectionError
    when the dashboard ends the stream.
    """

    kind: Kind
    bytes_a_second: float = 0.0
    pictures: int = 0
    bytes_read: int = 0
    ages_ms: list[float] = field(default_factory=list)
    stamps: list[int] = field(default_factory=list)
    _head: bytes = b""
    _skip: int = 0
    _stamp: int = 0
    _answered: bool = False
    _began_s: float = field(default_factory=time.monotonic)

    def allowance(self, now_s: float) -> int:
        """Return how many bytes it may read now."""
        if not self.bytes_a_second:
            return _PIECE_BYTES
        return min(_PIECE_BYTES, int((now_s - self._began_s) * self.bytes_a_second) - self.bytes_read)

    def start_again(self) -> None:
        """Forget what was counted, not where in the stream it is."""
        self.pictures, self.ages_ms, self.stamps = 0, [], []
        self.bytes_read, self._began_s = 0, time.monotonic()

    def take(self, piece: memoryview) -> None:
        """Read a piece of the stream."""
        self.bytes_read += len(piece)
        while piece:
            if self._skip:
                step = min(self._skip, len(piece))
                self._skip -= step
                piece = piece[step:]
                if self._skip == 0 and self._stamp:
                    self._count()
                continue
            # What stands between bodies is short: heads, boundaries, and the framing of chunks.
            self._head += bytes(piece[:_MOST_HEAD_BYTES])
            used = self._read_head()
            if used is None:
                piece = piece[_MOST_HEAD_BYTES:]
                self._head = self._head[-_MOST_HEAD_BYTES:]
                continue
            taken = used - (len(self._head) - min(_MOST_HEAD_BYTES, len(piece)))
            self._head = b""
            piece = piece[max(0, taken) :]

    def _read_head(self) -> int | None:
        """Find the next head; return where the body begins, None while the head is incomplete."""
        if not self._answered:
            at = self._head.find(_HEAD_END)
            if at < 0:
                return None
            if b" 200 " not in self._head[:at].split(b"\r\n", 1)[0]:
                raise ConnectionError(f"the dashboard answered {self._head[:60]!r}")
            self._answered = True
            return at + len(_HEAD_END)
        if self.kind == "mjpeg":
            at = self._head.find(_HEAD_END)
            found = _LENGTH.search(self._head)
            if found is None or self._head.find(_HEAD_END, found.start()) < 0:
                return None
            self._skip, self._stamp = int(found[1]), int(found[2] or 0)
            return self._head.find(_HEAD_END, found.start()) + len(_HEAD_END)
        message = _MESSAGE.search(self._head)
        if message is None:
            return None
        self._skip, self._stamp = int.from_bytes(message[2], "big"), int(message[4] or 0)
        return message.end()

    def _count(self) -> None:
        self.pictures += 1
        self.ages_ms.append((time.monotonic_ns() - self._stamp) / 1e6)
        self.stamps.append(self._stamp)


class Crowd:
    """All viewers of a measurement, read by one loop."""

    def __init__(self, host: str, port: int) -> None:
        self._address = (host, port)
        self._selector = selectors.DefaultSelector()
        self._buffer = bytearray(_PIECE_BYTES)
        self._waiting: dict[socket.socket, Viewer] = {}
        self.viewers: list[Viewer] = []

    def add(self, viewer: Viewer, path: str, headers: Mapping[str, str] | None = None) -> None:
        """Connect one more viewer."""
        connection = socket.create_connection(self._address, timeout=10)
        lines = [f"GET {path} HTTP/1.1", f"Host: {self._address[0]}:{self._address[1]}"]
        lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
        connection.sendall("\r\n".join([*lines, "", ""]).encode())
        connection.setblocking(False)
        self._selector.register(connection, selectors.EVENT_READ, viewer)
        self.viewers.append(viewer)

    def run(self, seconds: float) -> None:
        """Read for some time."""
        until_s = time.monotonic() + seconds
        while (now_s := time.monotonic()) < until_s:
            self._resume(now_s)
            for key, _ in self._selector.select(min(0.02, until_s - now_s)):
                self._read(cast(socket.socket, key.fileobj), cast(Viewer, key.data), now_s)

    def close(self) -> None:
        """Hang up."""
        for key in list(self._selector.get_map().values()):
            cast(socket.socket, key.fileobj).close()
        for connection in self._waiting:
            connection.close()
        self._selector.close()

    def _read(self, connection: socket.socket, viewer: Viewer, now_s: float) -> None:
        allowed = viewer.allowance(now_s)
        if allowed <= 0:
            self._selector.unregister(connection)
            self._waiting[connection] = viewer
            return
        try:
            size = connection.recv_into(self._buffer, allowed)
        except BlockingIOError:
            return
        if size == 0:
            raise ConnectionError("the dashboard ended a stream")
        viewer.take(memoryview(self._buffer)[:size])

    def _resume(self, now_s: float) -> None:
        for connection, viewer in list(self._waiting.items()):
            if viewer.allowance(now_s) > 2048:
                del self._waiting[connection]
                self._selector.register(connection, selectors.EVENT_READ, viewer)
