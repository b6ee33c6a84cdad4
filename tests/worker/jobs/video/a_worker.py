"""A worker on video jobs as a process of its own: `python -m tests.worker.jobs.video.a_worker MS_A_FRAME`."""

from __future__ import annotations

import sys
import threading
import time

from mien.jobs.jobs import Jobs
from mien.settings import load_settings
from tests.support.clips import SquareFinder
from worker.jobs.rq_worker import JobsWorker
from worker.jobs.video.jobs import VideoJobs


def main() -> None:
    """Work until the queue is empty and the job has ended."""
    frame_s = float(sys.argv[1]) / 1000
    jobs = Jobs.from_settings(load_settings())
    stopping = threading.Event()
    steps = VideoJobs(jobs, SquareFinder(lambda _: time.sleep(frame_s)), stopping)
    worker = JobsWorker(jobs.redis, steps.functions, steps.give_up, stopping)

    def stop_at_the_end() -> None:
        while not all(view.ended for view in jobs.list()):
            time.sleep(0.05)
        stopping.set()

    threading.Thread(target=stop_at_the_end, daemon=True).start()
    worker.run()


if __name__ == "__main__":
    main()
