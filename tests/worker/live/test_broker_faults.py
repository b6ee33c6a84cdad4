"""A live worker waits for whatever passes, says so once and goes on; what does not pass ends it with one line."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from mien.bus.bus import Bus
from mien.settings import Settings
from tests.support.broker_faults import LOSES_DATA, REFUSES_WRITES, Fault, administrator, no_rights, unblocked
from tests.support.waiting import wait_until
from tests.worker.conftest import START_S, Lobby, worker_process

AWAY, BACK = "the broker is away", "the broker is back"


@pytest.fixture
def own_bus(own: Settings) -> Iterator[Bus]:
    bus = Bus.from_settings(own)
    yield bus
    bus.close()


def test_it_goes_on_after_everything_that_passes(own: Settings, own_bus: Bus, tmp_path: Path) -> None:
    log, lobby = tmp_path / "worker.log", Lobby(own_bus)
    faults: dict[str, Fault] = {**REFUSES_WRITES, "UNBLOCKED": unblocked, **LOSES_DATA}
    with worker_process(own, log=log) as process, administrator(own.bus_url) as admin:
        _analyses(own_bus, lobby)
        for name, fault in faults.items():
            began = len(log.read_text())
            with fault(admin):
                if name in REFUSES_WRITES or name == "UNBLOCKED":
                    wait_until(lambda: AWAY in log.read_text()[began:], what=f"the worker to miss {name}")  # noqa: B023
            _analyses(own_bus, lobby)
            assert process.poll() is None, name
            if name in REFUSES_WRITES:
                wait_until(lambda: BACK in log.read_text()[began:], what=f"the end of {name}")  # noqa: B023
                said = log.read_text()[began:]
                assert (said.count(AWAY), said.count(BACK)) == (1, 1), (name, said)
            said = log.read_text()[began:]
            assert "Traceback" not in said, (name, said)
        process.terminate()
        assert process.wait(10) == 0


def test_it_waits_for_a_broker_that_is_not_there_yet(own: Settings, tmp_path: Path) -> None:
    log = tmp_path / "worker.log"
    away = own.model_copy(update={"bus_url": f"unix://{tmp_path}/nobody.sock"})
    with worker_process(away, log=log) as process:
        wait_until(lambda: AWAY in log.read_text(), START_S)
        assert process.poll() is None
        process.terminate()
        assert process.wait(10) == 0


def test_missing_rights_end_it_with_one_line(own: Settings, own_bus: Bus, tmp_path: Path) -> None:
    log, lobby = tmp_path / "worker.log", Lobby(own_bus)
    with worker_process(own, log=log) as process, administrator(own.bus_url) as admin:
        _analyses(own_bus, lobby)
        with no_rights(admin):
            assert process.wait(10) == 1
    (line,) = [line for line in log.read_text().splitlines() if line.startswith("mien: ")]
    assert "refuses what mien asks" in line
    assert "Traceback" not in log.read_text()


def _analyses(bus: Bus, lobby: Lobby) -> None:
    """Wait until a frame that is sent now has a result."""
    lobby.say("film", delivery="lossless")
    lobby.send("film", 0, delivery="lossless")
    before = bus.counts("film").analysed
    wait_until(lambda: bus.counts("film").analysed > before or _sent_again(lobby), START_S, "a result")


def _sent_again(lobby: Lobby) -> bool:
    """The camera's record is repeated, as a producer does, and so is the frame: the broker may have lost both."""
    lobby.say("film", delivery="lossless")
    if not lobby.bus.in_flight("film"):
        lobby.send("film", 0, delivery="lossless")
    return False
