from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence

import cv2
import pytest

from mien.inputs.input import Input
from mien.jobs.jobs import JOB_FUNCTIONS, QUEUES, Jobs
from mien.pixels import Rgb
from mien.settings import Settings
from mien.types import Face
from worker.jobs.evaluation import EvaluationJobs
from worker.jobs.kinds import job_worker
from worker.jobs.photos import PhotoJobs
from worker.jobs.rq_worker import JobsWorker
from worker.jobs.video.jobs import VideoJobs
from worker.jobs.webhook import Webhooks


class NoAnalyzer:
    """No test here gets as far as to look at a picture."""

    threshold = 0.3

    def analyze_many(self, _: Sequence[Rgb]) -> tuple[list[tuple[Face, ...]], Mapping[str, float]]:
        raise AssertionError


def test_a_worker_runs_every_function_that_the_queue_may_carry_and_no_other(settings: Settings) -> None:
    jobs = Jobs.from_settings(settings)
    names = set(Webhooks(jobs).functions)
    for kind in (PhotoJobs, VideoJobs, EvaluationJobs):
        names |= kind(jobs, NoAnalyzer(), threading.Event()).functions.keys()
    assert names == JOB_FUNCTIONS


def test_opencv_has_the_threads_of_the_settings_before_an_analyzer_is_opened(settings: Settings) -> None:
    before = cv2.getNumThreads()
    try:
        cv2.setNumThreads(4)
        job_worker(Jobs.from_settings(settings), NoAnalyzer(), threading.Event()).run(until_empty=True)
        assert cv2.getNumThreads() == settings.inference_threads == 1
    finally:
        cv2.setNumThreads(before)


def test_a_worker_of_all_kinds_ends_a_job_that_has_only_bad_pictures(settings: Settings) -> None:
    jobs = Jobs.from_settings(settings)
    view = jobs.enqueue("photos", [Input.of("/nowhere/a.jpg", "a.jpg")], name="a")
    job_worker(jobs, NoAnalyzer(), threading.Event()).run(until_empty=True)
    assert (jobs.get(view.id).state, jobs.get(view.id).failed) == ("done", 1)


def test_jobs_of_higher_priority_go_first(settings: Settings) -> None:
    jobs = Jobs.from_settings(settings)
    order: list[str] = []
    views = {
        priority: jobs.enqueue("photos", [Input.of(f"/{priority}.jpg", "a.jpg")], name=priority, priority=priority)
        for priority in ("low", "normal", "high")
    }
    functions = {name: lambda job_id, *_: order.append(job_id) for name in JOB_FUNCTIONS}
    JobsWorker(jobs.redis, functions, lambda *_: None, threading.Event()).run(until_empty=True)
    assert order == [views[priority].id for priority in QUEUES]
    # What a worker has finished must not lie in the intermediate queues, or it would come back.
    assert [jobs.redis.llen(f"rq:queue:{name}:intermediate") for name in QUEUES.values()] == [0, 0, 0]


@pytest.mark.slow
def test_a_worker_that_has_nothing_to_do_loads_no_heavy_library() -> None:
    code = (
        "import sys, worker.jobs.kinds; heavy = {'av', 'matplotlib', 'plotly', 'pandas', 'tensorflow', 'torch',"
        " 'keras', 'openvino', 'pyarrow'}; print(sorted(heavy & sys.modules.keys()))"
    )
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[]"
