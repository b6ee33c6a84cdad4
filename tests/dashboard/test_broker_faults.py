"""The dashboard waits for whatever passes, says so once and goes on; what does not pass ends it with one line."""

from __future__ import annotations

from pathlib import Path

import pytest

from mien.bus.bus import Bus
from mien.settings import Settings
from mien.types import Camera, CameraState, View
from tests.dashboard.conftest import Dashboard, picture, running_dashboard
from tests.support.broker_faults import LOSES_DATA, REFUSES_WRITES, Fault, administrator, no_rights, unblocked
from tests.support.views import put_view
from tests.support.waiting import wait_until

AWAY, BACK = "the broker is away", "the broker is back"


def test_it_goes_on_after_everything_that_passes(own: Settings, tmp_path: Path) -> None:
    log, bus, number = tmp_path / "dashboard.log", Bus.from_settings(own), 0
    faults: dict[str, Fault] = {**REFUSES_WRITES, "UNBLOCKED": unblocked, **LOSES_DATA}
    with running_dashboard(own, log) as dashboard, administrator(own.bus_url) as admin:
        _shows(dashboard, bus, 0)
        for number, (name, fault) in enumerate(faults.items(), 1):
            began = len(log.read_text())
            with fault(admin):
                if name in REFUSES_WRITES:
                    wait_until(lambda: _missed(dashboard, log, began), 20, f"the dashboard to miss {name}")  # noqa: B023
            _shows(dashboard, bus, number)
            assert dashboard.process.poll() is None
            said = log.read_text()[began:]
            if name in REFUSES_WRITES:
                wait_until(lambda: BACK in log.read_text()[began:], what=f"the end of {name}")  # noqa: B023
                said = log.read_text()[began:]
                assert (said.count(AWAY), said.count(BACK)) == (1, 1), (name, said)
            assert "Traceback" not in said, (name, said)
    bus.close()


def test_missing_rights_end_it_with_one_line(own: Settings, tmp_path: Path) -> None:
    log, bus = tmp_path / "dashboard.log", Bus.from_settings(own)
    with running_dashboard(own, log) as dashboard, administrator(own.bus_url) as admin:
        _shows(dashboard, bus, 0)
        with no_rights(admin), dashboard.get("/cameras/lobby/stream.mjpg", stream=True):
            assert dashboard.process.wait(20) == 4
    assert sum(line.startswith("mien: the broker at") for line in log.read_text().splitlines()) == 1
    assert "Traceback" not in log.read_text()
    bus.close()


def test_a_wrong_password_ends_it_with_one_line(own: Settings, tmp_path: Path) -> None:
    wrong = own.model_copy(update={"bus_url": own.bus_url.replace("unix://", "unix://nobody:wrong@")})
    log = tmp_path / "dashboard.log"
    with pytest.raises(AssertionError, match=r"mien: the broker at .* refuses"), running_dashboard(wrong, log):
        pass  # it ends before it answers, and what it said is what the assertion shows
    assert "wrong@" not in log.read_text()
    assert "Traceback" not in log.read_text()


def _missed(dashboard: Dashboard, log: Path, began: int) -> bool:
    """Ask for a picture, which says on the bus that the camera is watched."""
    dashboard.get("/cameras/lobby/snapshot.jpg")
    assert dashboard.get("/healthz").status_code == 200
    return AWAY in log.read_text()[began:]


def _shows(dashboard: Dashboard, bus: Bus, number: int) -> None:
    """Wait until a picture that is drawn now is shown."""
    jpeg = picture(number)

    def shown() -> bool:
        bus.put_camera(Camera("lobby", CameraState.LIVE))
        put_view(bus, View("lobby", f"{number}-0", jpeg))
        answer = dashboard.get("/cameras/lobby/snapshot.jpg")
        return answer.status_code == 200 and answer.content == jpeg

    wait_until(shown, 20, f"picture {number}")
    assert dashboard.get("/api/v1/cameras").status_code == 200
