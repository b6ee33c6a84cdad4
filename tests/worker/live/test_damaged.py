"""Whatever lies on the bus, a live worker goes on with the cameras that are well."""

from __future__ import annotations

import random
from pathlib import Path

from mien.bus.bus import Bus
from mien.settings import Settings
from tests.support.mutations import mutations
from tests.support.waiting import wait_until
from tests.worker.conftest import START_S, Lobby, worker_process

MUTATIONS = 2000


def test_damaged_entries_of_every_kind_end_no_worker(
    bus: Bus, lobby: Lobby, settings: Settings, tmp_path: Path
) -> None:
    log, sent = tmp_path / "worker.log", 0
    damage = mutations(bus._redis, ("lobby", "yard"), random.Random(3))
    with worker_process(settings, log=log) as process:
        lobby.say("film", delivery="lossless")
        lobby.send("film", 0, delivery="lossless")
        wait_until(lambda: bus.counts("film").analysed == 1, START_S)
        for number in range(MUTATIONS):
            damage()
            if number % 10 == 0:
                lobby.say("film", "lobby", delivery="lossless")
                lobby.send("lobby", number, delivery="lossless")
            if number % 50 == 0:
                sent += 1
                lobby.send("film", sent, delivery="lossless")
        assert process.poll() is None, log.read_text()[-2000:]

        def all_analysed() -> bool:
            lobby.say("film", delivery="lossless")
            return bus.counts("film").analysed == sent + 1

        wait_until(all_analysed, 60, "the frames of the camera that is well")
        assert bus.counts("film").balanced
        process.terminate()
        assert process.wait(20) == 0
    assert "Traceback" not in log.read_text()
    assert bus.rejected()[0] > 0
