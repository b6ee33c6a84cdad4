"""Every kind of job in one worker: what `mien jobs work` runs."""

from __future__ import annotations

import threading
from collections.abc import Callable

from mien.jobs.jobs import Jobs
from worker.evaluation import EvaluationJobs
from worker.heap import few_arenas
from worker.jobs_worker import JobsWorker
from worker.live.analyse import Analyzer
from worker.photos import PhotoJobs
from worker.step import give_up
from worker.video.jobs import VideoJobs
from worker.webhook import Webhooks


def job_worker(jobs: Jobs, analyzer: Analyzer, stopping: threading.Event) -> JobsWorker:
    """Return a worker on jobs of every kind; its `run` ends when `stopping` is set."""
    few_arenas()
    functions: dict[str, Callable[..., object]] = dict(Webhooks(jobs).functions)
    for kind in (PhotoJobs, VideoJobs, EvaluationJobs):
        functions.update(kind(jobs, analyzer, stopping).functions)
    return JobsWorker(jobs.redis, functions, lambda *failed: give_up(jobs, *failed), stopping, died=jobs.deaths.add)
