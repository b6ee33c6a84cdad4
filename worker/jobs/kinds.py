"""Every kind of job in one worker: what `mien jobs work` runs."""

from __future__ import annotations

import threading
from collections.abc import Callable

import cv2

from mien.jobs.jobs import Jobs
from worker.analyzer import Analyzer
from worker.heap import few_arenas
from worker.jobs.evaluation import EvaluationJobs
from worker.jobs.photos import PhotoJobs
from worker.jobs.rq_worker import JobsWorker
from worker.jobs.step import give_up
from worker.jobs.video.jobs import VideoJobs
from worker.jobs.webhook import Webhooks


def job_worker(jobs: Jobs, analyzer: Analyzer, stopping: threading.Event) -> JobsWorker:
    """Return a worker on jobs of every kind; its `run` ends when `stopping` is set."""
    few_arenas()
    cv2.setNumThreads(
        jobs.settings.inference_threads
    )  # not only once an analyzer is opened: pictures are decoded before
    functions: dict[str, Callable[..., object]] = dict(Webhooks(jobs).functions)
    for kind in (PhotoJobs, VideoJobs, EvaluationJobs):
        functions.update(kind(jobs, analyzer, stopping).functions)
    return JobsWorker(
        jobs.redis,
        functions,
        lambda *failed: give_up(jobs, *failed),
        stopping,
        died=jobs.deaths.add,
        address=jobs.address,
        outage=jobs.outage,
    )
