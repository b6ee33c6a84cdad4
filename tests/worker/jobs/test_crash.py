"""What a job survives: killed workers and brokers, full disks, a picture that kills whoever reads it."""

from __future__ import annotations

import csv
import resource
import time
from pathlib import Path

import pytest

from bench.quality.soak_offline import SoakSize, make_pictures, soak, summary
from mien.bus.embedded import EmbeddedBroker
from mien.inputs.input import Input
from mien.jobs.jobs import Jobs
from mien.jobs.view import JobView
from mien.settings import Settings
from tests.support.waiting import wait_until
from tests.worker.a_jobs_worker import BROKER_IS_AWAY, jobs_worker, wait_for

pytestmark = pytest.mark.slow

# A worker process whose analyzer takes its time, and dies over a picture 140 pixels wide.
WORKER = """
import os, signal, sys, threading, time
from mien.jobs.jobs import Jobs
from mien.logs import configure_logs
from mien.settings import load_settings
from worker.jobs import rq_worker
from worker.jobs.kinds import job_worker

class Slow:
    threshold = 0.3
    def analyze_many(self, pictures):
        time.sleep(0.02 * len(pictures))
        if any(picture.shape[1] == 140 for picture in pictures) and "deadly" in sys.argv:
            os.kill(os.getpid(), signal.SIGKILL)
        return [()] * len(pictures), {}

if "deadly" in sys.argv:  # many deaths: each is noticed sooner than in earnest
    rq_worker.BEAT_S, rq_worker.BEAT_TTL_S, rq_worker.MAINTENANCE_S = 0.5, 2, 1
configure_logs()
stopping = threading.Event()
signal.signal(signal.SIGTERM, lambda *_: stopping.set())
job_worker(Jobs.from_settings(load_settings()), Slow(), stopping).run()
"""


@pytest.fixture
def pictures(tmp_path: Path) -> list[Input]:
    """Two hundred pictures; four are broken."""
    return [Input.of(str(path), path.name) for path in make_pictures(tmp_path / "pictures", 200)]


def assert_complete(jobs: Jobs, view: JobView, items: list[Input], failed: int) -> None:
    assert (view.state, view.inputs, view.done, view.failed) == ("done", len(items), len(items) - failed, failed)
    with (view.out / "results.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["path"] for row in rows] == [item.label for item in items]
    assert sum(bool(row["reason"]) for row in rows) == failed
    for folder in (view.out, jobs.folder(view.id).path):
        assert [path for path in folder.rglob("*") if path.suffix in (".new", ".partial", ".reading")] == []


@pytest.mark.timeout(400)
def test_workers_killed_at_random_moments_change_no_result(tmp_path: Path) -> None:
    outcome = soak(SoakSize(pictures=150, video_s=4, kills=6, limit_s=300), tmp_path)
    assert outcome.problems == [], summary(outcome)
    assert outcome.kills >= 6
    assert outcome.slowest_restart_s < 30 * 5
    print(summary(outcome))


@pytest.mark.timeout(200)
def test_a_broker_that_is_killed_and_started_again_goes_on_where_it_was(
    settings: Settings, pictures: list[Input], tmp_path: Path
) -> None:
    with EmbeddedBroker(keep_in=tmp_path / "broker") as broker:
        jobs = Jobs.from_settings(settings.model_copy(update={"jobs_url": broker.url, "chunk_size": 20}))
        view = jobs.enqueue("photos", pictures, name="two hundred")
        log = tmp_path / "worker.log"
        with jobs_worker(jobs, WORKER, log=log) as process:
            wait_for(jobs, view.id, lambda view: view.done >= 40, 60)
            assert broker._process is not None
            broker._process.kill()
            broker._process.wait()
            wait_until(lambda: BROKER_IS_AWAY in log.read_text(), 60, "the worker to miss its broker")
            broker.start()
            started = time.monotonic()
            done = jobs.get(view.id).done
            wait_for(jobs, view.id, lambda view: view.done > done, 30 * 5)
            print(f"goes on {time.monotonic() - started:.1f} s after the broker's start")
            ended = wait_for(jobs, view.id, lambda view: view.ended, 100)
            assert process.poll() is None
    assert_complete(jobs, ended, pictures, failed=4)


@pytest.mark.timeout(200)
def test_a_full_disk_is_waited_for_and_a_job_goes_on_by_itself(settings: Settings, pictures: list[Input]) -> None:
    jobs = Jobs.from_settings(settings.model_copy(update={"chunk_size": 20}))
    view = jobs.enqueue("photos", pictures, name="two hundred")
    with jobs_worker(jobs, WORKER) as process:
        wait_for(jobs, view.id, lambda view: view.done >= 20, 60)
        # No file may have more than 1000 bytes: to a writer that is what a full disk is, and needs no disk.
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (1000, resource.RLIM_INFINITY))
        waiting = jobs.queue.scheduled_job_registry
        wait_until(lambda: waiting.count > 0, 60, "a step that waits for its next try")
        full = jobs.get(view.id)
        assert full.state == "running"
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        freed = time.monotonic()
        wait_for(jobs, view.id, lambda view: view.done > full.done + 20, 30 * 5)
        print(f"goes on {time.monotonic() - freed:.1f} s after the disk has room")
        ended = wait_for(jobs, view.id, lambda view: view.ended, 100)
    assert_complete(jobs, ended, pictures, failed=4)


@pytest.mark.timeout(200)
def test_a_disk_that_stays_full_fails_the_job_with_the_reason_until_a_retry(
    settings: Settings, pictures: list[Input]
) -> None:
    jobs = Jobs.from_settings(settings.model_copy(update={"chunk_size": 100}))
    view = jobs.enqueue("photos", pictures, name="two hundred")
    with jobs_worker(jobs, WORKER) as process:
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (1000, resource.RLIM_INFINITY))
        failed = wait_for(jobs, view.id, lambda view: view.ended, 150)
        assert failed.state == "failed"
        assert "File too large" in failed.reason
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        jobs.retry(view.id)
        ended = wait_for(jobs, view.id, lambda view: view.ended, 60)
    assert_complete(jobs, ended, pictures, failed=4)


@pytest.mark.timeout(300)
def test_a_picture_that_kills_its_readers_is_found_and_all_others_are_read(
    settings: Settings, pictures: list[Input]
) -> None:
    jobs = Jobs.from_settings(settings.model_copy(update={"chunk_size": 50}))
    items = [*pictures[1:40], pictures[0], *pictures[40:60]]  # the first one is 140 pixels wide
    view = jobs.enqueue("photos", items, name="one deadly")
    deadline = time.monotonic() + 200
    deaths = -1
    while not jobs.get(view.id).ended and time.monotonic() < deadline:
        deaths += 1
        with jobs_worker(jobs, WORKER, "deadly") as process:
            while process.poll() is None and not jobs.get(view.id).ended:
                time.sleep(0.1)
    ended = jobs.get(view.id)
    assert 2 < deaths < 8
    assert_complete(jobs, ended, items, failed=3)
    assert [failure.reason for failure in ended.failures if failure.path == pictures[0].label] == [
        "workers died while they read this picture: it is left out"
    ]
