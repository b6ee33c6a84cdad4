from __future__ import annotations

from pathlib import Path

import pytest
import redis

from mien.errors import BrokerUnavailable, InputError, JobError
from mien.jobs import QUEUE, Failure, Jobs, Tally
from mien.settings import Settings


@pytest.fixture
def jobs(settings: Settings) -> Jobs:
    return Jobs.from_settings(settings.model_copy(update={"chunk_size": 2}))


def five(jobs: Jobs) -> str:
    return jobs.enqueue_photos([Path(f"/pictures/{number}.jpg") for number in range(5)], name="five").id


def test_a_queued_job_is_seen_with_all_its_inputs(jobs: Jobs) -> None:
    view = jobs.get(five(jobs))
    assert (view.state, view.kind, view.name, view.inputs, view.done, view.failed) == (
        "queued",
        "photos",
        "five",
        5,
        0,
        0,
    )
    assert view.finished is None
    assert view.out.is_dir()
    assert jobs.list() == [view]


def test_inputs_are_split_into_one_rq_job_a_chunk(jobs: Jobs) -> None:
    job_id = five(jobs)
    assert jobs.queue.job_ids == [f"{job_id}-1-{chunk}" for chunk in range(3)]
    inputs = jobs.folder(job_id).read_inputs()
    assert [len(inputs.chunk(chunk)) for chunk in range(3)] == [2, 2, 1]
    assert sorted(index for chunk in range(3) for index in inputs.chunk(chunk)) == [0, 1, 2, 3, 4]


def test_rq_jobs_carry_json_and_our_own_times(jobs: Jobs) -> None:
    job_id = five(jobs)
    job = jobs.queue.fetch_job(f"{job_id}-1-0")
    assert job is not None
    assert job.data == f'["worker.photos.run_chunk", null, ["{job_id}", 1, 0], {{}}]'.encode()
    assert (job.timeout, job.failure_ttl) == (jobs.settings.job_timeout_s, jobs.settings.job_ttl_s)
    assert job.retries_left


def test_jobs_are_listed_newest_first_up_to_the_limit(jobs: Jobs) -> None:
    ids = [five(jobs) for _ in range(3)]
    assert [view.id for view in jobs.list(2)] == ids[:0:-1]


def test_ids_cannot_be_guessed_and_never_leave_the_folder(jobs: Jobs) -> None:
    assert len({jobs.new_id() for _ in range(100)}) == 100
    assert len(jobs.new_id()) == 20
    for bad in ("../../etc", "", "x" * 20, "0" * 65, "abcdef12/.."):
        with pytest.raises(JobError, match="no job"):
            jobs.get(bad)
        with pytest.raises(JobError, match="no job"):
            jobs.upload_dir(bad)


def test_an_unknown_job_is_one_clear_line(jobs: Jobs) -> None:
    with pytest.raises(JobError, match="there is no job 'abcdef0123'"):
        jobs.get("abcdef0123")


def test_uploads_are_shown_by_their_names(jobs: Jobs) -> None:
    job_id = jobs.new_id()
    picture = jobs.upload_dir(job_id) / "0.jpg"
    picture.write_bytes(b"")
    jobs.enqueue_photos([picture], name="upload", job_id=job_id, labels=["../../holiday é.jpg"])
    (item,) = jobs.folder(job_id).read_inputs().items
    assert (item.path, item.label) == (picture, "../../holiday é.jpg")


def test_an_id_serves_one_job_only(jobs: Jobs) -> None:
    job_id = five(jobs)
    with pytest.raises(JobError, match="queued already"):
        jobs.enqueue_photos([Path("other.jpg")], name="other", job_id=job_id)


def test_no_pictures_and_no_place_for_results_are_refused(jobs: Jobs, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no pictures"):
        jobs.enqueue_photos([], name="none")
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="results cannot be written"):
        jobs.enqueue_photos([Path("a.jpg")], name="a", out=tmp_path / "file" / "out")
    assert jobs.list() == []


def test_a_cancelled_job_is_not_wanted_any_more(jobs: Jobs) -> None:
    job_id = five(jobs)
    assert jobs.is_wanted(job_id, 1)
    view = jobs.cancel(job_id)
    assert view.state == "cancelled"
    assert view.finished is not None
    assert not jobs.is_wanted(job_id, 1)
    assert not jobs.end(job_id, 1, "done")
    assert jobs.cancel(job_id) == view


def test_a_retry_is_a_new_attempt_and_ends_the_old_one(jobs: Jobs) -> None:
    job_id = five(jobs)
    jobs.cancel(job_id)
    assert jobs.retry(job_id).state == "queued"
    assert not jobs.is_wanted(job_id, 1)
    assert jobs.is_wanted(job_id, 2)
    assert jobs.queue.job_ids[-3:] == [f"{job_id}-2-{chunk}" for chunk in range(3)]


def test_a_retry_leaves_finished_chunks_alone(jobs: Jobs) -> None:
    job_id = five(jobs)
    folder = jobs.folder(job_id)
    folder.write_part(folder.part(1), {2: {"path": "2.jpg"}, 3: {"path": "3.jpg"}})
    jobs.cancel(job_id)
    jobs.retry(job_id)
    assert jobs.queue.job_ids[-2:] == [f"{job_id}-2-0", f"{job_id}-2-2"]


def test_a_retry_of_a_finished_job_reads_only_what_failed(jobs: Jobs) -> None:
    job_id = jobs.enqueue_photos([Path(f"{number}.jpg") for number in range(2)], name="two").id
    folder = jobs.folder(job_id)
    folder.write_part(folder.part(0), {0: {"path": "0.jpg", "reason": "gone"}, 1: {"path": "1.jpg", "faces": []}})
    jobs.report(job_id, {0: Tally(1, 1, 0, (Failure("0.jpg", "gone"),))})
    jobs.end(job_id, 1, "done")
    jobs.retry(job_id)
    assert jobs.queue.job_ids[-1] == f"{job_id}-2-0"
    assert folder.read_part(folder.partial(0)) == {1: {"path": "1.jpg", "faces": []}}
    assert folder.finished_chunks() == set()


def test_a_job_without_failures_cannot_be_retried(jobs: Jobs) -> None:
    job_id = five(jobs)
    jobs.report(job_id, {0: Tally(5, 0, 2)})
    jobs.end(job_id, 1, "done")
    with pytest.raises(JobError, match="nothing to retry"):
        jobs.retry(job_id)


def test_progress_is_absolute_so_that_saying_it_twice_changes_nothing(jobs: Jobs) -> None:
    job_id = five(jobs)
    for _ in range(2):
        jobs.report(job_id, {2: Tally(0, 1, 0, (Failure("4.jpg", "not a picture"),)), 0: Tally(2, 0, 3)})
    view = jobs.get(job_id)
    assert (view.done, view.failed, view.faces) == (2, 1, 3)
    assert view.failures == (Failure("4.jpg", "not a picture"),)


def test_the_report_is_queued_once_whoever_asks(jobs: Jobs) -> None:
    job_id = five(jobs)
    for _ in range(3):
        jobs.enqueue_report(job_id, 1)
    assert jobs.queue.job_ids.count(f"{job_id}-1-report") == 1


def test_finished_jobs_are_forgotten_after_their_time(jobs: Jobs, broker_url: str) -> None:
    job_id = five(jobs)
    jobs.end(job_id, 1, "failed", "the disk is full")
    assert jobs.get(job_id).reason == "the disk is full"
    with redis.Redis.from_url(broker_url) as client:
        assert 0 < client.ttl(f"mien:job:{job_id}") <= jobs.settings.job_ttl_s
        client.delete(f"mien:job:{job_id}")
    assert jobs.list() == []


def test_a_broker_that_is_away_is_one_clear_error(tmp_path: Path) -> None:
    jobs = Jobs(f"unix://{tmp_path}/none.sock", Settings(data_dir=tmp_path))
    for call in (jobs.ping, jobs.list, lambda: five(jobs)):
        with pytest.raises(BrokerUnavailable, match="does not answer"):
            call()


def test_a_hundred_thousand_inputs_are_queued_in_seconds(settings: Settings) -> None:
    jobs = Jobs.from_settings(settings)
    view = jobs.enqueue_photos([Path(f"/pictures/{number}.jpg") for number in range(100_000)], name="many")
    assert view.inputs == 100_000
    assert jobs.redis.llen(f"rq:queue:{QUEUE}") == 3125
