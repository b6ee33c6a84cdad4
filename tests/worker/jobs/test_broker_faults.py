"""A jobs worker waits for whatever passes, says so once and goes on; what does not pass ends it with one line."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import simplejpeg
import skimage.data

from mien.bus.embedded import EmbeddedBroker
from mien.jobs.jobs import Jobs
from mien.settings import Settings
from tests.support.broker_faults import LOSES_DATA, REFUSES_WRITES, administrator, no_rights
from tests.support.photo_jobs import enqueue_photos
from tests.support.waiting import wait_until
from tests.worker.a_jobs_worker import BROKER_IS_AWAY, jobs_worker, wait_for

BACK = "the broker is back"

WORKER = """
import signal, sys, threading, time
from mien.errors import MienError, line_of
from mien.jobs.jobs import Jobs
from mien.logs import configure_logs
from mien.settings import load_settings
from worker.jobs.kinds import job_worker

class Slow:
    threshold = 0.3
    def analyze_many(self, pictures):
        time.sleep(0.05 * len(pictures))
        return [()] * len(pictures), {}

configure_logs()
stopping = threading.Event()
signal.signal(signal.SIGTERM, lambda *_: stopping.set())
try:
    job_worker(Jobs.from_settings(load_settings()), Slow(), stopping).run()
except MienError as error:  # as the command line does
    sys.exit(f"mien: {line_of(error)}")
"""


@pytest.fixture
def jobs(settings: Settings) -> Iterator[Jobs]:
    with EmbeddedBroker() as broker:
        own = Jobs.from_settings(settings.model_copy(update={"jobs_url": broker.url, "chunk_size": 10}))
        yield own
        own.close()


@pytest.fixture
def pictures(tmp_path: Path) -> list[Path]:
    """Forty pictures."""
    jpeg = simplejpeg.encode_jpeg(skimage.data.astronaut()[:128, :128].copy())
    folder = tmp_path / "pictures"
    folder.mkdir()
    paths = [folder / f"{number:03}.jpg" for number in range(40)]
    for path in paths:
        path.write_bytes(jpeg)
    return paths


@pytest.mark.parametrize("name", REFUSES_WRITES)
def test_a_job_is_finished_after_what_passes(jobs: Jobs, pictures: list[Path], tmp_path: Path, name: str) -> None:
    log = tmp_path / "worker.log"
    view = enqueue_photos(jobs, pictures, name=name)
    with jobs_worker(jobs, WORKER, log=log) as process, administrator(jobs.address.secret()) as admin:
        wait_for(jobs, view.id, lambda view: view.done >= 1, 60)
        with REFUSES_WRITES[name](admin):
            wait_until(lambda: BROKER_IS_AWAY in log.read_text(), 60, f"the worker to miss {name}")
        ended = wait_for(jobs, view.id, lambda view: view.ended, 60)
        assert (ended.state, ended.done, ended.failed) == ("done", len(pictures), 0)
        wait_until(lambda: BACK in log.read_text())
        assert process.poll() is None
        process.terminate()
        assert process.wait(20) == 0
    said = log.read_text()
    assert (said.count(BROKER_IS_AWAY), said.count(BACK)) == (1, 1), said
    assert "Traceback" not in said


@pytest.mark.parametrize("name", LOSES_DATA)
def test_new_jobs_are_done_after_the_broker_lost_all_others(
    jobs: Jobs, pictures: list[Path], tmp_path: Path, name: str
) -> None:
    log = tmp_path / "worker.log"
    with jobs_worker(jobs, WORKER, log=log) as process, administrator(jobs.address.secret()) as admin:
        lost = enqueue_photos(jobs, pictures, name="lost")
        wait_for(jobs, lost.id, lambda view: view.done >= 1, 60)
        with LOSES_DATA[name](admin):
            pass
        view = enqueue_photos(jobs, pictures, name="new")
        ended = wait_for(jobs, view.id, lambda view: view.ended, 60)
        assert (ended.state, ended.done) == ("done", len(pictures))
        assert process.poll() is None
    assert "Traceback" not in log.read_text(), log.read_text()


def test_it_waits_for_a_broker_that_is_not_there_yet(jobs: Jobs, tmp_path: Path) -> None:
    log = tmp_path / "worker.log"
    away = Jobs.from_settings(jobs.settings.model_copy(update={"jobs_url": f"unix://{tmp_path}/nobody.sock"}))
    with jobs_worker(away, WORKER, log=log) as process:
        wait_until(lambda: BROKER_IS_AWAY in log.read_text(), 60)
        assert process.poll() is None
        process.terminate()
        assert process.wait(20) == 0


def test_missing_rights_end_it_with_one_line(jobs: Jobs, pictures: list[Path], tmp_path: Path) -> None:
    log = tmp_path / "worker.log"
    view = enqueue_photos(jobs, pictures, name="refused")
    with jobs_worker(jobs, WORKER, log=log) as process, administrator(jobs.address.secret()) as admin:
        wait_for(jobs, view.id, lambda view: view.done >= 1, 60)
        with no_rights(admin):
            assert process.wait(60) == 1
    (line,) = [line for line in log.read_text().splitlines() if line.startswith("mien: ")]
    assert "refuses what mien asks" in line
    assert "Traceback" not in log.read_text(), log.read_text()
