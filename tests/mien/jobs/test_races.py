"""What several workers and people do to one job in the same moment happens once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import TypeVar

import pytest

from mien.errors import JobConflict
from mien.inputs.input import Input
from mien.jobs.jobs import Jobs
from mien.jobs.steps import PHOTO_CHUNK, call
from mien.settings import Settings

ASKERS = 8
T = TypeVar("T")


@pytest.fixture
def jobs(settings: Settings) -> Iterator[Jobs]:
    jobs = Jobs.from_settings(settings.model_copy(update={"chunk_size": 1}))
    yield jobs
    jobs.close()


def at_once(ask: Callable[[int], T]) -> list[T]:
    """Return what `ASKERS` threads get that ask in the same moment."""
    start = Barrier(ASKERS)

    def wait_and_ask(number: int) -> T:
        start.wait()
        return ask(number)

    with ThreadPoolExecutor(ASKERS) as pool:
        return list(pool.map(wait_and_ask, range(ASKERS)))


def items(count: int = ASKERS) -> list[Input]:
    return [Input.of(f"/{number}.jpg", f"{number}.jpg") for number in range(count)]


def test_who_asks_for_the_same_gets_the_same_job(jobs: Jobs) -> None:
    views = at_once(lambda _: jobs.enqueue("photos", items(), name="same"))
    assert len({view.id for view in views}) == len(jobs.list()) == 1
    assert sum(not view.existed for view in views) == 1
    assert len(jobs.queue.job_ids) == ASKERS


def test_an_id_is_given_to_one_of_those_who_want_it(jobs: Jobs) -> None:
    def ask(number: int) -> bool:
        try:
            jobs.enqueue("photos", items(1), name=str(number), job_id="abcdef0123")
        except JobConflict:
            return False
        return True

    assert sum(at_once(ask)) == len(jobs.list()) == 1


def test_the_last_of_the_steps_that_end_together_queues_the_report_once(jobs: Jobs) -> None:
    view = jobs.enqueue("photos", items(), name="eight")
    folder = jobs.folder(view.id)
    for chunk in range(ASKERS):
        folder.write_part(folder.part(chunk), {})
    queued = at_once(lambda chunk: jobs.enqueue_next(view.id, 1, call(PHOTO_CHUNK, chunk)))
    assert [[each.step for each in calls] for calls in queued if calls] == [["report"]]
    assert jobs.queue.job_ids.count(f"{view.id}-1-report") == 1


def test_a_job_ends_once_and_calls_its_webhook_once(jobs: Jobs) -> None:
    view = jobs.enqueue("photos", items(1), name="one", webhook="http://localhost/done")
    assert sum(at_once(lambda _: jobs.end(view.id, 1, "done"))) == 1
    assert jobs.queue.job_ids.count(f"{view.id}-1-webhook") == 1


def test_retries_by_several_queue_no_attempt_twice(jobs: Jobs) -> None:
    view = jobs.enqueue("photos", items(2), name="two")
    jobs.cancel(view.id)
    at_once(lambda _: jobs._begin_again(view.id, [call(PHOTO_CHUNK, 0)]))
    attempt = int(jobs.redis.hget(f"mien:job:{view.id}", "attempt") or 0)
    for number in range(2, attempt + 1):
        assert jobs.queue.job_ids.count(f"{view.id}-{number}-chunk-0") == 1
    assert jobs.is_wanted(view.id, attempt)
    assert not jobs.is_wanted(view.id, attempt - 1)
