from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from rq import Retry

from mien.errors import JobError
from mien.inputs.input import Input
from mien.jobs.jobs import Jobs
from mien.jobs.steps import PHOTO_CHUNK, PHOTO_REPORT, call
from mien.pixels import Rgb
from mien.settings import Settings
from mien.types import Face
from worker.jobs.step import JobSteps, Step

ITEMS = [Input.of(f"/pictures/{number}.jpg", f"{number}.jpg") for number in range(3)]


class NoAnalyzer:
    """No step here looks at pictures."""

    threshold = 0.3

    def analyze_many(self, _: Sequence[Rgb]) -> tuple[list[tuple[Face, ...]], Mapping[str, float]]:
        raise AssertionError


class Clerk(JobSteps):
    """Finishes chunks by writing their files, or hands them back."""

    kind = "photos"

    def __init__(self, jobs: Jobs) -> None:
        super().__init__(jobs, NoAnalyzer(), threading.Event())
        self.seen: list[Any] = []
        self.hands_back = False

    def _steps(self) -> Mapping[str, Step]:
        return {PHOTO_CHUNK: self.run_chunk, PHOTO_REPORT: self.write_report}

    def run_chunk(self, job_id: str, attempt: int, chunk: int) -> Retry | None:
        self.seen.append((chunk, self.deaths))
        if self.hands_back:
            return self.handed_back()
        folder = self._jobs.folder(job_id)
        folder.write_part(folder.part(chunk), {})
        return None

    def write_report(self, job_id: str, attempt: int) -> None:
        self.seen.append("report")
        self.end(job_id, attempt, "done")


@pytest.fixture
def jobs(settings: Settings) -> Jobs:
    return Jobs.from_settings(settings.model_copy(update={"chunk_size": 2}))


def test_a_finished_step_queues_what_comes_next(jobs: Jobs) -> None:
    clerk, view = Clerk(jobs), jobs.enqueue("photos", ITEMS, name="three")
    for chunk in (1, 0):
        assert f"{view.id}-1-report" not in jobs.queue.job_ids
        clerk.functions[PHOTO_CHUNK](view.id, 1, chunk)
        assert jobs.get(view.id).state == "running"
    assert jobs.queue.job_ids[-1] == f"{view.id}-1-report"
    clerk.functions[PHOTO_REPORT](view.id, 1)
    assert jobs.get(view.id).state == "done"
    assert clerk.seen == [(1, 0), (0, 0), "report"]


def test_a_step_that_is_handed_back_finishes_nothing(jobs: Jobs) -> None:
    clerk, view = Clerk(jobs), jobs.enqueue("photos", ITEMS[:1], name="one")
    clerk.hands_back = True
    assert isinstance(clerk.functions[PHOTO_CHUNK](view.id, 1, 0), Retry)
    assert f"{view.id}-1-report" not in jobs.queue.job_ids


def test_a_step_that_is_not_wanted_any_more_is_left_out(jobs: Jobs) -> None:
    clerk, view = Clerk(jobs), jobs.enqueue("photos", ITEMS, name="three")
    jobs.cancel(view.id)
    jobs.retry(view.id)
    clerk.functions[PHOTO_CHUNK](view.id, 1, 0)
    assert clerk.seen == []
    clerk.functions[PHOTO_CHUNK](view.id, 2, 0)
    assert clerk.seen == [(0, 0)]


def test_what_a_job_carries_is_checked(jobs: Jobs) -> None:
    clerk, view = Clerk(jobs), jobs.enqueue("photos", ITEMS, name="three")
    run = clerk.functions[PHOTO_CHUNK]
    for job_id in ("../../etc", "", "0" * 65):
        with pytest.raises(JobError, match="there is no job"):
            run(job_id, 1, 0)
    for bad in ("0", True, 0.0, -1, None, [0]):
        with pytest.raises(JobError, match="is not the number"):
            run(view.id, 1, bad)
        with pytest.raises(JobError, match="is not the number"):
            run(view.id, bad, 0)
    assert clerk.seen == []


def test_a_job_of_another_kind_is_refused(jobs: Jobs) -> None:
    clerk, view = Clerk(jobs), jobs.enqueue("video", ITEMS, name="three")
    with pytest.raises(JobError, match="is of kind video, not photos"):
        clerk.functions[PHOTO_CHUNK](view.id, 1, 0)


def test_a_job_whose_folder_is_gone_is_one_clear_line(jobs: Jobs) -> None:
    clerk, view = Clerk(jobs), jobs.enqueue("photos", ITEMS, name="three")
    (jobs.folder(view.id).path / "inputs.json").unlink()
    with pytest.raises(JobError, match="queue the job again"):
        clerk.functions[PHOTO_CHUNK](view.id, 1, 0)


def test_a_step_knows_how_many_workers_died_over_it(jobs: Jobs) -> None:
    clerk, view = Clerk(jobs), jobs.enqueue("photos", ITEMS, name="three")
    step = call(PHOTO_CHUNK, 1)
    jobs.deaths.at(view.id, 1, step, "frame 7")
    assert not any(jobs.deaths.add(view.id, f"{view.id}-1-chunk-1") for _ in range(2))
    clerk.functions[PHOTO_CHUNK](view.id, 1, 0)
    clerk.functions[PHOTO_CHUNK](view.id, 1, 1)
    assert clerk.seen == [(0, 0), (1, 2)]
    assert jobs.deaths.count(view.id, 1, step) == 0


def test_deaths_in_different_places_are_the_fault_of_none(jobs: Jobs) -> None:
    view, step = jobs.enqueue("photos", ITEMS, name="three"), call(PHOTO_CHUNK, 1)
    rq_id = f"{view.id}-1-chunk-1"
    for place in ("frame 1", "frame 2", "frame 1"):
        jobs.deaths.at(view.id, 1, step, place)
        assert not jobs.deaths.add(view.id, rq_id)
        assert jobs.deaths.count(view.id, 1, step) == 1
    jobs.deaths.at(view.id, 1, step, "")
    assert not jobs.deaths.add(view.id, rq_id)
    assert jobs.deaths.count(view.id, 1, step) == 0  # it had only begun
    jobs.deaths.at(view.id, 1, step, "frame 1")
    assert [jobs.deaths.add(view.id, rq_id) for _ in range(6)] == [False] * 5 + [True]


def test_after_twenty_deaths_anywhere_nobody_tries_again(jobs: Jobs) -> None:
    view = jobs.enqueue("photos", ITEMS, name="three")
    assert [jobs.deaths.add(view.id, f"{view.id}-1-chunk-1") for _ in range(21)] == [False] * 20 + [True]


def test_what_killed_workers_left_is_removed_before_the_report(jobs: Jobs) -> None:
    clerk, view = Clerk(jobs), jobs.enqueue("photos", ITEMS, name="three")
    left = [
        jobs.folder(view.id).path / "parts" / ".0.json.4711.new",
        jobs.folder(view.id).path / "videos" / "0" / "rendered" / ".3.mp4.1.new",
        view.out / "annotated" / ".1-a.jpg.77.new",
        view.out / ".results.csv.77.new",
    ]
    kept = [view.out / "annotated" / "1-a.jpg", view.out / ".hidden.new", view.out / "notes.77.new"]
    for path in (*left, *kept):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    clerk.functions[PHOTO_REPORT](view.id, 1)
    assert not any(path.exists() for path in left)
    assert all(path.exists() for path in kept)
