"""Cameras on the network, from real servers that are killed and come back."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from mien.address import Address
from mien.bus.bus import Bus
from mien.settings import Settings
from mien.types import Camera, CameraState
from producer.sources.http_video import HttpVideo
from tests.producer.conftest import SERVERS, WAIT_S, InThread, Reader, Running, Server, turn_away, viewers_of
from tests.support.waiting import wait_until

Produce = Callable[..., InThread]
Serve = Callable[[Callable[[int], list[str]]], Server]
WaitForState = Callable[[CameraState], Camera]

SYSTEM_PYTHON = "/usr/bin/python3"


def _rtsp_is_here() -> bool:
    probe = "import gi; gi.require_version('GstRtspServer', '1.0'); from gi.repository import GstRtspServer"
    return (
        Path(SYSTEM_PYTHON).exists()
        and subprocess.run([SYSTEM_PYTHON, "-c", probe], capture_output=True, check=False).returncode == 0
    )


needs_ffmpeg = pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="ffmpeg is not installed")


def comes_back(server: Server, reader: Reader, wait_for_state: WaitForState, kind: str) -> float:
    """Kill a camera, start it again, and return the seconds from its being up to the next picture."""
    server.kill()
    assert "127.0.0.1" in wait_for_state(CameraState.NO_SIGNAL).reason
    turn_away(server.port, 3)
    up_s = server.start()
    before = len(reader.frames)
    wait_until(lambda: len(reader.frames) > before, what=f"pictures over {kind} again")
    seconds = time.monotonic() - up_s
    wait_for_state(CameraState.LIVE)
    print(f"{kind}: picture back {seconds:.2f} s after the camera")
    return seconds


@pytest.mark.parametrize("mode", ["plain", "no-length", "broken"])
def test_motion_jpeg_over_http_is_passed_on_untouched(
    produce: Produce, reader: Reader, mjpeg: Callable[[str], Server], mode: str
) -> None:
    server = mjpeg(mode)
    produce(f"http://127.0.0.1:{server.port}/")
    frames = reader.wait_for(10)
    assert {(frame.width, frame.height) for frame in frames} == {(160, 120)}
    assert len({frame.jpeg for frame in frames}) > 3
    assert all(frame.jpeg.startswith(b"\xff\xd8") and frame.jpeg.endswith(b"\xff\xd9") for frame in frames)


def test_a_motion_jpeg_camera_that_comes_back_is_picked_up_again(
    produce: Produce, reader: Reader, mjpeg: Callable[[str], Server], wait_for_state: WaitForState, bus: Bus
) -> None:
    server = mjpeg("plain")
    running = produce(f"http://127.0.0.1:{server.port}/")
    reader.wait_for(5)
    assert comes_back(server, reader, wait_for_state, "HTTP MJPEG") < WAIT_S
    running.stop()
    counts = bus.counts("lobby")
    assert counts.balanced
    assert counts.in_flight == 0


def test_a_camera_that_falls_silent_has_no_signal_and_stops_in_time(
    produce: Produce, reader: Reader, mjpeg: Callable[[str], Server], wait_for_state: WaitForState
) -> None:
    running = produce(f"http://127.0.0.1:{mjpeg('silent').port}/")
    reader.wait_for(2)
    wait_for_state(CameraState.NO_SIGNAL)
    assert running.stop() < 5


@pytest.mark.parametrize("password", ["s3cret", "s3/cr@et", "s3 cr#et?", "s3:cret"])
def test_a_camera_with_a_password_is_asked_with_it_and_never_shown_with_it(
    mien_produce: Callable[..., Running],
    reader: Reader,
    mjpeg: Callable[[str], Server],
    wait_for_state: WaitForState,
    password: str,
) -> None:
    server = mjpeg(f"secret={password}")
    running = mien_produce(f"http://eye:{password}@127.0.0.1:{server.port}/")
    reader.wait_for(3)
    assert wait_for_state(CameraState.LIVE).source == f"http://***@127.0.0.1:{server.port}/"
    server.kill()
    reason = wait_for_state(CameraState.NO_SIGNAL).reason
    running.stop()
    for part in ("s3", "cr", "et"):
        assert part not in reason.replace("retr", "")
        assert f"{part}@" not in running.said()
    assert password not in running.said()


def test_a_camera_whose_pictures_are_too_large_says_so(
    produce: Produce, settings: Settings, mjpeg: Callable[[str], Server], wait_for_state: WaitForState
) -> None:
    small = settings.model_copy(update={"photo_max_pixels": 160 * 120 - 1})
    produce(f"http://127.0.0.1:{mjpeg('plain').port}/", with_settings=small)
    assert "declares 160×120 pixels, more than the 19199 allowed" in wait_for_state(CameraState.NO_SIGNAL).reason


@pytest.mark.parametrize(("path", "says"), [("gone", "404"), ("page", "text/html")])
def test_an_answer_that_is_no_video_is_no_signal_with_its_reason(
    produce: Produce, mjpeg: Callable[[str], Server], wait_for_state: WaitForState, path: str, says: str
) -> None:
    produce(f"http://127.0.0.1:{mjpeg('plain').port}/{path}")
    assert says in wait_for_state(CameraState.NO_SIGNAL).reason


def test_a_video_file_over_http_plays_at_its_own_rate_and_ends(
    serve: Serve, video: Callable[..., Path], tmp_path: Path
) -> None:
    video("film.mp4", frames=20, fps=20)
    command = [sys.executable, "-m", "http.server", "--bind", "127.0.0.1", "--directory", str(tmp_path)]
    server = serve(lambda port: [*command, str(port)])
    source = HttpVideo(Address.of_camera(f"http://127.0.0.1:{server.port}/film.mp4"), Settings())
    source.open()
    stamps = []
    while (grab := source.read()) is not None:
        stamps.append(grab.captured_ns / 1e9)
    source.close()
    assert len(stamps) == 20
    assert stamps[-1] - stamps[0] == pytest.approx(0.95, abs=0.4)


@pytest.mark.slow
@needs_ffmpeg
def test_mpeg_ts_over_http_comes_back(
    produce: Produce, reader: Reader, serve: Serve, video: Callable[..., Path], wait_for_state: WaitForState
) -> None:
    film = str(video("film.mp4", frames=100, fps=25))
    # `-listen 1` serves one viewer and ends with it: whoever asks twice gets nothing.
    server = serve(
        lambda port: [
            "ffmpeg", "-loglevel", "quiet", "-re", "-stream_loop", "-1", "-i", film, "-c:v", "libx264",
            "-preset", "ultrafast", "-tune", "zerolatency", "-g", "25", "-f", "mpegts", "-listen", "1",
            f"http://127.0.0.1:{port}/",
        ]
    )  # fmt: skip
    produce(f"http://127.0.0.1:{server.port}/")
    frames = reader.wait_for(10)
    assert (frames[0].width, frames[0].height) == (160, 120)
    assert comes_back(server, reader, wait_for_state, "MPEG-TS over HTTP") < WAIT_S


@pytest.mark.slow
@pytest.mark.skipif(not _rtsp_is_here(), reason="GStreamer's RTSP server is not installed")
def test_rtsp_comes_back(produce: Produce, reader: Reader, serve: Serve, wait_for_state: WaitForState) -> None:
    server = serve(lambda port: [SYSTEM_PYTHON, str(SERVERS / "rtsp.py"), str(port)])
    running = produce(f"rtsp://127.0.0.1:{server.port}/cam")
    frames = reader.wait_for(25)
    assert (frames[0].width, frames[0].height) == (640, 360)
    assert comes_back(server, reader, wait_for_state, "RTSP") < WAIT_S
    assert running.stop() < 5


@pytest.mark.slow
@pytest.mark.skipif(not _rtsp_is_here(), reason="GStreamer's RTSP server is not installed")
def test_an_rtsp_camera_that_hangs_has_no_signal_and_never_holds_up_the_end(
    mien_produce: Callable[..., Running], reader: Reader, serve: Serve, wait_for_state: WaitForState
) -> None:
    server = serve(lambda port: [SYSTEM_PYTHON, str(SERVERS / "rtsp.py"), str(port)])
    running = mien_produce(f"rtsp://eye:s3cret@127.0.0.1:{server.port}/cam")
    reader.wait_for(10)
    before = viewers_of(server.port)
    server.freeze()
    began_s = time.monotonic()
    wait_for_state(CameraState.NO_SIGNAL)
    print(f"no signal {time.monotonic() - began_s:.2f} s after the camera hung")
    wait_until(lambda: bool(viewers_of(server.port) - before), what="the next try, which hangs")
    assert running.stop() < 5
    assert running.wait() == 0
    assert "s3cret" not in running.said()
    assert "terminate called" not in running.said()
