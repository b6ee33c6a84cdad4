"""`mien produce` as a process."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Callable

import pytest

from mien.bus.bus import Bus
from mien.settings import Settings
from mien.types import Camera, CameraState
from tests.producer.conftest import Reader, Running
from tests.support.ports import free_port
from tests.support.waiting import wait_until

MienProduce = Callable[..., Running]

PATTERN = "test://pattern?width=320&height=180"


def test_it_starts_fast_and_ends_clean_on_sigterm(
    mien_produce: MienProduce, reader: Reader, bus: Bus, wait_for_state: Callable[[CameraState], Camera]
) -> None:
    began_s = time.monotonic()
    running = mien_produce(PATTERN)
    reader.wait_for(1)
    seconds = time.monotonic() - began_s
    print(f"first frame after {seconds:.2f} s")
    assert seconds < 7.5
    reader.wait_for(10)
    assert running.stop() < 5
    assert running.wait() == 0
    assert wait_for_state(CameraState.ENDED).reason == ""
    counts = bus.counts("lobby")
    assert counts.balanced
    assert counts.in_flight == 0
    assert bus.lease("lobby", "the next one") == "the next one"
    assert "Traceback" not in running.said()


def test_ctrl_c_during_the_demo_leaves_no_process_and_no_frame(mien_produce: MienProduce, bus: Bus) -> None:
    running = mien_produce("demo://")
    wait_until(lambda: bus.counts("lobby").captured > 0, what="a frame")
    assert running.stop(signal.SIGINT) < 5
    assert running.wait() == 0
    assert bus.counts("lobby").in_flight == 0
    assert bus.counts("lobby").balanced
    pgrep = subprocess.run(["pgrep", "-s", str(running.process.pid)], capture_output=True, text=True, check=False)
    assert pgrep.stdout == ""
    assert "Traceback" not in running.said()


def test_the_place_of_a_killed_producer_is_free_again(mien_produce: MienProduce, reader: Reader) -> None:
    first = mien_produce(PATTERN)
    reader.wait_for(1)
    first.process.kill()
    first.wait()
    mien_produce("test://pattern?width=640&height=360")
    wait_until(lambda: reader.frames[-1].width == 640, what="the second producer")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["gopher://x"], "not of a known kind"),
        (["missing.mp4"], "there is no file missing.mp4"),
        (["test://pattern", "--camera", "two words/and a slash"], "camera name"),
    ],
)
def test_bad_input_is_one_clear_line(mien_produce: MienProduce, arguments: list[str], says: str) -> None:
    running = mien_produce(*arguments)
    assert running.wait() == 2
    said = [line for line in running.said().splitlines() if line.startswith("mien:")]
    assert len(said) == 1
    assert says in said[0]
    assert "Traceback" not in running.said()


def test_without_a_broker_it_waits_and_says_so_in_one_clear_line(mien_produce: MienProduce, settings: Settings) -> None:
    nowhere = settings.model_copy(update={"bus_url": f"redis://:secret@127.0.0.1:{free_port()}"})
    running = mien_produce("test://pattern", with_settings=nowhere)
    wait_until(lambda: "does not answer" in running.said(), 30)
    running.stop()
    assert running.wait() == 0
    assert len(running.said().strip().splitlines()) == 1
    assert "secret" not in running.said()
