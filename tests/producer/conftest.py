"""Real producers as processes, real servers as cameras, and a worker that only ends frames."""

from __future__ import annotations

import os
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from mien.address import Address
from mien.bus.bus import Bus
from mien.errors import MienError
from mien.settings import Settings
from mien.types import Camera, CameraState, Delivery, Frame, FrameResult
from producer.producer import Producer
from producer.sources.capture import set_up_opencv
from producer.sources.choose import SourceRequest, make_source
from tests.support.paths import ROOT
from tests.support.ports import free_port
from tests.support.waiting import wait_until

SERVERS = ROOT / "tests" / "support" / "servers"
WAIT_S = 10.0


class Reader:
    """Ends the frames of camera `lobby` as a worker does, and keeps them; `slow_s` is the work that each one takes."""

    def __init__(self, settings: Settings) -> None:
        self.frames: list[Frame] = []
        self.slow_s = 0.0
        self._settings = settings
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def wait_for(self, frames: int, timeout_s: float = WAIT_S) -> list[Frame]:
        """Return the frames when there are at least so many."""
        wait_until(lambda: len(self.frames) >= frames, timeout_s, what=f"{frames} frames")
        return list(self.frames)

    def stop(self) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        bus = Bus.from_settings(self._settings)
        while not self._stop.is_set():
            for frame in bus.read("reader", ["lobby"], 50):
                self._stop.wait(self.slow_s)
                bus.finish(FrameResult("lobby", frame.frame_id, frame.seq, frame.captured_ns, 1, 1, ()))
                self.frames.append(frame)
        bus.close()


class InThread:
    """A producer of camera `lobby` in this process."""

    def __init__(
        self, settings: Settings, source: str, *, delivery: Delivery = "live", fps: float = 0.0, loop: bool = False
    ) -> None:
        set_up_opencv()
        self.error: MienError | None = None
        self._stop = threading.Event()
        self._settings = settings
        self._bus = Bus.from_settings(settings)
        address = Address.of_camera(source)
        pictures = make_source(address, settings, SourceRequest(fps=fps, loop=loop))
        self._producer = Producer(
            "lobby", pictures, self._bus, settings, shown=address, delivery=delivery, most_fps=fps, stop=self._stop
        )
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    @property
    def running(self) -> bool:
        return self._thread.is_alive()

    @property
    def captured(self) -> int:
        """How many frames it has captured, whether the bus got them or not."""
        return self._producer._captured

    @property
    def broker_is_away(self) -> bool:
        """Whether it has noticed that the broker does not answer."""
        return self._producer._outage.lasts

    def ends_within(self, seconds: float) -> bool:
        """Whether it comes to its end by itself in some seconds."""
        self._thread.join(seconds)
        return not self.running

    def wait(self, timeout_s: float = WAIT_S) -> None:
        """Wait until it has come to its end by itself."""
        self._thread.join(timeout_s)
        assert not self.running, "the producer did not end"

    def stop(self) -> float:
        """Stop it and return the seconds that it took."""
        began_s = time.monotonic()
        self._stop.set()
        self.wait()
        return time.monotonic() - began_s

    def _run(self) -> None:
        try:
            self._producer.run()
        except MienError as error:
            self.error = error
        finally:
            self._bus.close()


class Running:
    """A `mien produce --camera lobby …` process."""

    def __init__(self, settings: Settings, folder: Path, *arguments: str) -> None:
        self._log = (folder / f"producer-{time.monotonic_ns()}.log").open("w+b")
        environment = {**os.environ, "MIEN_BUS_URL": settings.bus_url, "MIEN_DATA_DIR": str(settings.data_dir)}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "cli", "produce", "--camera", "lobby", *arguments],
            env=environment,
            stdout=self._log,
            stderr=subprocess.STDOUT,
            cwd=ROOT,
            start_new_session=True,
        )

    def wait(self, timeout_s: float = WAIT_S) -> int:
        """Return the exit code."""
        return self.process.wait(timeout_s)

    def stop(self, number: int = signal.SIGTERM) -> float:
        """Send a signal, wait for the end, return the seconds that it took."""
        began_s = time.monotonic()
        self.process.send_signal(number)
        self.process.wait(WAIT_S)
        return time.monotonic() - began_s

    def said(self) -> str:
        """Return everything that it printed and logged."""
        return Path(self._log.name).read_text()

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self._log.close()


class Server:
    """A camera of our own as a process, which can be killed and started again on the same port."""

    def __init__(self, command: Callable[[int], list[str]]) -> None:
        self.port = free_port()
        self._command = command
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> float:
        """Start and wait until it listens; returns when that was, on the monotonic clock."""
        self._process = subprocess.Popen(
            self._command(self.port), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        wait_until(lambda: is_listening(self.port), what="the server to listen")
        return time.monotonic()

    def freeze(self) -> None:
        """Let it hold its connections and say nothing, as a camera does whose cable is pulled."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


@pytest.fixture
def reader(settings: Settings) -> Iterator[Reader]:
    """A worker for camera `lobby`."""
    reader = Reader(settings)
    yield reader
    reader.stop()


@pytest.fixture
def produce(settings: Settings) -> Iterator[Callable[..., InThread]]:
    """Start a producer of camera `lobby` in this process."""
    started: list[InThread] = []

    def start(source: str, *, with_settings: Settings = settings, **more: Any) -> InThread:
        started.append(InThread(with_settings, source, **more))
        return started[-1]

    yield start
    for producer in started:
        producer.stop()


@pytest.fixture
def mien_produce(settings: Settings, tmp_path: Path) -> Iterator[Callable[..., Running]]:
    """Start `mien produce --camera lobby` with the arguments given."""
    started: list[Running] = []

    def start(*arguments: str, with_settings: Settings = settings) -> Running:
        started.append(Running(with_settings, tmp_path, *arguments))
        return started[-1]

    yield start
    for running in started:
        running.close()


@pytest.fixture
def serve() -> Iterator[Callable[[Callable[[int], list[str]]], Server]]:
    """Start a server; the command is made from a free port."""
    started: list[Server] = []

    def start(command: Callable[[int], list[str]]) -> Server:
        started.append(Server(command))
        started[-1].start()
        return started[-1]

    yield start
    for server in started:
        server.kill()


@pytest.fixture
def mjpeg(serve: Callable[[Callable[[int], list[str]]], Server]) -> Callable[[str], Server]:
    """Start the HTTP camera in one of its modes."""
    return lambda mode: serve(lambda port: [sys.executable, str(SERVERS / "mjpeg.py"), str(port), mode])


@pytest.fixture
def video(tmp_path: Path) -> Callable[..., Path]:
    """Write a video whose frame i is grey 8·i: `video("film.mp4", frames=30, fps=20)`; .avi is Motion JPEG."""

    def write(name: str, frames: int = 30, fps: float = 20.0) -> Path:
        path = tmp_path / name
        codec = cv2.VideoWriter.fourcc(*("MJPG" if path.suffix == ".avi" else "mp4v"))
        writer = cv2.VideoWriter(str(path), codec, fps, (160, 120))
        for number in range(frames):
            writer.write(np.full((120, 160, 3), number * 8 % 256, np.uint8))
        writer.release()
        return path

    return write


@pytest.fixture
def state_of(bus: Bus) -> Callable[[], Camera | None]:
    """Return camera `lobby` as the bus knows it."""
    return lambda: next((camera for camera in bus.cameras() if camera.name == "lobby"), None)


@pytest.fixture
def wait_for_state(state_of: Callable[[], Camera | None]) -> Callable[[CameraState], Camera]:
    """Wait until camera `lobby` has a state."""

    def wait(state: CameraState) -> Camera:
        wait_until(lambda: (camera := state_of()) is not None and camera.state == state, what=f"state {state.value}")
        camera = state_of()
        assert camera is not None
        return camera

    return wait


def grey(jpeg: bytes) -> int:
    """Return the mean grey of a JPEG."""
    picture = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_GRAYSCALE)
    assert picture is not None
    return round(float(picture.mean()))


def is_listening(port: int) -> bool:
    """Whether something listens, found out without a connection, which a camera for one viewer would take for it."""
    return bool(_sockets(port, "0A"))


def viewers_of(port: int) -> set[str]:
    """The sockets of all who are connected to a port, also of a server that is frozen: the system answers for it."""
    return _sockets(port, "01")


def _sockets(port: int, state: str) -> set[str]:
    """The far ends of a local port's sockets in a state of /proc/net/tcp: 0A listens, 01 is connected (proc(5))."""
    entries = (line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:])
    return {remote for _, local, remote, is_in, *_ in entries if local == f"0100007F:{port:04X}" and is_in == state}


def turn_away(port: int, viewers: int) -> None:
    """Listen in place of a server that is away, until so many viewers have come; each is turned away."""
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", port))
        listener.listen()
        listener.settimeout(WAIT_S)
        for _ in range(viewers):
            viewer, _ = listener.accept()
            # A reset instead of a farewell, so that the port is free at once (socket(7), SO_LINGER).
            viewer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            viewer.close()
