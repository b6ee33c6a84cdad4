from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
import redis
import simplejpeg
import skimage.data
from rq import Callback, Queue, Retry
from rq.job import JobStatus
from rq.serializers import JSONSerializer

from mien.bus.embedded import EmbeddedBroker
from mien.jobs.jobs import QUEUE, Jobs
from mien.jobs.view import JobView
from mien.settings import Settings
from tests.support.photo_jobs import enqueue_photos
from tests.support.waiting import wait_until
from tests.worker.a_jobs_worker import BROKER_IS_AWAY, jobs_worker, wait_for
from worker.jobs.rq_worker import JobsWorker

# A worker process whose analyzer takes its time, so that it can be stopped in the middle.
SLOW_WORKER = """
import signal, sys, threading, time
from mien.jobs.jobs import Jobs
from mien.logs import configure_logs
from mien.settings import load_settings
from worker.jobs.rq_worker import JobsWorker
from worker.jobs.photos import PhotoJobs

class Slow:
    threshold = 0.3
    def analyze_many(self, pictures):
        time.sleep(0.05 * len(pictures))
        return [()] * len(pictures), {}

configure_logs()
stopping = threading.Event()
signal.signal(signal.SIGTERM, lambda *_: stopping.set())
jobs = Jobs.from_settings(load_settings())
photos = PhotoJobs(jobs, Slow(), stopping)
JobsWorker(jobs.redis, photos.functions, photos.give_up, stopping).run()
"""


@pytest.fixture
def jobs(settings: Settings) -> Jobs:
    return Jobs.from_settings(settings.model_copy(update={"chunk_size": 20}))


@pytest.fixture
def queue(jobs: Jobs) -> Queue:
    return Queue(QUEUE, connection=jobs.redis, serializer=JSONSerializer)


@pytest.fixture
def pictures(tmp_path: Path) -> list[Path]:
    """A hundred pictures."""
    jpeg = simplejpeg.encode_jpeg(skimage.data.astronaut()[:128, :128].copy())
    folder = tmp_path / "pictures"
    folder.mkdir()
    paths = [folder / f"{number:03}.jpg" for number in range(100)]
    for path in paths:
        path.write_bytes(jpeg)
    return paths


def work(jobs: Jobs, functions: Mapping[str, Callable[..., object]] | None = None) -> list[tuple[str, int, str]]:
    """Work until the queue is empty; returns what was given up."""
    given_up: list[tuple[str, int, str]] = []
    JobsWorker(
        jobs.redis,
        functions or {},
        lambda job, attempt, reason: given_up.append((job, attempt, reason)),
        threading.Event(),
    ).run(until_empty=True)
    return given_up


def assert_complete(view: JobView, pictures: list[Path]) -> None:
    assert (view.state, view.inputs, view.done, view.failed) == ("done", len(pictures), len(pictures), 0)
    results = json.loads((view.out / "results.json").read_text())
    assert [picture["path"] for picture in results["pictures"]] == [str(path) for path in pictures]


def test_only_listed_functions_run(jobs: Jobs, queue: Queue) -> None:
    job = queue.enqueue("worker.photos.run_chunk", "a", 1, key=2)
    seen: list[object] = []
    assert work(jobs, {"worker.photos.run_chunk": lambda *args, **named: seen.append((args, named))}) == []
    assert seen == [(("a", 1), {"key": 2})]
    assert job.get_status() == JobStatus.FINISHED


def test_another_name_is_refused_and_never_imported(jobs: Jobs, queue: Queue, tmp_path: Path) -> None:
    made = tmp_path / "made"
    job = queue.enqueue("os.system", f"touch {made}")
    module = queue.enqueue("tests_would_import_this.function")
    work(jobs)
    assert not made.exists()
    assert [job.get_status(), module.get_status()] == [JobStatus.FAILED, JobStatus.FAILED]
    assert "refused to run 'os.system'" in job.latest_result().exc_string
    assert "refused to run" in module.latest_result().exc_string
    assert "tests_would_import_this" not in sys.modules


def test_a_method_of_a_value_in_the_queue_is_refused(jobs: Jobs, queue: Queue) -> None:
    job = queue.enqueue("upper")
    job.instance = "text"
    job.func_name = "upper"
    job.save()
    work(jobs, {"upper": lambda: None})
    assert job.get_status() == JobStatus.FAILED


def test_callbacks_that_a_job_carries_are_ignored(jobs: Jobs, queue: Queue, tmp_path: Path) -> None:
    stop = Callback("subprocess.getoutput")
    job = queue.enqueue("mien.listed", on_success=stop, on_failure=stop, on_stopped=stop)
    bad = queue.enqueue("os.system", on_failure=Callback("tests_would_import_this.function"))
    work(jobs, {"mien.listed": lambda: None})
    assert job.get_status() == JobStatus.FINISHED
    assert bad.get_status() == JobStatus.FAILED
    assert "tests_would_import_this" not in sys.modules


def test_data_that_is_not_json_is_refused(jobs: Jobs, queue: Queue) -> None:
    job = Queue(QUEUE, connection=jobs.redis).enqueue("os.getpid")  # pickle, RQ's own default
    work(jobs)
    assert job.get_status() == JobStatus.FAILED


def test_a_failure_is_told_only_when_no_try_is_left(jobs: Jobs, queue: Queue) -> None:
    calls: list[str] = []

    def fail(job_id: str, attempt: int) -> None:
        calls.append(job_id)
        raise OSError(28, "No space left on device")

    queue.enqueue("mien.listed", "abcdef01", 3, retry=Retry(max=2))
    given_up = work(jobs, {"mien.listed": fail})
    assert calls == ["abcdef01"] * 3
    assert given_up == [("abcdef01", 3, "OSError: [Errno 28] No space left on device")]


def test_a_stop_finishes_the_picture_in_hand_and_hands_the_rest_back(jobs: Jobs, pictures: list[Path]) -> None:
    view = enqueue_photos(jobs, pictures, name="hundred")
    with jobs_worker(jobs, SLOW_WORKER) as process:
        wait_for(jobs, view.id, lambda view: view.done >= 20, 60)
        started = time.monotonic()
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
        assert time.monotonic() - started < 5 * 1.5
    between = jobs.get(view.id)
    assert between.state == "running"
    assert between.done < 100
    with jobs_worker(jobs, SLOW_WORKER):
        ended = wait_for(jobs, view.id, lambda view: view.ended, 60)
    assert_complete(ended, pictures)


@pytest.mark.slow
def test_what_a_killed_worker_held_is_running_again_within_30_s(jobs: Jobs, pictures: list[Path]) -> None:
    view = enqueue_photos(jobs, pictures, name="hundred")
    with jobs_worker(jobs, SLOW_WORKER) as first:
        wait_for(jobs, view.id, lambda view: 20 <= view.done < 80, 60)
        first.send_signal(signal.SIGKILL)
        first.wait()
        killed = time.monotonic()
    with jobs_worker(jobs, SLOW_WORKER):
        ended = wait_for(jobs, view.id, lambda view: view.ended, 60)
    assert time.monotonic() - killed < 30 + 15
    assert_complete(ended, pictures)


@pytest.mark.slow
def test_a_job_taken_by_a_worker_that_died_at_once_comes_back(jobs: Jobs, pictures: list[Path]) -> None:
    view = enqueue_photos(jobs, pictures[:5], name="five")
    queue_key = jobs.queue.key
    assert jobs.redis.lmove(queue_key, f"{queue_key}:intermediate", "LEFT", "RIGHT")  # and no more
    with jobs_worker(jobs, SLOW_WORKER):
        ended = wait_for(jobs, view.id, lambda view: view.ended, 30)
    assert_complete(ended, pictures[:5])


@pytest.mark.slow
def test_a_broker_that_goes_away_and_comes_back_costs_nothing(
    settings: Settings, pictures: list[Path], tmp_path: Path
) -> None:
    with EmbeddedBroker(keep_in=tmp_path / "broker") as broker:
        jobs = Jobs.from_settings(settings.model_copy(update={"jobs_url": broker.url, "chunk_size": 20}))
        view = enqueue_photos(jobs, pictures, name="hundred")
        log = tmp_path / "worker.log"
        with jobs_worker(jobs, SLOW_WORKER, log=log) as process:
            wait_for(jobs, view.id, lambda view: view.done >= 20, 60)
            os.kill(broker.pid, signal.SIGSTOP)
            wait_until(lambda: BROKER_IS_AWAY in log.read_text(), 60, "the worker to miss its broker")
            os.kill(broker.pid, signal.SIGCONT)
            ended = wait_for(jobs, view.id, lambda view: view.ended, 60)
            assert process.poll() is None
    assert_complete(ended, pictures)


def test_a_worker_says_that_it_lives_and_when_it_has_gone(jobs: Jobs, broker_url: str) -> None:
    worker = JobsWorker(jobs.redis, {}, lambda *_: None, threading.Event())
    worker.register_birth()
    worker.beat()
    with redis.Redis.from_url(broker_url) as client:
        assert 0 < client.ttl(worker.key) <= 15
    worker.register_death()
    with redis.Redis.from_url(broker_url) as client:
        assert client.hexists(worker.key, "death")
