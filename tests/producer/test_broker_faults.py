"""A producer waits for whatever passes, says so once and goes on; what does not pass ends it with one line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from mien.bus.bus import Bus
from mien.settings import Settings
from mien.types import DropReason
from tests.producer.conftest import Running
from tests.support.broker_faults import LOSES_DATA, REFUSES_WRITES, Fault, administrator, no_rights
from tests.support.waiting import wait_until

PATTERN = "test://pattern?width=320&height=180"
AWAY, BACK = "the broker is away", "the broker is back"


@pytest.mark.parametrize("delivery", ["live", "lossless"])
def test_it_goes_on_after_everything_that_passes(
    own: Settings, mien_produce: Callable[..., Running], delivery: str
) -> None:
    flags = ["--lossless"] if delivery == "lossless" else []
    running = mien_produce(PATTERN, *flags, with_settings=own)
    bus = Bus.from_settings(own)
    faults: dict[str, Fault] = {**REFUSES_WRITES, **LOSES_DATA}
    with administrator(own.bus_url) as admin:
        _captures(bus)
        for name, fault in faults.items():
            began = len(running.said())
            with fault(admin):
                if name in REFUSES_WRITES:
                    wait_until(lambda: AWAY in running.said()[began:], what=f"it to miss {name}")  # noqa: B023
            _captures(bus)
            assert running.process.poll() is None, (name, running.said())
            if name in REFUSES_WRITES:
                wait_until(lambda: BACK in running.said()[began:], what=f"the end of {name}")  # noqa: B023
                said = running.said()[began:]
                assert (said.count(AWAY), said.count(BACK)) == (1, 1), (name, said)
            assert "Traceback" not in running.said()
    running.stop()
    assert running.wait() == 0
    bus.close()


def test_it_waits_for_a_broker_that_is_not_there_yet(
    own: Settings, mien_produce: Callable[..., Running], tmp_path: Path
) -> None:
    away = own.model_copy(update={"bus_url": f"unix://{tmp_path}/nobody.sock"})
    running = mien_produce(PATTERN, with_settings=away)
    wait_until(lambda: AWAY in running.said(), 30)
    assert running.process.poll() is None
    running.stop()
    assert running.wait() == 0
    assert running.said().count(AWAY) == 1


def test_missing_rights_end_it_with_one_line(own: Settings, mien_produce: Callable[..., Running]) -> None:
    bus = Bus.from_settings(own)
    running = mien_produce(PATTERN, with_settings=own)
    with administrator(own.bus_url) as admin:
        _captures(bus)
        with no_rights(admin):
            assert running.wait() == 1
    (line,) = [line for line in running.said().splitlines() if line.startswith("mien: ")]
    assert "refuses what mien asks" in line
    assert "Traceback" not in running.said()
    bus.close()


def test_a_wrong_password_ends_it_with_one_line(own: Settings, mien_produce: Callable[..., Running]) -> None:
    wrong = own.model_copy(update={"bus_url": own.bus_url.replace("unix://", "unix://nobody:wrong@")})
    running = mien_produce(PATTERN, with_settings=wrong)
    assert running.wait(30) == 1
    assert "invalid username-password pair" in running.said().splitlines()[-1]
    assert "wrong@" not in running.said()


def _captures(bus: Bus) -> None:
    """Wait until frames come, ending them as a worker does."""
    before = bus.counts("lobby").captured

    def more() -> bool:
        nonlocal before
        captured = bus.counts("lobby").captured
        before = min(before, captured)  # the broker may have lost the account
        frames = bus.read("reader", ["lobby"], 0)
        if frames:
            bus.drop("lobby", [frame.frame_id for frame in frames], DropReason.STALE)
        return captured > before + 3

    wait_until(more, 30, "frames")
